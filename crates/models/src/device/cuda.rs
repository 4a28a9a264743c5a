//! NVIDIA GPUs, through the driver and cuBLAS. Both libraries are loaded at run time.

use std::{
    collections::HashMap,
    ffi::{CString, c_int, c_longlong, c_void},
    sync::Arc,
};

use cudarc::{
    cublas::{
        self,
        sys::{
            cublasComputeType_t as Compute, cublasOperation_t as Operation, cudaDataType as Kind,
        },
    },
    driver::{CudaContext, CudaGraph, CudaStream, result, sys},
};

use super::{
    backend::{Argument, Backend, Matrix, Precision, Product, Recorded},
    error::DeviceError,
    names::KERNELS,
};

/// The compiled kernels: machine code for the GPUs that `build.rs` lists, and PTX that the driver
/// translates for newer ones.
static IMAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/kernels.fatbin"));

/// Bytes of cuBLAS's workspace, as its documentation recommends for Hopper.
const WORKSPACE: usize = 32 << 20;

/// One GPU.
pub(super) struct Cuda {
    model: String,
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    blas: cublas::CudaBlas,
    kernels: HashMap<&'static str, Kernel>,
}

#[derive(Clone, Copy)]
struct Kernel(sys::CUfunction);

// SAFETY: any thread may use the handle once the context is current, and each call makes it current.
unsafe impl Send for Kernel {}
// SAFETY: as above; a launch does not change the handle.
unsafe impl Sync for Kernel {}

fn driver<T>(
    what: &'static str,
    outcome: Result<T, result::DriverError>,
) -> Result<T, DeviceError> {
    outcome.map_err(|error| {
        let text = error.error_string().ok().map(|text| text.to_string_lossy().into_owned());
        let code = error.0 as u32;
        let reason = text.unwrap_or_else(|| "unknown error".to_owned());
        DeviceError::Driver { what, reason: format!("{reason} (code {code})") }
    })
}

fn library<T>(
    what: &'static str,
    outcome: Result<T, cublas::result::CublasError>,
) -> Result<T, DeviceError> {
    outcome.map_err(|error| DeviceError::Driver { what, reason: format!("{:?}", error.0) })
}

impl Cuda {
    /// Opens the GPU of that number; `name` is used in errors.
    ///
    /// # Errors
    ///
    /// If the driver, cuBLAS or the GPU is missing or cannot be used.
    pub(super) fn new(name: &str, number: usize) -> Result<Self, DeviceError> {
        let missing =
            |library, remedy| DeviceError::Library { name: name.to_owned(), library, remedy };
        // SAFETY: loading the driver's library runs its initializers, as in every CUDA program.
        if !unsafe { sys::is_culib_present() } {
            return Err(missing(
                "libcuda.so.1",
                "it is part of the NVIDIA driver; install the driver, or use `cpu`",
            ));
        }
        // SAFETY: the same holds for cuBLAS.
        if !unsafe { cublas::sys::is_culib_present() } {
            return Err(missing(
                "libcublas.so.13",
                "it is part of CUDA 13 and of the Python package `nvidia-cublas`; add its folder to \
                 LD_LIBRARY_PATH, or link it into the folder `lib` beside this program",
            ));
        }
        driver("starting the driver", result::init())?;
        let count = driver("counting GPUs", result::device::get_count())?;
        if number >= count.max(0) as usize {
            let count = count.max(0) as usize;
            return Err(DeviceError::Absent { name: name.to_owned(), count });
        }
        let context = driver("opening the GPU", CudaContext::new(number))?;
        let model = driver("reading the GPU's name", context.name())?;
        let stream = driver("creating a stream", context.new_stream())?;
        let blas = library("starting cuBLAS", cublas::CudaBlas::new(stream.clone()))?;
        let kernels = load_kernels()?;
        let cuda = Self { model, context, stream, blas, kernels };
        // cuBLAS would otherwise allocate its workspace in the middle of a recording. Never freed.
        let workspace = cuda.allocate(WORKSPACE)?;
        // SAFETY: the workspace has that size and is never freed.
        let set = unsafe {
            cublas::sys::cublasSetWorkspace_v2(
                *cuda.blas.handle(),
                workspace as *mut c_void,
                WORKSPACE,
            )
        };
        library("setting the workspace of cuBLAS", set.result())?;
        Ok(cuda)
    }

    /// The GPU's model name.
    pub(super) fn model(&self) -> &str {
        &self.model
    }

    /// Makes the GPU's context current on this thread.
    fn bind(&self) -> Result<(), DeviceError> {
        driver("selecting the GPU", self.context.bind_to_thread())
    }
}

fn load_kernels() -> Result<HashMap<&'static str, Kernel>, DeviceError> {
    // Words of 8 bytes: the driver requires alignment, and PTX text must end with a zero byte.
    let mut image = vec![0_u64; IMAGE.len() / 8 + 1];
    for (word, bytes) in image.iter_mut().zip(IMAGE.chunks(8)) {
        let mut padded = [0; 8];
        padded[..bytes.len()].copy_from_slice(bytes);
        *word = u64::from_ne_bytes(padded);
    }
    // SAFETY: a complete image followed by a zero; the context is current.
    let module = unsafe { result::module::load_data(image.as_ptr().cast()) };
    let module = driver("loading the kernels", module)?;
    let mut kernels = HashMap::new();
    for name in KERNELS {
        let named = CString::new(*name).unwrap_or_default();
        // SAFETY: the module was loaded above and is never unloaded.
        let kernel = unsafe { result::module::get_function(module, named) };
        kernels.insert(*name, Kernel(driver("finding a kernel", kernel)?));
    }
    Ok(kernels)
}

impl Backend for Cuda {
    fn allocate(&self, bytes: usize) -> Result<u64, DeviceError> {
        self.bind()?;
        // SAFETY: the memory is new, so only the stream that zeroes it uses it.
        unsafe {
            let address = driver("allocating memory", result::malloc_sync(bytes))?;
            let zeroed = result::memset_d8_async(address, 0, bytes, self.stream.cu_stream());
            driver("zeroing memory", zeroed)?;
            Ok(address)
        }
    }

    fn free(&self, address: u64) {
        // This fails only if the context is gone, and then its memory is gone too.
        if self.bind().is_ok() {
            // SAFETY: the address is from `allocate`; the driver waits for operations that use it.
            let _ = unsafe { result::free_sync(address) };
        }
    }

    fn write(&self, address: u64, bytes: &[u8]) -> Result<(), DeviceError> {
        self.bind()?;
        // SAFETY: the caller's buffer is large enough; the bytes live until the stream is synchronized.
        let copied = unsafe { result::memcpy_htod_async(address, bytes, self.stream.cu_stream()) };
        driver("copying to the GPU", copied)?;
        driver("copying to the GPU", self.stream.synchronize())
    }

    fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), DeviceError> {
        self.bind()?;
        // SAFETY: as above.
        let copied = unsafe { result::memcpy_dtoh_async(bytes, address, self.stream.cu_stream()) };
        driver("copying from the GPU", copied)?;
        driver("computing", self.stream.synchronize())
    }

    fn launch(
        &self,
        kernel: &'static str,
        grid: [usize; 3],
        arguments: &[Argument],
    ) -> Result<(), DeviceError> {
        self.bind()?;
        let mut pointers: Vec<*mut c_void> = arguments
            .iter()
            .map(|argument| match argument {
                Argument::Address(value) => std::ptr::from_ref(value).cast_mut().cast(),
                Argument::Int(value) => std::ptr::from_ref(value).cast_mut().cast(),
                Argument::Double(value) => std::ptr::from_ref(value).cast_mut().cast(),
            })
            .collect();
        let Some(Kernel(function)) = self.kernels.get(kernel) else {
            return Err(DeviceError::Driver { what: kernel, reason: "no such kernel".to_owned() });
        };
        let [x, y, z] = grid.map(|blocks| blocks as u32);
        let stream = self.stream.cu_stream();
        // SAFETY: the driver copies the arguments before it returns. They match the kernel's
        // parameters; the tests check this against the same source.
        let launched = unsafe {
            result::launch_kernel(*function, (x, y, z), (256, 1, 1), 0, stream, &mut pointers)
        };
        driver(kernel, launched)
    }

    fn product(&self, product: Product) -> Result<(), DeviceError> {
        self.bind()?;
        let Product { size: [m, k, n], left, right, to, columns, precision, count, steps } =
            product;
        // cuBLAS is column-major, so that our rows are its columns: toᵀ = rightᵀ · leftᵀ.
        let operation = |matrix: Matrix| {
            if matrix.transposed { Operation::CUBLAS_OP_T } else { Operation::CUBLAS_OP_N }
        };
        let (kind, compute) = match precision {
            Precision::Single => (Kind::CUDA_R_32F, Compute::CUBLAS_COMPUTE_32F),
            Precision::Tf32 => (Kind::CUDA_R_32F, Compute::CUBLAS_COMPUTE_32F_FAST_TF32),
            Precision::Bf16 => (Kind::CUDA_R_16BF, Compute::CUBLAS_COMPUTE_32F),
        };
        let [m, k, n, left_columns, right_columns, columns, count] =
            [m, k, n, left.columns, right.columns, columns, count].map(|size| size as c_int);
        let [left_step, right_step, step] = steps.map(|step| step as c_longlong);
        let (one, zero) = (1.0_f32, 0.0_f32);
        // SAFETY: the caller's matrices have these sizes; the two factors are read before the call
        // returns.
        let multiplied = unsafe {
            cublas::result::gemm_strided_batched_ex(
                *self.blas.handle(),
                operation(right),
                operation(left),
                n,
                m,
                k,
                std::ptr::from_ref(&one).cast(),
                right.address as *const c_void,
                kind,
                right_columns,
                right_step,
                left.address as *const c_void,
                kind,
                left_columns,
                left_step,
                std::ptr::from_ref(&zero).cast(),
                to as *mut c_void,
                kind,
                columns,
                step,
                count,
                compute,
                cublas::sys::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
            )
        };
        library("a matrix product", multiplied)
    }

    fn record(
        &self,
        steps: &mut dyn FnMut() -> Result<(), DeviceError>,
    ) -> Result<Box<dyn Recorded>, DeviceError> {
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        driver("starting a recording", self.stream.begin_capture(mode))?;
        let recorded = steps();
        // End the recording even after a failure: a stream that records performs nothing.
        let graph = self.stream.end_capture(sys::CUgraphInstantiate_flags(0));
        recorded?;
        let nothing =
            || DeviceError::Driver { what: "recording", reason: "nothing was recorded".to_owned() };
        Ok(Box::new(Recording(driver("recording", graph)?.ok_or_else(nothing)?)))
    }
}

struct Recording(CudaGraph);

// SAFETY: one thread uses it at a time, because its owner is not `Sync`.
unsafe impl Send for Recording {}

impl Recorded for Recording {
    fn replay(&self) -> Result<(), DeviceError> {
        driver("replaying a recording", self.0.launch())
    }
}
