//! The mean and the deviation of each channel, to normalize images by.

use super::loaded::Dataset;

/// Mean and standard deviation of each channel over all pixels of all training images, in [0, 1].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ChannelStatistics {
    /// `[channels]`
    pub mean: Vec<f64>,
    /// `[channels]`, of the whole population (divided by n), as usually stated. 1 for a channel that is
    /// constant, so that it can be divided by.
    pub deviation: Vec<f64>,
}

impl ChannelStatistics {
    /// The statistics of the training images of a data set; mean 0 and deviation 1 if it has none.
    #[must_use]
    pub fn of(data: &Dataset) -> Self {
        let area = data.side * data.side;
        let mut sums = vec![[0.0_f64; 2]; data.channels];
        for (index, plane) in data.train.images.chunks_exact(area.max(1)).enumerate() {
            let [sum, squares] = &mut sums[index % data.channels];
            for value in plane {
                let value = f64::from(*value);
                *sum += value;
                *squares += value * value;
            }
        }
        let count = (data.train.labels.len() * area) as f64;
        let moments = sums.into_iter().map(|[sum, squares]| {
            if count == 0.0 {
                return (0.0, 1.0);
            }
            let mean = sum / count;
            let variance = (squares / count - mean * mean).max(0.0);
            (mean, if variance > 1e-12 { variance.sqrt() } else { 1.0 })
        });
        let (mean, deviation) = moments.unzip();
        Self { mean, deviation }
    }

    /// Normalizes images `[n][channels][side][side]` to `(value − mean) / deviation`.
    pub fn normalize(&self, images: &mut [f32], side: usize) {
        let channels = self.mean.len();
        for (index, plane) in images.chunks_exact_mut((side * side).max(1)).enumerate() {
            let channel = index % channels;
            let (mean, deviation) = (self.mean[channel] as f32, self.deviation[channel] as f32);
            plane.iter_mut().for_each(|value| *value = (*value - mean) / deviation);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::loaded::Split;

    #[test]
    fn channels_are_normalized_by_their_own_moments() {
        let images =
            vec![0.0, 1.0, 0.0, 1.0, 0.5, 0.5, 0.5, 0.5, 1.0, 1.0, 0.0, 0.0, 0.5, 0.5, 0.5, 0.5];
        let train = Split { images: images.clone(), labels: vec![0, 0] };
        let none = Split::default();
        let data = Dataset {
            name: String::new(),
            channels: 2,
            side: 2,
            classes: 1,
            train,
            validation: none.clone(),
            test: none,
            sha256: String::new(),
        };
        let statistics = ChannelStatistics::of(&data);
        assert_eq!(
            (&statistics.mean[..], &statistics.deviation[..]),
            (&[0.5, 0.5][..], &[0.5, 1.0][..])
        );
        let mut normalized = images;
        statistics.normalize(&mut normalized, 2);
        assert_eq!(normalized[..6], [-1.0, 1.0, -1.0, 1.0, 0.0, 0.0]);
    }
}
