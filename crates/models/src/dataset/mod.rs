//! Images for training: real data sets from verified files, and generated ones from a seed.

mod cifar;
mod content;
mod error;
mod idx;
mod load;
mod manifest;
mod pixels;
mod shapes;

pub use self::{
    content::{content_sha256, read_content, verify},
    error::DataError,
    load::{Dataset, Split, load_dataset},
    manifest::{Archive, FileRole, Format, Manifest, ManifestFile},
    shapes::embedded_names,
};
