//! Vision networks of a decade (2012 to 2022) for inference, under torchvision's names and state-dict
//! keys.

mod attention;
mod catalog;
mod checkpoint;
mod convnext;
mod convolutional;
mod densenet;
mod described;
mod device_pass;
mod efficient;
mod error;
mod inception;
mod info;
mod int8;
mod layers;
mod mobile;
mod names;
mod network;
mod on_device;
mod photograph;
mod preprocess;
mod pretrained;
mod profile;
mod regnet;
mod residual;
mod resize;
mod state_names;
mod swin;
mod to_int8;
mod trainable;
mod transformer;
mod weights;

pub use self::{
    catalog::{Architecture, architectures},
    checkpoint::read_weights,
    error::VisionError,
    info::NetworkInfo,
    int8::{Clip, Int8Settings, Int8Summary},
    network::{
        FittedState, Images, VisionNetwork, fit_state_dict, has_own_weights, is_file, network_info,
        random_images, state_dict,
    },
    preprocess::{PreparedImage, Preprocessing, image_size},
    pretrained::{PUBLISHED, Pretrained, imagenet_class},
    to_int8::int8_networks,
    trainable::{TrainableNetwork, head_variables, trainable},
};
