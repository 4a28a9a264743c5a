//! Flags that say how images are prepared for a network.

use anyhow::anyhow;
use models::vision::{NetworkInfo, Preprocessing, Pretrained};
use serde_json::{Value, json};
use units::limits;

use crate::Failure;

/// How images become a network's input. By default they are prepared as torchvision does for the published
/// weights of the network; for a network of a file they are resized to its side, with colors in [0, 1].
#[derive(Debug, clap::Args)]
pub(in crate::command) struct Preparation {
    /// Shorter side after resizing, in pixels.
    #[arg(long, value_name = "PIXELS", value_parser = limits::IMAGE_SIDE.parser::<u32>())]
    resize: Option<u32>,
    /// Side of the center that is cropped out, in pixels.
    #[arg(long, value_name = "PIXELS", value_parser = limits::IMAGE_SIDE.parser::<u32>())]
    crop: Option<u32>,
    /// Mean of each channel in [0, 1], which is subtracted: one number, or one for each channel.
    #[arg(long, value_name = "M[,M,M]", value_delimiter = ',', value_parser = limits::FINITE.parser())]
    mean: Vec<f64>,
    /// Standard deviation of each channel, which is divided by: one number, or one for each channel.
    #[arg(long, value_name = "S[,S,S]", value_delimiter = ',', value_parser = limits::COEFFICIENT.parser())]
    std: Vec<f64>,
    /// Resize with bicubic instead of bilinear interpolation.
    #[arg(long)]
    bicubic: bool,
}

impl Preparation {
    /// The preparation for a network; `published` are its published weights.
    ///
    /// # Errors
    ///
    /// If a flag has a wrong number of values, a deviation is 0, or the network does not accept the size.
    pub(in crate::command) fn of(
        &self,
        network: &NetworkInfo,
        published: Option<&Pretrained>,
    ) -> Result<Preprocessing, Failure> {
        let mut found = match published {
            Some(published) => published.preprocessing,
            None => {
                let side = u32::try_from(network.usual_side).unwrap_or(u32::MAX);
                Preprocessing {
                    resize: side,
                    crop: side,
                    bicubic: false,
                    mean: [0.0; 3],
                    deviation: [1.0; 3],
                }
            }
        };
        // A crop alone also decides the size of the whole image, and the other way around.
        match (self.resize, self.crop) {
            (Some(resize), Some(crop)) => (found.resize, found.crop) = (resize, crop),
            (Some(side), None) | (None, Some(side)) => (found.resize, found.crop) = (side, side),
            (None, None) => {}
        }
        if found.crop > found.resize {
            return Err(Failure::BadInput(anyhow!(
                "--crop is {}, expected at most --resize, which is {}",
                found.crop,
                found.resize
            )));
        }
        found.mean = values("--mean", &self.mean, network.channels)?.unwrap_or(found.mean);
        found.deviation = values("--std", &self.std, network.channels)?.unwrap_or(found.deviation);
        if found.deviation.contains(&0.0) {
            return Err(Failure::BadInput(anyhow!("--std contains 0, which cannot be divided by")));
        }
        found.bicubic |= self.bicubic;
        let side = found.crop as usize;
        network.check_size(side, side).map_err(|error| {
            let text = format!("--arch {}: images are cropped to {side} pixels", network.name);
            Failure::BadInput(anyhow!(error).context(text + "; choose another size by --crop"))
        })?;
        Ok(found)
    }
}

/// The values of a flag for each channel; `None` if it is not given.
fn values(flag: &str, given: &[f64], channels: usize) -> Result<Option<[f32; 3]>, Failure> {
    match *given {
        [] => Ok(None),
        [one] => Ok(Some([one as f32; 3])),
        [red, green, blue] if channels == 3 => {
            Ok(Some([red, green, blue].map(|value| value as f32)))
        }
        _ => Err(Failure::BadInput(anyhow!(
            "{flag} has {} values, expected 1 or one for each of {channels} channels",
            given.len()
        ))),
    }
}

/// A preparation as JSON.
pub(super) fn document(preprocessing: &Preprocessing) -> Value {
    let Preprocessing { resize, crop, bicubic, mean, deviation } = preprocessing;
    json!({
        "resize": resize,
        "crop": crop,
        "interpolation": if *bicubic { "bicubic" } else { "bilinear" },
        "mean": mean,
        "deviation": deviation,
    })
}
