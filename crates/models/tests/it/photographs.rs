//! Photographs, prepared as torchvision and Pillow prepare them.

use std::fs;

use candle_core::Tensor;
use wattlab_models::vision::{
    Preprocessing, Pretrained, VisionError, architectures, imagenet_class,
};

use crate::formula::shared;

/// A preparation that does not normalize colors: values in [0, 1].
fn plain(resize: u32, crop: u32, bicubic: bool) -> Preprocessing {
    Preprocessing { resize, crop, bicubic, mean: [0.0; 3], deviation: [1.0; 3] }
}

/// A picture with details in every direction and color.
fn picture(height: u32, width: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for y in 0..height {
        for x in 0..width {
            bytes.extend((0..3).map(|c| ((x * x * 7 + y * 13 + c * 101 + x * y * 3) % 256) as u8));
        }
    }
    bytes
}

/// The colors in levels from 0 to 255, `[row][column][color]`.
fn levels(image: &Tensor) -> Vec<f32> {
    (image.permute((1, 2, 0)).unwrap() * 255.0).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// `pillow.bin` contains the results of Pillow 13.0 for the same pictures, one after the other.
#[test]
fn resizing_gives_the_same_bytes_as_pillow() {
    let mut expected: &[u8] = include_bytes!("../data/pillow.bin");
    for (height, width, resize, crop, bicubic) in [
        (23, 37, 16, 12, false),
        (23, 37, 16, 13, true),
        (37, 23, 40, 33, false),
        (37, 23, 40, 33, true),
        (61, 200, 9, 9, false),
        (61, 200, 9, 8, true),
        (16, 16, 16, 7, false),
    ] {
        let image = plain(resize, crop, bicubic).apply(height, width, picture(height, width));
        let found = levels(&image.unwrap());
        let (pillow, rest) = expected.split_at(found.len());
        expected = rest;
        let found: Vec<u8> = found.iter().map(|level| level.round() as u8).collect();
        assert_eq!(found, pillow, "{height}×{width} to {resize}, crop {crop}, {bicubic}");
    }
    assert!(expected.is_empty());
}

/// The expected pixels are those of Pillow after torchvision's usual preparation.
#[test]
fn photographs_are_decoded_and_cropped_as_by_pillow() {
    let at = [(0, 0), (50, 100), (111, 112), (200, 30), (223, 223)];
    for (file, levels_apart, expected) in [
        ("skimage_chelsea.png", 0.01, CHELSEA),
        // JPEG decoders round differently.
        ("skimage_rocket.jpg", 1.01, ROCKET),
    ] {
        let Some(path) = shared(&format!("datasets/images/{file}")) else { return };
        let image = plain(256, 224, false).read(&[path]).unwrap();
        assert_eq!(image.dims(), [1, 3, 224, 224]);
        let found = levels(&image.squeeze(0).unwrap());
        for ((y, x), color) in at.into_iter().zip(expected) {
            for (channel, level) in color.into_iter().enumerate() {
                let apart = (found[(y * 224 + x) * 3 + channel] - level).abs();
                assert!(apart < levels_apart, "{file} at {y}, {x}: {apart}");
            }
        }
    }
}

const CHELSEA: [[f32; 3]; 5] = [
    [170.0, 132.0, 109.0],
    [139.0, 86.0, 41.0],
    [190.0, 150.0, 121.0],
    [135.0, 85.0, 57.0],
    [193.0, 168.0, 148.0],
];
const ROCKET: [[f32; 3]; 5] = [
    [25.0, 40.0, 71.0],
    [40.0, 55.0, 88.0],
    [122.0, 114.0, 102.0],
    [80.0, 72.0, 64.0],
    [28.0, 30.0, 43.0],
];

#[test]
fn colors_are_normalized() {
    let usual = Pretrained::default_of("alexnet").unwrap().preprocessing;
    let gray = |preprocessing: &Preprocessing, level| {
        let image = preprocessing.apply(1, 2, vec![level; 6]).unwrap();
        (0..3)
            .map(|c| {
                image.get(c).unwrap().get(0).unwrap().get(0).unwrap().to_scalar::<f32>().unwrap()
            })
            .collect::<Vec<f32>>()
    };
    let close = |found: Vec<f32>, expected: [f32; 3]| {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?}");
    };
    close(gray(&usual, 0), [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225]);
    close(gray(&usual, 255), [0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225]);
    let google = Pretrained::default_of("inception_v3").unwrap().preprocessing;
    close(gray(&google, 255), [1.0; 3]);
    assert_eq!((google.resize, google.crop), (342, 299));
}

#[test]
fn every_network_has_published_weights_and_accepts_their_image_size() {
    for architecture in architectures() {
        let weights = Pretrained::default_of(architecture.name).unwrap();
        let side = weights.preprocessing.crop as usize;
        architecture.check_size(side, side).unwrap();
        assert!(weights.preprocessing.crop <= weights.preprocessing.resize && weights.top1 > 50.0);
        let digits = weights.sha256_start();
        assert!(
            digits.len() >= 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()),
            "{}",
            weights.file
        );
        assert_eq!(Pretrained::named(weights.architecture, weights.name), Some(weights));
        assert_eq!(Pretrained::of_file(weights.architecture, weights.file), Some(weights));
    }
    assert_eq!(Pretrained::default_of("resnet50").unwrap().name, "IMAGENET1K_V2");
    assert_eq!(imagenet_class(0), Some("tench"));
    assert_eq!(imagenet_class(999), Some("toilet tissue"));
    assert_eq!(imagenet_class(1000), None);
}

#[test]
fn a_file_that_is_not_an_image_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letter.jpg");
    fs::write(&path, "not an image").unwrap();
    let error = plain(8, 8, false).read(&[path]).unwrap_err();
    assert!(matches!(error, VisionError::Image { .. }));
    assert!(error.to_string().contains("letter.jpg"), "{error}");
    let error = plain(8, 8, false).read(&[folder.path().join("none.png")]).unwrap_err();
    assert!(error.to_string().contains("none.png"), "{error}");
    assert!(matches!(
        plain(8, 8, false).apply(2, 2, vec![0; 11]),
        Err(VisionError::Pixels { bytes: 11, .. })
    ));
    assert!(plain(8, 8, false).apply(0, 0, Vec::new()).is_err());
}
