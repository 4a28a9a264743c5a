//! Devices with memory of their own: what a network on one needs of them.
//!
//! A [`Backend`] has memory, kernels (`study.cu`, compiled beforehand) and matrix products, and can record
//! what it is told to do, to do it again. One drives NVIDIA GPUs (`cuda.rs`, feature `cuda`). The tests
//! have another one that runs the same kernels, compiled for the processor, so that a machine without a
//! GPU checks all of this but its speed.
#![expect(unsafe_code, reason = "calls of the driver, and bytes of plain numbers")]
#![cfg_attr(
    not(any(test, feature = "cuda")),
    expect(dead_code, reason = "there is a device with the feature `cuda` only")
)]

#[cfg(feature = "cuda")]
mod cuda;
#[cfg(test)]
mod emulated;
#[cfg(any(test, feature = "cuda"))]
mod names;

use std::sync::{Arc, Mutex};

/// Why a device cannot be had or cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// Nobody knows that device.
    #[error("no device `{name}`; known are `cpu`, `cuda` and `cuda:N`")]
    Unknown {
        /// As given.
        name: String,
    },
    /// This program was built without it.
    #[error(
        "device `{name}`: this program was built without CUDA; build it with `--features cuda` \
         (`cargo xtask cuda-toolkit` gets what that needs), or use `cpu`"
    )]
    NotBuilt {
        /// As given.
        name: String,
    },
    /// A shared library is not there.
    #[error("device `{name}` needs `{library}`, which was not found: {remedy}")]
    Library {
        /// The device.
        name: String,
        /// The library.
        library: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// No such GPU.
    #[error("no device `{name}`: the driver knows {count} GPUs, counted from 0")]
    Absent {
        /// As given.
        name: String,
        /// Those there are.
        count: usize,
    },
    /// The driver or a library of it failed.
    #[error("{what} failed on the device: {reason}")]
    Driver {
        /// What was to be done.
        what: &'static str,
        /// As the library says it.
        reason: String,
    },
    /// A kernel counts its values in 32 bits.
    #[error(
        "{values} values at once are too many for the device's kernels; use a smaller minibatch"
    )]
    TooLarge {
        /// As asked for.
        values: usize,
    },
    /// What only the CPU can do.
    #[error("{what} is not there on device `{name}`; use `cpu`")]
    CpuOnly {
        /// What was to be done.
        what: &'static str,
        /// The device.
        name: String,
    },
}

/// Where networks are trained.
#[derive(Clone)]
pub struct Device(Option<Arc<Place>>);

pub(crate) struct Place {
    name: String,
    about: String,
    backend: Arc<dyn Backend>,
    /// The images used last stay there: a study trains on the same ones again and again.
    images: Mutex<Option<(String, Arc<Images>)>>,
}

/// Images and labels of a split, in the device's memory.
pub(crate) struct Images {
    pub(crate) images: Buffer,
    pub(crate) labels: Buffer,
}

impl Device {
    /// The processor.
    #[must_use]
    pub fn cpu() -> Self {
        Self(None)
    }

    /// By its name: `cpu`, `cuda` (the first GPU) or `cuda:N`.
    ///
    /// # Errors
    ///
    /// If there is no such device, or this program cannot use it.
    pub fn named(name: &str) -> Result<Self, DeviceError> {
        if name == "cpu" {
            return Ok(Self::cpu());
        }
        let number = match name.strip_prefix("cuda") {
            Some("") => Some(0),
            Some(rest) => rest.strip_prefix(':').and_then(|it| it.parse::<usize>().ok()),
            None => None,
        };
        match number {
            Some(number) => gpu(name, number),
            None => Err(DeviceError::Unknown { name: name.to_owned() }),
        }
    }

    /// `cpu` or `cuda:N`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.as_ref().map_or("cpu", |it| &it.name)
    }

    /// What it calls itself; nothing of the processor.
    #[must_use]
    pub fn about(&self) -> Option<&str> {
        self.0.as_ref().map(|it| it.about.as_str())
    }

    /// The processor has no place of its own.
    pub(crate) fn place(&self) -> Option<&Arc<Place>> {
        self.0.as_ref()
    }

    #[cfg(any(test, feature = "cuda"))]
    fn new(name: String, about: String, backend: Arc<dyn Backend>) -> Self {
        Self(Some(Arc::new(Place { name, about, backend, images: Mutex::default() })))
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Device").field(&self.name()).finish()
    }
}

#[cfg(feature = "cuda")]
fn gpu(name: &str, number: usize) -> Result<Device, DeviceError> {
    let cuda = cuda::Cuda::new(name, number)?;
    let about = cuda.about().to_owned();
    Ok(Device::new(format!("cuda:{number}"), about, Arc::new(cuda)))
}

#[cfg(not(feature = "cuda"))]
fn gpu(name: &str, _: usize) -> Result<Device, DeviceError> {
    Err(DeviceError::NotBuilt { name: name.to_owned() })
}

/// A kernel's argument.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Argument {
    Address(u64),
    Int(i32),
    Double(f64),
}

impl From<&Buffer> for Argument {
    fn from(buffer: &Buffer) -> Self {
        Self::Address(buffer.address)
    }
}

impl From<usize> for Argument {
    /// Of what [`Place::fits`].
    fn from(value: usize) -> Self {
        Self::Int(value as i32)
    }
}

impl From<f64> for Argument {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}

/// How values lie in memory and how products are summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Single precision throughout.
    #[default]
    Single,
    /// Single precision, whose factors products round to 11 bits (NVIDIA's TF32): what PyTorch does in
    /// convolutions unless told otherwise.
    Tf32,
    /// bfloat16, summed in single precision.
    Bf16,
}

/// A matrix of values in the device's memory, row by row, rows that many columns apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix {
    pub(crate) address: u64,
    pub(crate) columns: usize,
    pub(crate) transposed: bool,
}

/// `to [m][n] = left · right`, each transposed first if it says so; several of them, each so many values
/// further on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Product {
    /// Rows of the result, terms of a sum, columns of the result.
    pub(crate) size: [usize; 3],
    pub(crate) left: Matrix,
    pub(crate) right: Matrix,
    pub(crate) to: u64,
    /// Values from row to row of the result.
    pub(crate) columns: usize,
    pub(crate) precision: Precision,
    pub(crate) count: usize,
    pub(crate) steps: [usize; 3],
}

impl Product {
    /// One, of single precision, with nothing between rows.
    pub(crate) fn single(size: [usize; 3], left: Matrix, right: Matrix, to: u64) -> Self {
        let (precision, count, steps) = (Precision::Single, 1, [0; 3]);
        Self { size, left, right, to, columns: size[2], precision, count, steps }
    }
}

/// Steps that were recorded.
pub(crate) trait Recorded: Send {
    fn replay(&self) -> Result<(), DeviceError>;
}

/// A device. What it is told it does in order, and it says so before it is done; only `read` waits.
pub(crate) trait Backend: Send + Sync {
    /// Memory, all zero.
    fn allocate(&self, bytes: usize) -> Result<u64, DeviceError>;
    fn free(&self, address: u64);
    fn write(&self, address: u64, bytes: &[u8]) -> Result<(), DeviceError>;
    fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), DeviceError>;
    /// Starts blocks of 256 threads.
    fn launch(
        &self,
        kernel: &'static str,
        grid: [usize; 3],
        arguments: &[Argument],
    ) -> Result<(), DeviceError>;
    fn product(&self, product: Product) -> Result<(), DeviceError>;
    /// Records what `steps` launches, without doing it.
    fn record(
        &self,
        steps: &mut dyn FnMut() -> Result<(), DeviceError>,
    ) -> Result<Box<dyn Recorded>, DeviceError>;
}

/// Memory on a device; freed with it.
pub(crate) struct Buffer {
    backend: Arc<dyn Backend>,
    address: u64,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.backend.free(self.address);
    }
}

impl Buffer {
    /// From that 4-byte number on.
    pub(crate) fn at(&self, number: usize) -> u64 {
        self.address + 4 * number as u64
    }

    pub(crate) fn read<T: Plain>(&self, values: &mut [T]) -> Result<(), DeviceError> {
        self.backend.read(self.address, bytes_mut(values))
    }

    pub(crate) fn write<T: Plain>(&self, values: &[T]) -> Result<(), DeviceError> {
        self.backend.write(self.address, bytes(values))
    }
}

impl Place {
    /// Room for so many 4-byte numbers, all zero.
    pub(crate) fn zeros(&self, len: usize) -> Result<Buffer, DeviceError> {
        self.room(4 * len)
    }

    fn room(&self, bytes: usize) -> Result<Buffer, DeviceError> {
        let address = self.backend.allocate(bytes.max(4))?;
        Ok(Buffer { backend: self.backend.clone(), address })
    }

    pub(crate) fn upload<T: Plain>(&self, values: &[T]) -> Result<Buffer, DeviceError> {
        let buffer = self.room(size_of_val(values))?;
        buffer.write(values)?;
        Ok(buffer)
    }

    /// A split's images, from the last time if they have the same key.
    pub(crate) fn images(
        &self,
        key: Option<&str>,
        images: &[f32],
        labels: &[u32],
    ) -> Result<Arc<Images>, DeviceError> {
        let mut kept = self.images.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((name, images)) = &*kept
            && Some(&**name) == key
        {
            return Ok(images.clone());
        }
        // The old ones go before the new ones come.
        *kept = None;
        let held = Images { images: self.upload(images)?, labels: self.upload(labels)? };
        let held = Arc::new(held);
        *kept = key.map(|it| (it.to_owned(), held.clone()));
        Ok(held)
    }

    /// # Errors
    ///
    /// If kernels cannot count so many values.
    pub(crate) fn fits(values: usize) -> Result<(), DeviceError> {
        match i32::try_from(values) {
            Ok(_) => Ok(()),
            Err(_) => Err(DeviceError::TooLarge { values }),
        }
    }

    pub(crate) fn backend(&self) -> &dyn Backend {
        &*self.backend
    }
}

/// Numbers without padding, any bits of which are a number.
///
/// # Safety
///
/// Just that.
pub(crate) unsafe trait Plain: Copy {}
// SAFETY: any bits are a value.
unsafe impl Plain for f32 {}
// SAFETY: as above.
unsafe impl Plain for u16 {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for i32 {}

fn bytes<T: Plain>(values: &[T]) -> &[u8] {
    // SAFETY: plain numbers have no padding, and any bytes may be read.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

fn bytes_mut<T: Plain>(values: &mut [T]) -> &mut [u8] {
    // SAFETY: as above, and any bytes are a plain number.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), size_of_val(values)) }
}

#[cfg(test)]
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
pub(crate) fn emulated() -> Option<Device> {
    let Some(backend) = emulated::Emulated::new() else {
        eprintln!("skipped: no C++ compiler (`c++`) to compile the kernels with");
        return None;
    };
    let backend = Arc::new(backend);
    Some(Device::new("emulated".to_owned(), "the tests' own".to_owned(), backend))
}
