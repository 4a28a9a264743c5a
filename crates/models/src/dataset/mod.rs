//! Images for training: real data sets from verified files, and generated ones from a seed.

mod cifar;
mod cifar_python;
mod collection;
mod compressed;
mod content;
mod embedded;
mod error;
mod idx;
mod images;
mod listing;
mod load;
mod loaded;
mod manifest;
mod names;
mod open;
mod pixels;
mod shapes;
mod statistics;

pub use self::{
    collection::{Collection, collection},
    content::{read_content, verify},
    error::DataError,
    images::{LabeledImages, PreparedBatch},
    load::{image_shape, load_dataset},
    loaded::{Dataset, Split},
    manifest::{Archive, Download, FileRole, Format, Manifest, ManifestFile},
    names::embedded_names,
    open::{DataOptions, open_dataset},
    statistics::ChannelStatistics,
};
