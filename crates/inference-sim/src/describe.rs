//! From a calibration to the description of a queue.

use units::Watts;

use crate::{
    calibration::{Calibration, root_mean_square},
    config::{ArrivalConfig, PowerConfig, ServiceConfig, SimulationConfig},
    policy::BatchingConfig,
};

impl Calibration {
    /// A queue before the calibrated server, meant to be edited: Poisson arrivals at half the highest
    /// rate it can serve, and greedy batches up to the largest measured size. Without `idle`, it has
    /// no powers.
    #[must_use]
    pub fn describe(self, idle: Option<Watts>) -> SimulationConfig {
        let (times, times_after) = self.tables(|row| Some(row.mean_s)).unwrap_or_default();
        let power = idle.zip(self.tables(|row| row.mean_j)).map(|(idle, (rows, after_pause))| {
            PowerConfig { after_pause, ..PowerConfig::table(idle.0, rows) }
        });
        let largest = self.sizes.iter().map(|row| row.size).max().unwrap_or(1);
        let fastest = times.iter().map(|&(size, time)| size as f64 / time).fold(0.0, f64::max);
        let service = ServiceConfig {
            table_cv: root_mean_square(self.sizes.iter().filter_map(|row| row.cv)),
            after_pause: times_after,
            ..ServiceConfig::table(times)
        };
        let arrivals = ArrivalConfig::poisson(fastest / 2.0);
        let queue = SimulationConfig::new(arrivals, service, BatchingConfig::greedy(largest));
        SimulationConfig { power, calibration: Some(self), ..queue.with_requests(200_000, 10_000) }
    }
}

#[cfg(test)]
mod tests {
    use units::{Joules, Origin, Seconds};

    use super::*;
    use crate::{BatchMeasurement, LinearFit, size_rows};

    #[test]
    fn a_description_contains_the_measurements_after_pauses() {
        let observation = |size, pause, service, joules| BatchMeasurement {
            size,
            pause: Seconds(pause),
            service: Seconds(service),
            cv: None,
            energy: Some(Joules(joules)),
        };
        let sizes = size_rows(&[
            observation(2, 0.1, 0.5, 5.0),
            observation(1, 0.0, 0.1, 1.0),
            observation(1, 0.1, 0.3, 3.0),
            observation(1, 0.0, 0.2, 1.0),
            observation(2, 0.0, 0.3, 3.0),
        ]);
        let fit = LinearFit::new(&[(1.0, 0.15), (2.0, 0.3)]).unwrap();
        let calibration = Calibration {
            network: Some("net".to_owned()),
            server: None,
            image_side: Some(1),
            images: None,
            cache_images: false,
            threads: None,
            device: None,
            machine: String::new(),
            energy_origin: Some(Origin::Measured),
            time: fit,
            energy: None,
            sizes,
        };
        let config = calibration.describe(Some(Watts(1.0)));
        let law = config.service.law().unwrap();
        assert!((law.mean_s(1) - 0.15).abs() < 1e-12);
        assert!((law.mean_after_s(2, 0.05) - 0.4).abs() < 1e-12);
        assert_eq!(law.mean_after_s(1, f64::INFINITY), 0.3);
        assert_eq!(config.power.unwrap().power().unwrap().batch.joules(2, 9.0, 0.1), 5.0);
    }
}
