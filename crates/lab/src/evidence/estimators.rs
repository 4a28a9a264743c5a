//! Our own estimators on other people's runs: what they would have said, beside what a meter said.

use meter::{
    Estimator, Origin, Seconds, Watts, gpu_energy,
    validate::{
        Recording, RecordingError,
        real::{RealWindow, RealWindows, Shown, replay_windows},
    },
};
use report::{
    EstimatedRun, EstimatorName, EstimatorRatio, EvidenceBundle, EvidenceRecording, EvidenceSet,
    OwnModel,
};

/// Length of the windows of recordings, in seconds.
const WINDOW: f64 = 1.0;
/// NVIDIA's statement about power readings (NVML API Reference, `nvmlDeviceGetPowerUsage`).
const NVIDIA_STATES: f64 = 0.05;
/// The model of a GPU leaves idle power out, so it is compared where the GPU was busy for at least this share.
const BUSY: f64 = 0.5;

/// The ratio of each of our estimators to a meter, wherever what it reads was recorded.
///
/// # Errors
///
/// If a recording cannot be used.
pub(super) fn ratios(bundle: &EvidenceBundle) -> Result<Vec<EstimatorRatio>, RecordingError> {
    let mut ratios: Vec<EstimatorRatio> = bundle.sets.iter().filter_map(of_set).collect();
    ratios.extend(of_recordings(&bundle.recordings)?);
    Ok(ratios)
}

/// Our estimator on the runs of a set.
fn of_set(set: &EvidenceSet) -> Option<EstimatorRatio> {
    let own = set.own_estimator()?;
    let runs: Option<Vec<EstimatedRun>> = set
        .rows
        .iter()
        .map(|row| {
            let reading = row.own?;
            let seconds = Seconds(reading.seconds);
            let estimated = match own.model {
                OwnModel::CpuTime => {
                    let model = Estimator::for_processor(&set.device);
                    model.energy(Seconds(reading.busy * reading.seconds), seconds, own.limit)
                }
                OwnModel::GpuModel => gpu_energy(reading.busy, Watts(own.limit), seconds),
                _ => return None,
            };
            Some(EstimatedRun::stated(&row.network, estimated, row.read_joules))
        })
        .collect();
    let estimator = match (own.model, own.at_most) {
        (OwnModel::CpuTime, false) => "our CPU time model",
        (OwnModel::CpuTime, true) => "our CPU time model, at most (all cores busy)",
        (_, false) => "our GPU model",
        (_, true) => "our GPU model, at most (always busy)",
    };
    let name = EstimatorName::new(&set.adapter.name, &set.device, estimator, Origin::Estimated);
    let groups = if set.adapter.estimators_only { "loads" } else { "networks" };
    EstimatorRatio::of(name.on("runs", groups), &runs?)
}

/// What is compared on recordings: its name, the origin of its joules, and its runs in a window.
struct Compared {
    estimator: &'static str,
    origin: Origin,
    runs: fn(&Replayed) -> Vec<EstimatedRun>,
}

const COMPARED: [Compared; 4] = [
    Compared {
        estimator: "nvidia-smi, `power.draw` integrated",
        origin: Origin::Measured,
        runs: |replayed| {
            let run = |window: &RealWindow| {
                let (joules, metered) = (window.naive.0 * WINDOW, window.truth.0 * WINDOW);
                let run = EstimatedRun::new(replayed.group(window), joules, metered);
                run.within(joules * NVIDIA_STATES)
            };
            replayed.windows.windows.iter().map(run).collect()
        },
    },
    Compared {
        estimator: "our meter, at the end of a span",
        origin: Origin::Measured,
        runs: |replayed| replayed.metered(&replayed.windows.spans),
    },
    Compared {
        estimator: "our meter, with the readings after it",
        origin: Origin::Measured,
        runs: |replayed| replayed.metered(&replayed.windows.windows),
    },
    Compared {
        estimator: "our GPU model",
        origin: Origin::Estimated,
        runs: |replayed| {
            let run = |window: &RealWindow| {
                let busy = replayed.busy_share(window).filter(|share| *share >= BUSY)?;
                let cap = Watts(replayed.recording.files.power_cap_w);
                let estimated = gpu_energy(busy, cap, Seconds(WINDOW));
                let metered = window.truth.0 * WINDOW;
                Some(EstimatedRun::stated(replayed.group(window), estimated, metered))
            };
            replayed.windows.windows.iter().filter_map(run).collect()
        },
    },
];

/// A recording that was replayed.
struct Replayed<'a> {
    recording: &'a EvidenceRecording,
    windows: RealWindows,
    /// Times in seconds and shares in which the GPU was busy, as the driver showed them.
    busy: Vec<(f64, f64)>,
}

impl Replayed<'_> {
    /// Windows of the same second are not independent.
    fn group(&self, window: &RealWindow) -> String {
        format!("{}, second {}", self.recording.files.name, window.from.0.floor())
    }

    fn metered(&self, windows: &[RealWindow]) -> Vec<EstimatedRun> {
        let run = |window: &RealWindow| {
            let [estimate, half, truth] =
                [window.estimate, window.half_width, window.truth].map(|watts| watts.0 * WINDOW);
            EstimatedRun::new(self.group(window), estimate, truth).within(half)
        };
        windows.iter().map(run).collect()
    }

    /// Mean of the shares that the driver showed within a window; `None` if it showed none.
    fn busy_share(&self, window: &RealWindow) -> Option<f64> {
        let within = window.from.0..window.from.0 + WINDOW;
        let shares: Vec<f64> = self
            .busy
            .iter()
            .filter(|(at, _)| within.contains(at))
            .map(|(_, share)| *share)
            .collect();
        (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
    }
}

/// The estimators on all recordings, by device: recordings of one device are taken together.
fn of_recordings(recordings: &[EvidenceRecording]) -> Result<Vec<EstimatorRatio>, RecordingError> {
    let mut replayed: Vec<Replayed> = Vec::new();
    for recording in recordings {
        let EvidenceRecording { files, sensor, meter, .. } = recording;
        let parsed = Recording::parse(&files.name, sensor, meter)?;
        let of = |shown| replay_windows(&parsed, shown, &[WINDOW]);
        let trace = of(Shown::Instant).or_else(|| of(Shown::Draw));
        // A recording shorter than a window has none.
        let Some(windows) = trace.and_then(|trace| trace.lengths.into_iter().next()) else {
            continue;
        };
        replayed.push(Replayed { recording, windows, busy: busy_shares(sensor) });
    }
    let mut ratios = Vec::new();
    for compared in &COMPARED {
        let mut seen: Vec<&str> = Vec::new();
        for first in &replayed {
            let (data, device) = (&first.recording.adapter.name, &first.recording.files.device);
            if seen.contains(&device.as_str()) {
                continue;
            }
            seen.push(device);
            let of_device = replayed.iter().filter(|other| {
                other.recording.files.device == *device && other.recording.adapter.name == *data
            });
            let runs: Vec<EstimatedRun> = of_device.flat_map(compared.runs).collect();
            let name = EstimatorName::new(data, device, compared.estimator, compared.origin);
            ratios.extend(EstimatorRatio::of(name.on("windows of 1 s", "seconds"), &runs));
        }
    }
    Ok(ratios)
}

/// The shares in which the GPU was busy; empty if the driver did not show them.
fn busy_shares(sensor: &str) -> Vec<(f64, f64)> {
    let mut reader = csv::Reader::from_reader(sensor.as_bytes());
    let Ok(head) = reader.headers().cloned() else { return Vec::new() };
    let position = |column: &str| head.iter().position(|name| name.trim() == column);
    let Some((time, busy)) = position("time_s").zip(position("utilization_pct")) else {
        return Vec::new();
    };
    let number = |row: &csv::StringRecord, at: usize| row.get(at)?.trim().parse::<f64>().ok();
    let rows = reader.records().filter_map(Result::ok);
    rows.filter_map(|row| Some((number(&row, time)?, number(&row, busy)? / 100.0)))
        .filter(|(at, share)| at.is_finite() && (0.0..=1.0).contains(share))
        .collect()
}
