//! `wattlab model eval`: accuracy, calibration and joules per image of a network on labeled images.

pub(super) mod cascade;
pub(in crate::command) mod preparation;

use std::{path::PathBuf, time::Instant};

use anyhow::anyhow;
use meter::Meter;
use models::{
    Collection, DataError, Device, LabeledImages, Precision, collection,
    vision::{Int8Settings, Preprocessing, Pretrained, VisionError, VisionNetwork},
};
use record::{Energy, Warning};
use serde_json::{Value, json};
use units::limits;

use self::preparation::{Preparation, document};
use super::weights::Weights;
use crate::{
    Failure, Interrupt,
    data::{EMBEDDED_SEED, data_folder},
    device::{check_seen, device},
    memory, output,
    scores::{Scored, Scores},
    sensing::Sensing,
};

/// Arguments of `wattlab model eval`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The network: torchvision's name (see `wattlab model list`), or a file.
    #[arg(long, value_name = "NAME|FILE")]
    arch: String,
    #[command(flatten)]
    weights: Weights,
    #[command(flatten)]
    flags: EvaluationFlags,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Which images networks are evaluated on, and how; the same for `model eval` and `model cascade`.
#[derive(Debug, clap::Args)]
struct EvaluationFlags {
    /// Labeled images: a known data set (see `wattlab datasets list`), or the path of your own: a folder with
    /// a folder of JPEG or PNG files for each class, of IDX or of CIFAR files; an IDX file; or a CSV file with
    /// lines `path,label`.
    #[arg(long, value_name = "NAME|PATH")]
    data: String,
    /// Folder with the files of known data sets.
    #[arg(long, value_name = "DIR", env = "WATTLAB_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Which images [default: test, or else validation, or else all].
    #[arg(long, value_name = "SPLIT")]
    split: Option<SplitName>,
    /// Evaluate only this many images, spread evenly over all.
    #[arg(long, value_name = "N", value_parser = limits::IMAGES.parser::<usize>())]
    limit: Option<usize>,
    /// Batch size.
    #[arg(long, default_value_t = 32, value_parser = limits::BATCH.parser::<usize>())]
    batch: usize,
    #[command(flatten)]
    preparation: Preparation,
    /// Number of threads [default: one per processor].
    #[arg(long, value_parser = limits::THREADS.parser::<usize>())]
    threads: Option<usize>,
    /// Device to compute on: `cpu`, `cuda` or `cuda:N`.
    #[arg(long, default_value = "cpu")]
    device: String,
    /// The numbers that networks compute with. `int8` runs on the CPU; the ranges of activations are from 100 of the
    /// images, spread evenly over all. Their labels are not used.
    #[arg(long, value_name = "NAME", default_value = "float32")]
    precision: PrecisionName,
    #[command(flatten)]
    sensing: Sensing,
}

/// Labeled images, and the device that a network runs on.
struct Opened {
    device: Device,
    found: Collection,
    split: &'static str,
    images: LabeledImages,
}

impl EvaluationFlags {
    /// Opens the device, starts the threads and finds the images.
    fn open(&self) -> Result<Opened, Failure> {
        let device = device(&self.device)?;
        memory::use_threads(self.threads)
            .map_err(|error| Failure::BadInput(error.context("--threads")))?;
        let data = |error: DataError| Failure::BadInput(anyhow!(error).context("--data"));
        let folder = data_folder(self.data_dir.clone());
        let found = collection(&self.data, folder.as_deref(), EMBEDDED_SEED).map_err(data)?;
        let (split, images) = chosen(&found, self.split, self.limit)?;
        Ok(Opened { device, found, split, images })
    }

    /// A meter that sees the device.
    fn meter(&self, device: &Device) -> Result<Meter, Failure> {
        let meter = self.sensing.builder()?.start().map_err(Failure::bad_input)?;
        check_seen(device.name(), &meter.probe_uses())?;
        Ok(meter)
    }

    /// A network with its weights, prepared for these images. Checks that a batch fits into the memory.
    fn evaluation<'a>(
        &'a self,
        arch: &'a str,
        weights: &Weights,
        opened: &'a Opened,
    ) -> Result<Evaluation<'a>, Failure> {
        let (network, published) = network(arch, weights)?;
        let preprocessing = self.preparation.of(network.info(), published)?;
        let channels = network.info().channels;
        let side = u64::from(preprocessing.crop);
        let (batch, image) = (self.batch.min(opened.images.len()), channels as u64 * side * side);
        if (batch as u64).saturating_mul(image) > BATCH_VALUES {
            return Err(Failure::BadInput(anyhow!(
                "--batch {} images of {side}×{side} pixels do not fit into memory; use a smaller batch",
                self.batch
            )));
        }
        memory::fits(batch, channels, preprocessing.crop as usize, memory::INFERENCE)
            .map_err(|error| Failure::BadInput(error.context("--batch")))?;
        let network = match self.precision {
            PrecisionName::Float32 => network.on(&opened.device, Precision::Single),
            PrecisionName::Int8 => self.int8(&network, &preprocessing, opened)?,
        };
        let (data, classes) = (self.data.as_str(), opened.found.classes.as_slice());
        Ok(Evaluation { arch, data, network, preprocessing, classes, batch })
    }
}

impl EvaluationFlags {
    /// The network with 8-bit integers.
    fn int8(
        &self,
        network: &VisionNetwork,
        preprocessing: &Preprocessing,
        opened: &Opened,
    ) -> Result<VisionNetwork, Failure> {
        if opened.device.name() != "cpu" {
            let text = "--precision int8 runs on the CPU only; leave out --device";
            return Err(Failure::BadInput(anyhow!(text)));
        }
        let settings = Int8Settings::default();
        let images = opened.images.evenly(settings.images);
        let part = images
            .prepare(0..images.len(), preprocessing, network.info().channels)
            .map_err(|error| Failure::BadInput(anyhow!(error).context("--data")))?;
        network
            .to_int8(&settings, &part.images)
            .map_err(|error| Failure::BadInput(anyhow!(error).context("--precision int8")))
    }
}

/// The numbers that a network computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum PrecisionName {
    /// Single precision.
    Float32,
    /// 8-bit integers.
    Int8,
}

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::command) enum SplitName {
    /// Training images; all images if the data set has no splits.
    Train,
    /// Validation images.
    Validation,
    /// Test images.
    Test,
}

/// Values of prepared images that are in memory at once; more are prepared and measured in parts.
const PART: usize = 1 << 24;
/// Values of one batch at most.
const BATCH_VALUES: u64 = 1 << 30;
/// Files with an ignored orientation that are named.
const NAMED: usize = 3;
/// Classes for which the confusion matrix is shown as a table; with more, the most frequent mistakes.
const SHOWN: usize = 20;

/// What was measured.
#[derive(Default)]
struct Measured {
    scores: Scores,
    inference: Cost,
    preparation: Cost,
    warnings: Vec<Warning>,
    oriented: usize,
}

/// The time and energy of many spans of one kind.
#[derive(Default)]
struct Cost {
    seconds: f64,
    energies: Vec<Option<Energy>>,
}

impl Cost {
    /// The energy of all spans; `None` if that of one is unknown.
    fn energy(&self) -> Option<Energy> {
        Energy::total(self.energies.iter().copied().collect::<Option<Vec<_>>>()?)
    }

    /// Joules per image with the interval that follows from the sensors' uncertainty.
    fn per_image(&self, images: usize) -> Option<Scored> {
        let Energy { joules, uncertainty, .. } = self.energy()?;
        let n = images as f64;
        let ci95 = [joules.0 - uncertainty.0, joules.0 + uncertainty.0].map(|limit| limit / n);
        Some(Scored { value: joules.0 / n, ci95 })
    }
}

/// Runs `wattlab model eval`.
///
/// # Errors
///
/// If the network, its weights, the data or a flag do not fit each other, an image cannot be read, or the
/// device fails.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let opened = args.flags.open()?;
    let evaluation = args.flags.evaluation(&args.arch, &args.weights, &opened)?;
    let Opened { device, found, split, images } = &opened;
    let meter = args.flags.meter(device)?;
    let interrupt = Interrupt::watch().map_err(Failure::run_time)?;
    let measured = evaluation.measure(images, &meter, &interrupt, &mut |_, _| {})?;
    for warning in &measured.warnings {
        output::line(&format!("warning: {warning}"));
    }
    let name = (found.name.as_str(), *split);
    if args.json {
        let device = (device.name(), device.model_name());
        return output::print_json(&evaluation.document(name, &measured, device));
    }
    evaluation.table(name, &measured).iter().for_each(|line| output::print(line));
    Ok(())
}

/// The images of the split that is asked for, as many as asked for.
pub(in crate::command) fn chosen(
    found: &Collection,
    split: Option<SplitName>,
    limit: Option<usize>,
) -> Result<(&'static str, LabeledImages), Failure> {
    let (name, images) = match split {
        None => found.evaluation(),
        Some(SplitName::Train) => ("train", &found.train),
        Some(SplitName::Validation) => ("validation", &found.validation),
        Some(SplitName::Test) => ("test", &found.test),
    };
    if images.is_empty() {
        let text = format!("--data `{}` has no {name} images; choose another --split", found.name);
        return Err(Failure::BadInput(anyhow!(text)));
    }
    Ok((name, images.evenly(limit.unwrap_or(usize::MAX))))
}

/// Opens the network with its weights. Also returns the published weights whose preprocessing it needs.
pub(in crate::command) fn network(
    arch: &str,
    weights: &Weights,
) -> Result<(VisionNetwork, Option<&'static Pretrained>), Failure> {
    let (weights, published) = weights.for_network(arch)?;
    let network = VisionNetwork::open(arch, None, weights, 0);
    let network = network
        .map_err(|error| Failure::BadInput(anyhow!(error).context(format!("--arch {arch}"))))?;
    Ok((network, published))
}

/// A network with the images that it is evaluated on.
struct Evaluation<'a> {
    arch: &'a str,
    data: &'a str,
    network: VisionNetwork,
    preprocessing: Preprocessing,
    classes: &'a [String],
    batch: usize,
}

impl Evaluation<'_> {
    /// Evaluates all images, a part at a time: each part is decoded and prepared, and then the network runs on
    /// its batches. The two are measured apart. `seen` gets the logits and the label of each image, in order.
    fn measure(
        &self,
        images: &LabeledImages,
        meter: &Meter,
        interrupt: &Interrupt,
        seen: &mut dyn FnMut(&[f32], u32),
    ) -> Result<Measured, Failure> {
        let channels = self.network.info().channels;
        let side = self.preprocessing.crop as usize;
        let in_part = (PART / (channels * side * side)).max(1).next_multiple_of(self.batch);
        let mut measured = Measured::default();
        let data = |error: DataError| Failure::BadInput(anyhow!(error).context("--data"));
        for start in (0..images.len()).step_by(in_part) {
            if interrupt.is_set() {
                return Err(Failure::Interrupted);
            }
            let range = start..images.len().min(start + in_part);
            let span = meter.span("prepare");
            let clock = Instant::now();
            let part = images.prepare(range, &self.preprocessing, channels).map_err(data)?;
            measured.preparation.add(clock, span.end(), &mut measured.warnings);
            for (path, orientation) in &part.oriented {
                measured.oriented += 1;
                if measured.oriented <= NAMED {
                    output::line(&super::forward::orientation_notice(path, *orientation));
                }
            }
            let batches: Vec<_> = (0..part.labels.len())
                .step_by(self.batch)
                .map(|start| {
                    part.images.narrow(0, start, self.batch.min(part.labels.len() - start))
                })
                .collect::<Result<_, _>>()
                .map_err(Failure::run_time)?;
            if start == 0 {
                // Caches and threads are warm, and the size of the output is known, before anything counts.
                self.check_classes(&batches[0])?;
            }
            let mut logits = Vec::new();
            let span = meter.span("infer");
            let clock = Instant::now();
            for batch in &batches {
                logits.push(self.network.forward(batch).map_err(Failure::of_network)?);
                if interrupt.is_set() {
                    return Err(Failure::Interrupted);
                }
            }
            measured.inference.add(clock, span.end(), &mut measured.warnings);
            let rows = logits.iter().map(|logits| logits.to_vec2::<f32>());
            let rows = rows.collect::<Result<Vec<_>, _>>().map_err(Failure::run_time)?.concat();
            for (index, (row, label)) in rows.iter().zip(&part.labels).enumerate() {
                measured.scores.add(row, *label).ok_or_else(|| {
                    Failure::BadInput(anyhow!(
                        "--weights: a logit of image {} is infinite or not a number; the weights do not \
                         belong to this network, or are damaged",
                        start + index
                    ))
                })?;
                seen(row, *label);
            }
        }
        if measured.oriented > NAMED {
            let more = measured.oriented - NAMED;
            output::line(&format!("the orientation of {more} more images is ignored, too"));
        }
        Ok(measured)
    }

    /// Runs a batch, and checks that the network has as many classes as the data.
    fn check_classes(&self, batch: &candle_core::Tensor) -> Result<(), Failure> {
        let fail = |error: VisionError| {
            Failure::BadInput(anyhow!(error).context(format!("--arch {}", self.arch)))
        };
        let logits = self.network.forward(batch).map_err(fail)?;
        let outputs = logits.dim(1).map_err(Failure::run_time)?;
        if outputs == self.classes.len() {
            return Ok(());
        }
        Err(Failure::BadInput(anyhow!(
            "--data `{}` has {} classes, and --arch {} with these weights {outputs}; labels are positions \
             among the classes, so both must have the same",
            self.data,
            self.classes.len(),
            self.arch
        )))
    }

    fn document(
        &self,
        (data, split): (&str, &str),
        measured: &Measured,
        (device, device_name): (&str, Option<&str>),
    ) -> Value {
        let Measured { scores, inference, preparation, .. } = measured;
        let images = scores.images();
        let (top1, top5, ece) = (scores.top1(), scores.top5(), scores.ece());
        let joules = inference.per_image(images);
        let mistakes: Vec<_> = scores
            .mistakes()
            .into_iter()
            .map(
                |([label, class], count)| json!({ "label": label, "class": class, "count": count }),
            )
            .collect();
        let confusion = scores.confusion(self.classes.len());
        json!({
            "schema": "wattlab.eval/1",
            "network": self.network.info().name,
            "parameters": self.network.parameters(),
            "data": data,
            "split": split,
            "images": images,
            "classes": self.classes,
            "top1": top1.value,
            "top5": top5.value,
            "ece": ece.value,
            "joules_per_image": joules.map(|joules| joules.value),
            "ci95": {
                "top1": top1.ci95,
                "top5": top5.ci95,
                "ece": ece.ci95,
                "joules_per_image": joules.map(|joules| joules.ci95),
            },
            "energy": inference.energy(),
            "inference_s": inference.seconds,
            "images_per_s": images as f64 / inference.seconds,
            "preparation": {
                "seconds": preparation.seconds,
                "energy": preparation.energy(),
                "joules_per_image": preparation.per_image(images).map(|joules| joules.value),
            },
            // Rows are labels, columns the classes that they were taken for.
            "confusion": confusion,
            "mistakes": if confusion.is_some() { None } else { Some(mistakes) },
            "preprocessing": document(&self.preprocessing),
            "orientations_ignored": measured.oriented,
            "batch": self.batch,
            "precision": if self.network.int8_summary().is_some() { "int8" } else { "float32" },
            "threads": rayon::current_num_threads(),
            "device": device,
            "device_name": device_name,
            "warnings": measured.warnings,
        })
    }

    fn table(&self, (data, split): (&str, &str), measured: &Measured) -> Vec<String> {
        let Measured { scores, inference, preparation, .. } = measured;
        let images = scores.images();
        let percent = |name: &str, Scored { value, ci95: [low, high] }: Scored| {
            let [value, low, high] = [value, low, high].map(|share| 100.0 * share);
            format!("{name:<20} {value:>7.2} %  [{low:.2}, {high:.2}]")
        };
        let mut lines = vec![
            format!("{} on {images} images of {data} ({split})", self.network.info().name),
            percent("top-1", scores.top1()),
        ];
        if self.classes.len() > 5 {
            lines.push(percent("top-5", scores.top5()));
        }
        lines.push(percent("calibration error", scores.ece()));
        lines.push(match (inference.per_image(images), inference.energy()) {
            (Some(Scored { value, ci95: [low, high] }), Some(energy)) => format!(
                "{:<20} {:>7.2} mJ [{:.2}, {:.2}] {}",
                "energy per image",
                1e3 * value,
                1e3 * low,
                1e3 * high,
                energy.origin.word()
            ),
            _ => format!("{:<20} unknown: no sensor and no estimate", "energy per image"),
        });
        lines.push(format!(
            "{:<20} {:>7.2} ms; decoding and preparing {:.2} ms",
            "time per image",
            1e3 * inference.seconds / images as f64,
            1e3 * preparation.seconds / images as f64
        ));
        lines.push(
            "Intervals are 95 %: Wilson's, a bootstrap over images, and the sensors' uncertainty."
                .to_owned(),
        );
        lines.extend(self.confusions(scores));
        lines
    }

    /// The confusion matrix of few classes, or the most frequent mistakes.
    fn confusions(&self, scores: &Scores) -> Vec<String> {
        let name = |class: usize| {
            let name: String =
                self.classes.get(class).map_or("", String::as_str).chars().take(16).collect();
            name
        };
        let matrix = scores.confusion(self.classes.len()).filter(|matrix| matrix.len() <= SHOWN);
        if let Some(matrix) = matrix {
            let row = |(label, counts): (usize, &Vec<u64>)| {
                let counts: String = counts.iter().map(|count| format!(" {count:>6}")).collect();
                format!("{:<16}{counts}", name(label))
            };
            let head =
                "labels (rows) and the classes that they were taken for (columns):".to_owned();
            return std::iter::once(head).chain(matrix.iter().enumerate().map(row)).collect();
        }
        let mistakes = scores.mistakes();
        let most = mistakes.iter().take(SHOWN).map(|([label, class], count)| {
            format!(
                "{:<16} taken for {:<16} {count:>6}",
                name(*label as usize),
                name(*class as usize)
            )
        });
        std::iter::once("most frequent mistakes:".to_owned()).chain(most).collect()
    }
}

impl Cost {
    fn add(&mut self, clock: Instant, report: meter::SpanReport, warnings: &mut Vec<Warning>) {
        self.seconds += clock.elapsed().as_secs_f64();
        self.energies.push(report.total);
        for warning in report.warnings {
            if !warnings.iter().any(|known| known.kind == warning.kind) {
                warnings.push(warning);
            }
        }
    }
}
