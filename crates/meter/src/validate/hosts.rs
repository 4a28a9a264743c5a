//! Probes that hang, panic or fail do not disturb the others.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use units::Domain;

use super::{Sensor, Wave, cases::Cases, counters::nanoseconds};
use crate::{
    clock::{MonotonicClock, VirtualClock},
    meter::{Meter, Setup},
    source::{Channel, Kind, ReadError, Source},
};

/// A probe that hangs or panics when it is read.
struct Bad {
    channels: Vec<Channel>,
    /// A read hangs until the sender is dropped; `None`: a read panics.
    until: Option<Receiver<()>>,
}

impl Bad {
    fn hanging() -> (Self, Sender<()>) {
        let (sender, receiver) = channel();
        (Self::new("hangs", Some(receiver)), sender)
    }

    fn new(probe: &str, until: Option<Receiver<()>>) -> Self {
        let (kind, method) = (Kind::Counter { range: None }, units::Method::Counter);
        let channel = Channel::new(probe, Domain::Gpu, "board", kind, method, 1.0);
        Self { channels: vec![channel], until }
    }
}

impl Source for Bad {
    fn channels(&self) -> &[Channel] {
        &self.channels
    }

    fn read(&mut self, _channel: usize) -> Result<u64, ReadError> {
        match &self.until {
            Some(until) => {
                let _ = until.recv();
                Ok(0)
            }
            // A panic without a message on standard error.
            None => std::panic::resume_unwind(Box::new("on purpose")),
        }
    }
}

pub(super) fn run(cases: &mut Cases<'_>) {
    const GROUP: &str = "a probe misbehaves";
    let (hanging, release) = Bad::hanging();
    let outcome = with_bad_probes(vec![Box::new(hanging), Box::new(Bad::new("panics", None))]);
    drop(release);
    match outcome {
        Ok((joules, reasons)) => {
            cases.close(GROUP, "another probe is read as usual", (200.0, joules, 1e-3));
            let told = reasons.iter().any(|reason| reason.contains("did not answer"))
                && reasons.iter().any(|reason| reason.contains("panicked"));
            cases.add(
                GROUP,
                "one hangs and one panics: both are absent, with a reason",
                told,
                reasons.join("; "),
            );
        }
        Err(error) => cases.add(GROUP, "the meter starts", false, error),
    }
}

/// Measures a counter of 100 W for 2 s while such probes are read too. Returns its joules, and why
/// the others have none.
fn with_bad_probes(bad: Vec<Box<dyn Source>>) -> Result<(f64, Vec<String>), String> {
    let simulated = VirtualClock::default();
    let shape = (1e-6, 0.0, None);
    let good = Sensor::counter(&simulated, Domain::CpuPackage, Wave::Constant(100.0), shape);
    let mut sources: Vec<Box<dyn Source>> = vec![Box::new(good)];
    sources.extend(bad);
    let meter = Meter::start(Setup {
        sources,
        threads: true,
        statuses: Vec::new(),
        standing: Vec::new(),
        // Deadlines pass in real time.
        clock: Arc::new(MonotonicClock::default()),
        interval: None,
        deadline: Duration::from_millis(10),
        attributor: None,
        observer: None,
    })
    .map_err(|error| error.to_string())?;
    let span = meter.span("case");
    simulated.advance(nanoseconds(2.0));
    let report = span.end();
    let good = report.domains.iter().find(|energy| energy.domain == Domain::CpuPackage);
    let reasons = report.absent.iter();
    let reasons = reasons.map(|absence| format!("{}: {}", absence.probe, absence.reason)).collect();
    Ok((good.map_or(f64::NAN, |energy| energy.joules.0), reasons))
}
