//! The time of a vision network's forward pass on random images.
//!
//! `cargo run --release -p wattlab-models --example speed -- [batch] [seconds] [network]...`
//! A name followed by `:int8` stands for the network with 8-bit integers. `RAYON_NUM_THREADS` sets the number of threads, and `WATTLAB_LANES` the instruction set.
#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::time::{Duration, Instant};

use wattlab_models::{
    InstructionSet,
    vision::{Int8Settings, VisionNetwork, network_info},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let batch: usize = args.first().map_or(Ok(1), |text| text.parse())?;
    let seconds: f64 = args.get(1).map_or(Ok(1.0), |text| text.parse())?;
    let networks = match args.get(2..).unwrap_or_default() {
        [] => vec!["resnet18".to_owned(), "mobilenet_v2".to_owned()],
        named => named.to_vec(),
    };
    println!("{} instructions, batch {batch}", InstructionSet::chosen()?.name());
    for name in networks {
        let (network, int8) = match name.strip_suffix(":int8") {
            Some(network) => (network, true),
            None => (name.as_str(), false),
        };
        let info = network_info(network)?;
        let mut network = VisionNetwork::open(network, None, None, 1)?;
        let images = info.random_images(batch, info.usual_side, 1)?;
        if int8 {
            network = network.to_int8(&Int8Settings::default(), &images)?;
        }
        network.forward(&images)?;
        let mut times = Vec::new();
        let begin = Instant::now();
        while times.len() < 3 || begin.elapsed() < Duration::from_secs_f64(seconds) {
            let start = Instant::now();
            network.forward(&images)?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        let (least, median) = (times[0], times[times.len() / 2]);
        println!("{name:<20} median {median:8.2} ms, least {least:8.2} ms");
    }
    Ok(())
}
