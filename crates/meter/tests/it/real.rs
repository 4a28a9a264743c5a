//! Replays of recordings: a tiny synthetic one in every run, and those of real boards where they are.

use std::{
    fmt::Write,
    fs::{self, File},
    io::Read,
    path::PathBuf,
};

use wattlab_meter::validate::{
    Recording,
    real::{Shown, replay, replay_best},
};

/// A load: on from 1.03 to 4.02 s.
fn energy(at: f64) -> f64 {
    let on = (at.min(4.02) - 1.03).max(0.0);
    60.0 * at + 140.0 * on
}

/// The two files of a board whose sensor shows `gain` × the mean over `averaging` seconds, renewed
/// every 100 ms and polled every 7 ms.
fn files(gain: f64, averaging: f64) -> (String, String) {
    let mut sensor = "time_s,power_draw_w,utilization_pct\n".to_owned();
    let mut meter = "time_s,watts\n".to_owned();
    for poll in 0..1300_u32 {
        let at = f64::from(poll) * 0.007 - 2.0;
        let update = (at * 10.0).floor() / 10.0;
        let mean = (energy(update) - energy(update - averaging)) / averaging;
        // The last digit changes from update to update, as it does on real boards.
        let watts = gain * mean + (update * 10.0).rem_euclid(3.0) * 0.05;
        writeln!(sensor, "{at:.3},{watts:.2},50").unwrap();
    }
    for sample in 0..=6000_u32 {
        let at = f64::from(sample) * 0.001;
        writeln!(meter, "{at},{:.3}", (energy(at + 0.0005) - energy(at - 0.0005)) / 0.001).unwrap();
    }
    (sensor, meter)
}

#[test]
fn a_replayed_sensor_is_covered_and_better_than_plain_integration() {
    for averaging in [0.1, 1.0] {
        // Boards of this kind show a few percent too little in the median.
        let (sensor, meter) = files(0.97, averaging);
        let recording = Recording::parse("board-step", &sensor, &meter).unwrap();
        assert_eq!(recording.board(), "board");
        assert!(replay(&recording, Shown::Instant).is_none());
        let trace = replay_best(&recording).unwrap();
        assert!((trace.sensor.period.unwrap().0 - 0.1).abs() < 0.002, "{:?}", trace.sensor);
        let lengths: Vec<f64> = trace.lengths.iter().map(|windows| windows.length.0).collect();
        assert_eq!(lengths, [0.1, 0.5, 1.0, 5.0]);
        for windows in &trace.lengths {
            let covered = windows.covered() as f64 / windows.windows.len() as f64;
            let (error, naive) = (windows.error().0, windows.naive_error().0);
            assert!(covered >= 0.93, "{averaging} s: {covered} of {:?}", windows.length);
            assert!(error <= naive / 2.0, "{averaging} s: {error} W, plain {naive} W");
        }
    }
}

#[test]
fn a_damaged_recording_is_refused_with_its_line() {
    let (sensor, meter) = files(1.0, 0.1);
    let problem = |sensor: &str, meter: &str| {
        Recording::parse("a-b", sensor, meter).map(|_| ()).unwrap_err().to_string()
    };
    let cut = sensor.replacen("power_draw_w", "watts", 1);
    assert!(
        problem(&cut, &meter)
            .contains("`nvidia_smi.csv`, line 1: there is no column `power_draw_w`")
    );
    assert!(problem(&sensor, "time_s,watts\n").contains("fewer than two rows"));
    assert!(
        problem(&sensor, &format!("{meter}0.5,60\n")).contains("earlier than in the line before")
    );
    for hostile in ["nan", "1e308", "-5", ""] {
        let text = problem(&sensor, &format!("{meter}6.5,{hostile}\n"));
        assert!(text.contains(&format!("`watts` is `{hostile}`")), "{text}");
    }
    let short = problem(&sensor, "time_s,watts\n0,60\n0.5,60\n");
    assert!(short.contains("expected the driver to cover the meter's time"), "{short}");
}

#[test]
fn sparse_readings_fall_back_to_a_wide_interval() {
    let (sensor, meter) = files(0.97, 0.1);
    let rows: Vec<&str> = sensor.lines().skip(1).step_by(71).collect();
    let sparse = format!("time_s,power_draw_w\n{}\n9.0,58.2\n", rows.join("\n"));
    let trace = replay_best(&Recording::parse("board-step", &sparse, &meter).unwrap()).unwrap();
    assert_eq!(trace.sensor.period, None);
    for windows in &trace.lengths {
        assert!(
            windows.covered() as f64 >= 0.93 * windows.windows.len() as f64,
            "{:?}",
            windows.length
        );
    }
}

/// Five boards beside an ElmorLabs PMD at 4.8 kHz: github.com/JimZeyuYang/GPU_Power_Benchmark (MIT), as
/// plain files.
#[expect(clippy::print_stdout, reason = "says visibly that it skips")]
fn recorded_boards() -> Option<Vec<Recording>> {
    let shared = std::env::var_os("WATTLAB_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let folder = shared.join("evidence/gpu-power-meter");
    let Ok(entries) = fs::read_dir(&folder) else {
        println!("skipped: no `{}` (set WATTLAB_SHARED)", folder.display());
        return None;
    };
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    let recording = |path: PathBuf| {
        let mut meter = String::new();
        let packed = File::open(path.join("meter.csv.gz")).unwrap();
        flate2::read::MultiGzDecoder::new(packed).read_to_string(&mut meter).unwrap();
        let sensor = fs::read_to_string(path.join("nvidia_smi.csv")).unwrap();
        Recording::parse(&path.file_name().unwrap().to_string_lossy(), &sensor, &meter).unwrap()
    };
    Some(folders.into_iter().map(recording).collect())
}

#[test]
#[expect(clippy::print_stdout, reason = "a failing run shows all figures")]
fn five_recorded_boards_are_covered_and_better_than_plain_integration() {
    let Some(recordings) = recorded_boards() else { return };
    for recording in &recordings {
        for shown in [Shown::Instant, Shown::Draw] {
            let Some(trace) = replay(recording, shown) else { continue };
            println!("{} {shown:?} {:?}", trace.name, trace.sensor);
            for windows in &trace.lengths {
                let at_once = windows.at_once();
                let share = |covered: usize, count: usize| covered as f64 / count as f64;
                let covered = share(windows.covered(), windows.windows.len());
                let (half, error) = (windows.half_width().0, windows.error().0);
                let naive = windows.naive_error().0;
                println!(
                    "  {:.1} covered {covered:.3} half {half:.2} W error {error:.2} W ratio {:.2} plain {naive:.2} W | at once {:.3} {:.2} {:.2}",
                    windows.length.0,
                    half / error,
                    share(at_once.covered(), at_once.windows.len()),
                    at_once.half_width().0,
                    at_once.error().0,
                );
                // A span that is reported at its end has a wide interval where later readings decide.
                let shares = share(at_once.covered(), at_once.windows.len());
                if trace.name.starts_with("a100") {
                    assert!(shares >= 0.9, "{}: {shares} at once", trace.name);
                }
                // This RTX 4090 shows 18 W too little when idle, more than any other known board.
                let known = trace.name.starts_with("rtx4090");
                let best = shown == Shown::Instant || recording.polls[0].instant.is_none();
                assert!(covered >= 0.93 || known || !best, "{}: {covered}", trace.name);
                assert!(error < naive, "{}: {error} W, plain {naive} W", trace.name);
                // A K40m's reading is never far behind.
                if windows.length.0 == 0.5 && best && !trace.name.starts_with("k40m") {
                    assert!(error <= naive / 2.0, "{}: {error} W, plain {naive} W", trace.name);
                }
            }
        }
    }
}
