#![doc = include_str!("../README.md")]
// `kernels` and `device` alone expect it.
#![deny(unsafe_code)]

mod dataset;
mod device;
pub mod fit;
mod kernels;
mod layers;
mod masks;
mod network_file;
pub mod nn;
pub mod onnx;
pub mod profile;
mod random;
mod study;
pub mod vision;

pub use record::{Adam, DataSpec, Engine, EpochOutcome, NetworkKind, StudyNetwork};

pub use crate::{
    dataset::{
        Archive, ChannelStatistics, Collection, DataError, DataOptions, Dataset, Download,
        FileRole, Format, LabeledImages, Manifest, ManifestFile, PreparedBatch, Split, collection,
        embedded_names, image_shape, load_dataset, open_dataset, read_content, verify,
    },
    device::{Device, DeviceError, Precision},
    kernels::{InstructionSet, LANES_VARIABLE, LanesError},
    layers::Layers,
    masks::Masks,
    network_file::{FileLayer, LayerShape, NetworkFile, NetworkFileError},
    study::{
        AutogradTraining, Network, NetworkError, TrainError, TrainEvent, Training, TrainingHistory,
    },
};
