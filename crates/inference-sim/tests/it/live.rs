//! The live loop: clocks, failures, interruptions.

use std::{convert::Infallible, ops::ControlFlow, thread, time::Duration};

use wattlab_inference_sim::{
    ArrivalConfig, ArrivalProcess, BatchServer, BatchTimes, BatchingConfig, Clock, CountConfig,
    Decision, Fixed, Greedy, LiveError, LiveLoad, ModeledServer, Policy, Queue, QueueProgress,
    RealClock, ServiceConfig, ServiceLaw, SimulationConfig, VirtualClock, Window, sample_path,
    serve, serve_load,
};

/// A server that is a function.
struct By<F>(F);

impl<E, F: FnMut(&[usize]) -> Result<(), E>> BatchServer for By<F> {
    type Error = E;

    fn serve(&mut self, requests: &[usize]) -> Result<(), E> {
        (self.0)(requests)
    }
}

fn go_on(_: &QueueProgress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// The first arrivals of a jittered process.
fn jittered(rate: f64, jitter: f64, requests: usize, seed: u64) -> Vec<f64> {
    ArrivalProcess::jittered(rate, jitter).unwrap().times(seed).take(requests).collect()
}

/// The study's pilot (ConvNeXt-Base, 32 requests a second, full batches of 16 that take about
/// 0.23 s): its mean response follows from the time of a batch within 6 %.
#[test]
fn the_pilot_of_the_study_follows_from_its_batch_time() {
    let times = jittered(32.0, 0.2, 128, 1);
    let mut policy = Fixed::new(16).unwrap();
    let clock = VirtualClock::new();
    let law = ServiceLaw::deterministic(0.229_78, 0.0).unwrap();
    let mut server = ModeledServer::new(law, 1, &clock);
    let serving = serve(&times, &mut policy, &mut server, &clock, &mut go_on).unwrap();
    let response = serving.responses().sum::<f64>() / 128.0;
    assert!((response / 0.479_24 - 1.0).abs() < 0.06, "{response}");
}

/// Records keep a hash of the arrivals, so a seed must give the same ones in every version.
#[test]
fn the_arrivals_of_a_seed_never_change() {
    let times = jittered(32.0, 0.2, 3, 7);
    assert_eq!(
        times,
        [0.026_972_451_212_757_743, 0.054_072_318_247_409_01, 0.087_875_769_847_864_72]
    );
}

/// A server that stalls does not stop requests from coming: those that were due meanwhile have
/// waited since then.
#[test]
fn waits_include_the_time_of_a_stalled_server() {
    let clock = VirtualClock::new();
    let mut server = By(|requests: &[usize]| {
        clock.advance(if requests[0] == 0 { 10.0 } else { 0.5 });
        Ok::<_, Infallible>(())
    });
    let mut policy = Greedy::new(2).unwrap();
    let serving =
        serve(&[0.0, 1.0, 2.0, 3.0, 20.0], &mut policy, &mut server, &clock, &mut go_on).unwrap();
    assert_eq!(serving.waits().collect::<Vec<_>>(), [0.0, 9.0, 8.0, 7.5, 0.0]);
}

#[test]
fn the_delay_of_a_window_starts_with_the_oldest_request() {
    let clock = VirtualClock::new();
    let mut server = ModeledServer::new(ServiceLaw::deterministic(1.0, 0.0).unwrap(), 1, &clock);
    let mut policy = Window::new(3, 2.0).unwrap();
    let times = [0.0, 0.5, 3.0, 3.5, 4.0, 10.0];
    let serving = serve(&times, &mut policy, &mut server, &clock, &mut go_on).unwrap();
    let batch = |size, start_s| BatchTimes { size, start_s, end_s: start_s + 1.0 };
    // Time is up; the batch is full; no more will come.
    assert_eq!(serving.batches, [batch(2, 2.0), batch(3, 4.0), batch(1, 10.0)]);
}

/// A clock that has run for long rounds times; nothing may hang or start before it arrived.
#[test]
fn times_are_relative_to_the_call() {
    let times = jittered(30.0, 0.5, 300, 3);
    for origin in [0.0, 0.1, 1e9 / 3.0] {
        let clock = VirtualClock::new();
        clock.advance(origin);
        let law = ServiceLaw::exponential(0.02, 0.001).unwrap();
        let mut server = ModeledServer::new(law, 3, &clock);
        let mut policy = Window::new(8, 0.1).unwrap();
        let serving = serve(&times, &mut policy, &mut server, &clock, &mut go_on).unwrap();
        assert!(serving.waits().all(|wait| (0.0..1.0).contains(&wait)), "from {origin}");
        assert!(serving.batches[0].start_s < 1.0);
    }
}

/// Only lower bounds: a loaded machine may wake up late.
#[test]
fn on_the_real_clock_nothing_happens_early() {
    let times = jittered(500.0, 0.2, 64, 1);
    let mut served: Vec<usize> = Vec::new();
    let mut server = By(|requests: &[usize]| {
        served.extend(requests);
        thread::sleep(Duration::from_millis(3));
        Ok::<_, Infallible>(())
    });
    let clock = RealClock::start();
    let mut policy = Greedy::new(16).unwrap();
    let serving = serve(&times, &mut policy, &mut server, &clock, &mut go_on).unwrap();
    assert_eq!(served, (0..64).collect::<Vec<_>>());
    assert!(serving.waits().all(|wait| wait >= 0.0));
    assert!(serving.responses().all(|response| response >= 0.003));
    assert!(serving.batches.windows(2).all(|pair| pair[0].end_s <= pair[1].start_s));
    assert!(serving.batches[0].start_s >= times[0]);
    assert!(serving.batches.last().unwrap().end_s <= clock.now());
}

#[test]
fn a_long_wait_can_be_interrupted() {
    let clock = RealClock::start();
    let mut server = By(|_: &[usize]| Ok::<_, Infallible>(()));
    let mut asked = 0;
    let stopped =
        serve(&[0.0, 1e9], &mut Greedy::new(1).unwrap(), &mut server, &clock, &mut |progress| {
            asked += usize::from(progress.served == 1);
            if asked == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    let Err(error @ LiveError::Stopped(progress)) = stopped else { panic!("{stopped:?}") };
    assert_eq!((progress.served, progress.arrived, progress.requests), (1, 1, 2));
    assert_eq!(error.to_string(), "stopped after 1 of 2 requests");
}

#[test]
fn a_failing_server_ends_the_queue() {
    let clock = VirtualClock::new();
    let mut server =
        By(
            |requests: &[usize]| {
                if requests.contains(&4) { Err(std::io::Error::other("no memory")) } else { Ok(()) }
            },
        );
    let times = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0];
    let error =
        serve(&times, &mut Greedy::new(3).unwrap(), &mut server, &clock, &mut go_on).unwrap_err();
    assert_eq!(error.to_string(), "failed to serve a batch of 3 requests, from request 3 on");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "no memory");
}

#[test]
fn arrivals_out_of_order_or_not_finite_are_refused() {
    for (times, request) in [(&[-1.0][..], 0), (&[0.0, f64::NAN], 1), (&[0.0, 2.0, 1.0], 2)] {
        let mut server = By(|_: &[usize]| Ok::<_, Infallible>(()));
        let clock = VirtualClock::new();
        let result = serve(times, &mut Greedy::new(1).unwrap(), &mut server, &clock, &mut go_on);
        assert!(
            matches!(result, Err(LiveError::Arrivals { request: found, .. }) if found == request)
        );
    }
    assert!(ArrivalProcess::jittered(0.0, 0.0).is_err());
    assert!(ArrivalProcess::jittered(1.0, 1.5).is_err());
    assert!(Fixed::new(0).is_err());
}

/// A policy with one answer.
struct Always(Decision);

impl Policy for Always {
    fn decide(&self, _: &Queue) -> Decision {
        self.0
    }

    fn max_size(&self) -> usize {
        1
    }
}

#[test]
fn a_decision_that_would_hang_or_serve_too_many_is_an_error() {
    for decision in
        [Decision::Serve(0), Decision::Serve(2), Decision::WaitForArrival, Decision::WaitUntil(0.0)]
    {
        let clock = VirtualClock::new();
        let mut server = By(|_: &[usize]| Ok::<_, Infallible>(()));
        let result = serve(&[0.0], &mut Always(decision), &mut server, &clock, &mut go_on);
        assert!(matches!(result, Err(LiveError::Policy(_))), "{decision:?}: {result:?}");
    }
}

/// Clients that wait for answers, groups, bursts and ramps: the live loop serves the same requests at the
/// same times as the simulation, in the same batches.
#[test]
fn every_kind_of_arrival_is_served_as_simulated() {
    let ramp = vec![(0.0, 5.0), (10.0, 60.0)];
    for arrivals in [
        ArrivalConfig::closed(7, 0.0),
        ArrivalConfig::closed(7, 0.05),
        ArrivalConfig::closed(40, 1.0),
        ArrivalConfig::gamma(30.0, 3.0),
        ArrivalConfig::ramp(ramp),
        ArrivalConfig::poisson(30.0).in_groups(CountConfig::geometric(3.0)),
        ArrivalConfig::mmpp([5.0, 60.0], [1.0, 1.0]),
    ] {
        let process = arrivals.process().unwrap();
        let config = SimulationConfig::new(
            arrivals,
            ServiceConfig::deterministic(0.05, 0.01),
            BatchingConfig::greedy(8),
        )
        .with_requests(500, 0)
        .with_seed(5);
        let simulated = sample_path(&config).unwrap();
        let clock = VirtualClock::new();
        let law = ServiceLaw::deterministic(0.05, 0.01).unwrap();
        let mut server = ModeledServer::new(law, 1, &clock);
        let load = LiveLoad::new(&process, 500, 5);
        let mut policy = Greedy::new(8).unwrap();
        let served =
            serve_load(load, usize::MAX, &mut policy, &mut server, &clock, &mut go_on).unwrap();
        let live = served.serving;
        assert_eq!(live.arrivals_s.len(), 500, "{config:?}");
        assert_eq!(live.batches.len(), simulated.batches.len(), "{config:?}");
        for (live, simulated) in live.batches.iter().zip(&simulated.batches) {
            assert_eq!(live.size, simulated.size);
            assert!((live.start_s - simulated.start_s).abs() < 1e-9, "{live:?} {simulated:?}");
        }
        for (live, simulated) in live.arrivals_s.iter().zip(&simulated.arrivals_s) {
            assert!((live - simulated).abs() < 1e-9, "{live} {simulated}");
        }
    }
}

/// Requests of several images, from a law and from a trace: the live loop forms the same batches as the
/// simulation, and gives the server the numbers of their images.
#[test]
fn requests_of_several_images_are_served_as_simulated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.csv");
    let rows: String = (0..500).map(|n| format!("{},{}\n", n / 5, 1 + n * 7 % 11)).collect();
    std::fs::write(&path, format!("arrival_s,size\n{rows}")).unwrap();
    let sizes = CountConfig::table(vec![(1, 0.6), (3, 0.3), (12, 0.1)]);
    for (arrivals, batching) in [
        (ArrivalConfig::poisson(12.0).with_size(sizes.clone()), BatchingConfig::greedy(8)),
        (ArrivalConfig::poisson(12.0).with_size(sizes.clone()), BatchingConfig::fixed(5)),
        (ArrivalConfig::closed(9, 0.2).with_size(sizes), BatchingConfig::window(8, 0.3)),
        (ArrivalConfig::trace(&path), BatchingConfig::window(16, 0.5)),
    ] {
        let law = || ServiceLaw::deterministic(0.05, 0.01).unwrap();
        let service = ServiceConfig::deterministic(0.05, 0.01);
        let config = SimulationConfig::new(arrivals, service, batching).with_requests(500, 0);
        let simulated = sample_path(&config).unwrap();
        let clock = VirtualClock::new();
        let mut modeled = ModeledServer::new(law(), 1, &clock);
        let mut next = 0;
        let mut server = By(|images: &[usize]| {
            assert_eq!(images, (next..next + images.len()).collect::<Vec<_>>());
            next += images.len();
            modeled.serve(images)
        });
        let load = config.live_load().unwrap();
        let mut policy = config.policy().unwrap();
        let served =
            serve_load(load, usize::MAX, &mut policy, &mut server, &clock, &mut go_on).unwrap();
        let live = served.serving;
        assert_eq!(live.batches.len(), simulated.batches.len(), "{config:?}");
        for (live, simulated) in live.batches.iter().zip(&simulated.batches) {
            assert_eq!(live.size, simulated.size, "{config:?}");
            assert!((live.start_s - simulated.start_s).abs() < 1e-9, "{live:?} {simulated:?}");
        }
        assert!(served.items.iter().sum::<usize>() > 800 && served.items.iter().any(|&n| n > 8));
    }
    std::fs::write(&path, "arrival_s,size,priority\n1,2,1\n").unwrap();
    let service = ServiceConfig::deterministic(0.05, 0.01);
    let config =
        SimulationConfig::new(ArrivalConfig::trace(&path), service, BatchingConfig::greedy(8));
    let error = config.with_requests(1, 0).live_load().unwrap_err().to_string();
    assert!(error.contains("`arrivals.file`") && error.contains("priorities"), "{error}");
}
