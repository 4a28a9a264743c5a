//! A backend for tests: the kernels' source compiled as C++ and run on the CPU.

use std::{
    collections::BTreeSet,
    ffi::{CString, c_char, c_int, c_void},
    fmt::Write,
    fs,
    process::Command,
    sync::{Arc, Mutex, OnceLock},
};

use super::{
    backend::{Argument, Backend, Matrix, Precision, Product, Recorded},
    error::DeviceError,
    names::KERNELS,
};

/// Runs the kernel of a name on a grid; returns 0 if there is no such kernel.
type Launch = unsafe extern "C" fn(*const c_char, *const c_int, *mut *mut c_void) -> c_int;

#[derive(Clone)]
enum Step {
    Launch(&'static str, [usize; 3], Vec<Argument>),
    Product(Product),
}

/// The emulated device.
pub(crate) struct Emulated {
    launch: Launch,
    /// Steps of the recording under way; `None` if nothing is being recorded.
    recording: Mutex<Option<Vec<Step>>>,
    memory: Mutex<Vec<Box<[u64]>>>,
    /// Names of the kernels that were launched.
    launched: Mutex<BTreeSet<&'static str>>,
}

/// Kernels use static memory, so only one runs at a time, however many tests run.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

impl Emulated {
    /// Compiles the kernels; `None` if there is no C++ compiler.
    pub(super) fn new() -> Option<Arc<Self>> {
        static LIBRARY: OnceLock<Option<libloading::Library>> = OnceLock::new();
        let library = LIBRARY.get_or_init(compile).as_ref()?;
        // SAFETY: `compile` writes the function with this signature.
        let launch = unsafe { *library.get::<Launch>(b"launch_named\0").unwrap() };
        Some(Arc::new(Self {
            launch,
            recording: Mutex::default(),
            memory: Mutex::default(),
            launched: Mutex::default(),
        }))
    }

    fn perform(&self, step: &Step) {
        match step {
            Step::Launch(kernel, grid, arguments) => {
                let name = CString::new(*kernel).unwrap();
                let grid = grid.map(|blocks| c_int::try_from(blocks).unwrap());
                let mut pointers: Vec<*mut c_void> = arguments
                    .iter()
                    .map(|argument| match argument {
                        Argument::Address(value) => std::ptr::from_ref(value).cast_mut().cast(),
                        Argument::Int(value) => std::ptr::from_ref(value).cast_mut().cast(),
                        Argument::Double(value) => std::ptr::from_ref(value).cast_mut().cast(),
                    })
                    .collect();
                let _guard =
                    ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                // SAFETY: the arguments match the kernel's parameters, which is what the tests check.
                let known =
                    unsafe { (self.launch)(name.as_ptr(), grid.as_ptr(), pointers.as_mut_ptr()) };
                assert_eq!(known, 1, "no kernel {kernel}");
                self.launched.lock().unwrap().insert(*kernel);
            }
            Step::Product(product) => {
                (0..product.count).for_each(|index| multiply(product, index));
            }
        }
    }

    /// Names of the kernels that were launched.
    pub(crate) fn launched(&self) -> BTreeSet<&'static str> {
        self.launched.lock().unwrap().clone()
    }

    /// Adds a step to the recording under way, or performs it if there is none.
    fn submit(&self, step: Step) {
        match &mut *self.recording.lock().unwrap() {
            Some(steps) => steps.push(step),
            None => self.perform(&step),
        }
    }
}

/// Computes one product of a batch.
fn multiply(product: &Product, index: usize) {
    let Product { size: [m, k, n], left, right, to, columns, precision, steps, .. } = *product;
    let half = precision == Precision::Bf16;
    let width = if half { 2 } else { 4 };
    let value = |address: u64, at: usize| {
        if half {
            // SAFETY: the index is inside the matrix.
            f32::from_bits(u32::from(unsafe { *(address as *const u16).add(at) }) << 16)
        } else {
            // SAFETY: as above.
            unsafe { *(address as *const f32).add(at) }
        }
    };
    // The terms of each sum, one row per row of `left` and one per column of `right`.
    let rows = |matrix: Matrix, step: usize, rows: usize, by_row: bool| -> Vec<f32> {
        let address = matrix.address + (index * step * width) as u64;
        let at = |row: usize, term: usize| {
            if by_row { row * matrix.columns + term } else { term * matrix.columns + row }
        };
        (0..rows * k).map(|i| value(address, at(i / k, i % k))).collect()
    };
    let left = rows(left, steps[0], m, !left.transposed);
    let right = rows(right, steps[1], n, right.transposed);
    for row in 0..m {
        for column in 0..n {
            let (a, b) = (&left[row * k..][..k], &right[column * k..][..k]);
            let mut lanes = [0.0_f32; 16];
            for (a, b) in a.chunks(16).zip(b.chunks(16)) {
                lanes.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
            }
            let sum: f32 = lanes.iter().sum();
            let at = index * steps[2] + row * columns + column;
            // SAFETY: as above.
            unsafe {
                if half {
                    let bits = sum.to_bits();
                    let rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
                    *(to as *mut u16).add(at) = rounded as u16;
                } else {
                    *(to as *mut f32).add(at) = sum;
                }
            }
        }
    }
}

fn compile() -> Option<libloading::Library> {
    let folder = tempfile::tempdir().unwrap();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/device");
    let mut text =
        format!("#include \"{source}/emulated.hpp\"\n#include \"{source}/kernels.cu\"\n");
    text += "using namespace as_f32;\nusing namespace as_bf16;\n";
    text +=
        "extern \"C\" int launch_named(const char* name, const int* grid, void** arguments) {\n";
    text += "gridDim = {grid[0], grid[1], grid[2]};\n";
    for kernel in KERNELS {
        let call = format!("return launch({kernel}, arguments), 1");
        writeln!(text, "if (!strcmp(name, \"{kernel}\")) {call};").unwrap();
    }
    text += "return 0;\n}\n";
    let (file, library) = (folder.path().join("study.cpp"), folder.path().join("libstudy.so"));
    fs::write(&file, text).unwrap();
    let compiled = Command::new("c++")
        .args(["-std=c++17", "-O2", "-fPIC", "-shared", "-o"])
        .args([&library, &file])
        .output();
    match compiled {
        Err(_) => None,
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            // SAFETY: the library was compiled above; its initializers are ours.
            Some(unsafe { libloading::Library::new(library) }.unwrap())
        }
    }
}

struct Recording(Arc<Emulated>, Vec<Step>);

impl Recorded for Recording {
    fn replay(&self) -> Result<(), DeviceError> {
        self.1.iter().for_each(|step| self.0.perform(step));
        Ok(())
    }
}

impl Backend for Arc<Emulated> {
    fn allocate(&self, bytes: usize) -> Result<u64, DeviceError> {
        let mut memory = vec![0_u64; bytes.div_ceil(8)].into_boxed_slice();
        let address = memory.as_mut_ptr() as u64;
        self.memory.lock().unwrap().push(memory);
        Ok(address)
    }

    fn free(&self, address: u64) {
        self.memory.lock().unwrap().retain(|memory| memory.as_ptr() as u64 != address);
    }

    fn write(&self, address: u64, bytes: &[u8]) -> Result<(), DeviceError> {
        // SAFETY: the caller's buffer is large enough.
        unsafe { std::ptr::copy(bytes.as_ptr(), address as *mut u8, bytes.len()) };
        Ok(())
    }

    fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), DeviceError> {
        // SAFETY: as above.
        unsafe { std::ptr::copy(address as *const u8, bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    fn launch(
        &self,
        kernel: &'static str,
        grid: [usize; 3],
        arguments: &[Argument],
    ) -> Result<(), DeviceError> {
        self.submit(Step::Launch(kernel, grid, arguments.to_vec()));
        Ok(())
    }

    fn product(&self, product: Product) -> Result<(), DeviceError> {
        self.submit(Step::Product(product));
        Ok(())
    }

    fn record(
        &self,
        steps: &mut dyn FnMut() -> Result<(), DeviceError>,
    ) -> Result<Box<dyn Recorded>, DeviceError> {
        *self.recording.lock().unwrap() = Some(Vec::new());
        let submitted = steps();
        let recorded = self.recording.lock().unwrap().take();
        submitted?;
        Ok(Box::new(Recording(self.clone(), recorded.unwrap_or_default())))
    }
}
