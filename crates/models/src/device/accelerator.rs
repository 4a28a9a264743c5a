//! Devices by name, and the state that an opened device shares between networks.

use std::sync::{Arc, Mutex, PoisonError};

use super::{
    backend::Backend,
    buffer::{Buffer, Plain},
    error::DeviceError,
};

/// Where networks are trained and run: the CPU or a GPU.
#[derive(Clone)]
pub struct Device(Option<Arc<Accelerator>>);

/// An opened device that has memory of its own.
pub(crate) struct Accelerator {
    name: String,
    model: String,
    backend: Arc<dyn Backend>,
    /// The split used last stays on the device, because a study trains on the same images again and
    /// again.
    split: Mutex<Option<(String, Arc<DeviceSplit>)>>,
}

/// Images and labels of a split, in the device's memory.
pub(crate) struct DeviceSplit {
    pub(crate) images: Buffer,
    pub(crate) labels: Buffer,
}

impl Device {
    /// The CPU.
    #[must_use]
    pub fn cpu() -> Self {
        Self(None)
    }

    /// Opens a device by its name: `cpu`, `cuda` (the first GPU) or `cuda:N`.
    ///
    /// # Errors
    ///
    /// If the name is unknown, the GPU does not exist, or this program cannot use it.
    pub fn named(name: &str) -> Result<Self, DeviceError> {
        if name == "cpu" {
            return Ok(Self::cpu());
        }
        let number = match name.strip_prefix("cuda") {
            Some("") => Some(0),
            Some(rest) => rest.strip_prefix(':').and_then(|digits| digits.parse::<usize>().ok()),
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
        self.0.as_ref().map_or("cpu", |accelerator| &accelerator.name)
    }

    /// The GPU's model name, as its driver reports it; `None` for the CPU.
    #[must_use]
    pub fn model_name(&self) -> Option<&str> {
        self.0.as_ref().map(|accelerator| accelerator.model.as_str())
    }

    /// The opened device; `None` for the CPU.
    pub(crate) fn accelerator(&self) -> Option<&Arc<Accelerator>> {
        self.0.as_ref()
    }

    #[cfg(any(test, feature = "cuda"))]
    fn new(name: String, model: String, backend: Arc<dyn Backend>) -> Self {
        Self(Some(Arc::new(Accelerator { name, model, backend, split: Mutex::default() })))
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Device").field(&self.name()).finish()
    }
}

#[cfg(feature = "cuda")]
fn gpu(name: &str, number: usize) -> Result<Device, DeviceError> {
    let cuda = super::cuda::Cuda::new(name, number)?;
    let model = cuda.model().to_owned();
    Ok(Device::new(format!("cuda:{number}"), model, Arc::new(cuda)))
}

#[cfg(not(feature = "cuda"))]
fn gpu(name: &str, _: usize) -> Result<Device, DeviceError> {
    Err(DeviceError::NotBuilt { name: name.to_owned() })
}

impl Accelerator {
    /// Allocates `len` zeroed 4-byte numbers.
    pub(crate) fn zeros(&self, len: usize) -> Result<Buffer, DeviceError> {
        Buffer::zeroed(&self.backend, 4 * len)
    }

    /// Copies values to new memory on the device.
    pub(crate) fn upload<T: Plain>(&self, values: &[T]) -> Result<Buffer, DeviceError> {
        let buffer = Buffer::zeroed(&self.backend, size_of_val(values))?;
        buffer.write(values)?;
        Ok(buffer)
    }

    /// Copies a split to the device, unless the split copied last has the same key. `None` is equal
    /// to no key.
    pub(crate) fn split(
        &self,
        key: Option<&str>,
        images: &[f32],
        labels: &[u32],
    ) -> Result<Arc<DeviceSplit>, DeviceError> {
        let mut kept = self.split.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((name, split)) = &*kept
            && Some(&**name) == key
        {
            return Ok(split.clone());
        }
        // Free the old split before the new one is allocated.
        *kept = None;
        let split = DeviceSplit { images: self.upload(images)?, labels: self.upload(labels)? };
        let split = Arc::new(split);
        *kept = key.map(|key| (key.to_owned(), split.clone()));
        Ok(split)
    }

    /// Checks that kernels can index an array of that length.
    ///
    /// # Errors
    ///
    /// If the length does not fit into 31 bits.
    pub(crate) fn check_len(values: usize) -> Result<(), DeviceError> {
        match i32::try_from(values) {
            Ok(_) => Ok(()),
            Err(_) => Err(DeviceError::TooLarge { values }),
        }
    }

    pub(crate) fn backend(&self) -> &dyn Backend {
        &*self.backend
    }
}

/// The emulated device of the tests; `None` where there is no C++ compiler.
#[cfg(test)]
pub(crate) fn emulated() -> Option<Device> {
    emulated_with_backend().map(|(device, _)| device)
}

/// The emulated device with its backend.
#[cfg(test)]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) fn emulated_with_backend() -> Option<(Device, Arc<super::emulated::Emulated>)> {
    let Some(backend) = super::emulated::Emulated::new() else {
        eprintln!("skipped: no C++ compiler (`c++`) to compile the kernels with");
        return None;
    };
    let (name, model) = ("emulated".to_owned(), "emulated for tests".to_owned());
    Some((Device::new(name, model, Arc::new(backend.clone())), backend))
}
