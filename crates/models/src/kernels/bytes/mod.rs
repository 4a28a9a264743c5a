//! Operations of inference on images of 8-bit integers, `[n][h][w][c]`.
//!
//! A byte q stands for the number `scale · (q − zero)`; weights are signed bytes with a scale for each output
//! channel (Jacob et al. 2018, "Quantization and training of neural networks for efficient integer-arithmetic-only
//! inference"). Products are summed exactly in 32-bit integers and brought to the scale of the output by one
//! multiplication and one addition in single precision. Results are therefore the same for every instruction set
//! and any number of threads. `tasks` is how many parts of an operation should run at the same time.

mod add;
mod amx;
mod conv;
mod depthwise;
mod images;
mod pool;
mod quantize;
mod round;
mod set;
mod source;
mod tasks;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod three;
mod tile;
mod words;

pub(crate) use self::{
    add::AddBytes,
    conv::ByteConv,
    depthwise::ByteDepthwise,
    images::ByteImages,
    pool::{ByteMean, largest_of},
    quantize::ByteScale,
    set::ByteSet,
};
