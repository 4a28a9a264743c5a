//! From a description to a report, for any policy.

use units::{
    Serving,
    limits::{self, Limit},
};

use crate::{
    arrival::ArrivalProcess,
    config::{ArrivalConfig, PowerConfig, QueueConfig, ServiceConfig, SimulationConfig},
    engine::{Engine, Observer, StartedBatch},
    error::{ConfigError, limited_count, within},
    escalation::Escalation,
    policy::{BuiltInPolicy, Policy, PolicyContext, PolicyError},
    power::ServerPower,
    random::{Stream, generator},
    report::{Outlook, SimulationReport, report},
    requests::MarkLaws,
    service::ServiceLaw,
    sketch::Sketch,
    statistics::Statistics,
    system::{Asleep, Model, Randoms, Sleep, System},
};

/// Why a simulation has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulationError {
    /// The description cannot be simulated.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The policy gave an answer that it must not give; no policy of this crate does.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// Simulates a queue and reports its statistics; the same for the same description.
///
/// Memory grows with the requests that wait at a time, not with those simulated.
///
/// # Errors
/// [`SimulationError::Config`] for a description that cannot be simulated.
pub fn simulate(config: &SimulationConfig) -> Result<SimulationReport, SimulationError> {
    simulate_with(config, built_in(config))
}

/// The same with any policy in place of the description's `batching`.
///
/// `policy` makes the policy of each model: the first, whose [`PolicyContext::model`] is 0, and
/// each of [`SimulationConfig::models`].
///
/// ```
/// use wattlab_inference_sim::{
///     ArrivalConfig, BatchingConfig, Decision, Policy, Queue, ServiceConfig, SimulationConfig,
///     simulate_with,
/// };
///
/// /// Serves an even number of requests, or the last one.
/// struct Pairs;
///
/// impl Policy for Pairs {
///     fn decide(&self, queue: &Queue) -> Decision {
///         match queue.waiting {
///             1 if queue.more_to_come => Decision::WaitForArrival,
///             1 => Decision::Serve(1),
///             waiting => Decision::Serve(waiting.min(8) / 2 * 2),
///         }
///     }
///
///     fn max_size(&self) -> usize {
///         8
///     }
/// }
///
/// let queue = SimulationConfig::new(
///     ArrivalConfig::poisson(20.0),
///     ServiceConfig::deterministic(0.02, 0.01),
///     BatchingConfig::greedy(8),
/// );
/// let report = simulate_with(&queue, |_| Ok(Pairs))?;
/// assert!(report.mean_batch >= 2.0);
/// # Ok::<(), wattlab_inference_sim::SimulationError>(())
/// ```
///
/// # Errors
/// [`SimulationError::Config`] for a description that cannot be simulated, and whatever `policy`
/// fails with; [`SimulationError::Policy`] for an answer that a policy must not give.
pub fn simulate_with<P: Policy>(
    config: &SimulationConfig,
    policy: impl Fn(&PolicyContext<'_>) -> Result<P, ConfigError>,
) -> Result<SimulationReport, SimulationError> {
    Ok(simulate_with_sketch(config, policy)?.0)
}

/// The same, with the sketch of the responses.
pub(crate) fn simulate_with_sketch<P: Policy>(
    config: &SimulationConfig,
    policy: impl Fn(&PolicyContext<'_>) -> Result<P, ConfigError>,
) -> Result<(SimulationReport, Sketch), SimulationError> {
    let setup = Setup::new(config, policy)?;
    let mut outlook = setup.outlook(config);
    let stable = outlook.stable();
    let batch = setup.power.as_ref().map(|power| power.batch.clone());
    let statistics = || {
        Statistics::new(config.requests, config.warmup, batch.clone(), &config.statistics, stable)
    };
    let models = if setup.models.len() > 1 { setup.models.len() } else { 0 };
    let mut observers =
        PerModel { all: statistics(), models: (0..models).map(|_| statistics()).collect() };
    // A single queue needs no statistics per model: this is the loop that has to be fast.
    outlook.asleep = if models == 0 {
        setup.run(config, &mut observers.all)?
    } else {
        setup.run(config, &mut observers)?
    };
    let report = report(&observers.all, &observers.models, &outlook);
    Ok((report, observers.all.responses))
}

/// Simulates a queue and returns every served request and every batch, those of the warm-up too,
/// in order of the batches' starts.
///
/// # Errors
/// [`SimulationError::Config`] for a description that cannot be simulated, and for more requests
/// than [`crate::limits::LIVE_REQUESTS`]: all their times are kept.
pub fn sample_path(config: &SimulationConfig) -> Result<Serving, SimulationError> {
    sample_path_with(config, built_in(config))
}

/// The same with any policy, as [`simulate_with`].
///
/// # Errors
/// As [`simulate_with`].
pub fn sample_path_with<P: Policy>(
    config: &SimulationConfig,
    policy: impl Fn(&PolicyContext<'_>) -> Result<P, ConfigError>,
) -> Result<Serving, SimulationError> {
    limited_count("requests", config.requests, limits::LIVE_REQUESTS)?;
    let mut path = Path(Serving { arrivals_s: Vec::new(), batches: Vec::new() });
    observe(config, policy, &mut path)?;
    Ok(path.0)
}

/// Simulates a queue under an observer.
pub(crate) fn observe<P: Policy>(
    config: &SimulationConfig,
    policy: impl Fn(&PolicyContext<'_>) -> Result<P, ConfigError>,
    observer: &mut impl Observer,
) -> Result<(), SimulationError> {
    Setup::new(config, policy)?.run(config, observer)?;
    Ok(())
}

/// The policies that a description names.
pub(crate) fn built_in(
    config: &SimulationConfig,
) -> impl Fn(&PolicyContext<'_>) -> Result<BuiltInPolicy, ConfigError> + '_ {
    |context| match context.model.checked_sub(1).and_then(|number| config.models.get(number)) {
        Some(model) => model.batching.policy(context),
        None => config.batching.policy(context),
    }
}

impl SimulationConfig {
    /// The policy of the first model, which may depend on its arrivals, its service and the power
    /// of the servers.
    ///
    /// # Errors
    /// [`ConfigError`] for a description that cannot be simulated.
    pub fn policy(&self) -> Result<BuiltInPolicy, ConfigError> {
        let process = self.arrivals.process()?;
        let marks = self.arrivals.marks(&process)?;
        let law = self.service.law()?;
        let power = self.power.as_ref().map(PowerConfig::power).transpose()?;
        self.batching.policy(&context(0, self, (&process, &marks), &law, power.as_ref()))
    }
}

/// What the policy of a model may know.
fn context<'a>(
    model: usize,
    config: &SimulationConfig,
    (process, marks): (&ArrivalProcess, &MarkLaws),
    law: &'a ServiceLaw,
    power: Option<&'a ServerPower>,
) -> PolicyContext<'a> {
    let rate = process.mean_rate() * marks.mean_size() / config.all_servers().max(1) as f64;
    // Clients that wait for answers send no more than is served.
    let rate = match process.clients() {
        Some(_) => rate.min(law.capacity(1, config.batching.size().unwrap_or(1))),
        None => rate,
    };
    let context = PolicyContext { model, ..PolicyContext::new(rate, law) };
    match power {
        Some(power) => context.with_energy(&power.batch, power.idle_w),
        None => context,
    }
}

/// Requests that wait at the end of an unstable queue, whose places need less than 500 megabytes.
const WAITING: Limit<f64> = Limit::real("waiting requests", "", 0.0, 5e7);
/// The same for the general engine, which knows more about each of them.
const WAITING_GENERAL: Limit<f64> = Limit::real("waiting requests", "", 0.0, 2e6);
const GROWS: &str = "fewer requests (this queue is unstable, and more of them would wait than there is memory for), a \
                     lower load, or a smaller `queue.limit`";

/// A description whose parts are valid.
struct Setup<P> {
    /// Never empty.
    models: Vec<ModelSetup<P>>,
    power: Option<ServerPower>,
}

struct ModelSetup<P> {
    process: ArrivalProcess,
    marks: MarkLaws,
    patience: Option<ServiceLaw>,
    law: ServiceLaw,
    escalation: Option<Escalation>,
    policy: P,
    queue: QueueConfig,
}

impl<P: Policy> Setup<P> {
    fn new(
        config: &SimulationConfig,
        policy: impl Fn(&PolicyContext<'_>) -> Result<P, ConfigError>,
    ) -> Result<Self, ConfigError> {
        let power = config.power.as_ref().map(PowerConfig::power).transpose()?;
        let model = |number,
                     arrivals: &ArrivalConfig,
                     service: &ServiceConfig,
                     queue|
         -> Result<_, ConfigError> {
            let (process, law) = (arrivals.process()?, service.law()?);
            let marks = arrivals.marks(&process)?;
            let context = context(number, config, (&process, &marks), &law, power.as_ref());
            let policy = policy(&context)?;
            let queue: QueueConfig = checked_queue(queue, &policy)?;
            let patience = queue.patience.map(|patience| patience.law()).transpose()?;
            let cascade = config.cascade.as_ref().filter(|_| number == 0);
            let escalation =
                cascade.map(|cascade| cascade.escalation(config.power.as_ref())).transpose()?;
            Ok(ModelSetup { process, marks, patience, law, escalation, policy, queue })
        };
        let mut models = vec![model(0, &config.arrivals, &config.service, config.queue)?];
        for (number, other) in (1..).zip(&config.models) {
            let setup = model(number, &other.arrivals, &other.service, other.queue);
            models.push(
                setup.map_err(|error| ConfigError::Model { number, error: Box::new(error) })?,
            );
        }
        config.check(&models[0].process)?;
        let setup = Self { models, power };
        setup.check_growth(config)?;
        Ok(setup)
    }

    /// Checks that the waiting requests of an unstable queue fit into the memory.
    fn check_growth(&self, config: &SimulationConfig) -> Result<(), ConfigError> {
        let outlook = self.outlook(config);
        let grows = config.requests as f64 * (1.0 - outlook.load.recip()).max(0.0);
        // Without a load below 1, queues are as long as their limits and patience allow.
        let most = |model: &ModelSetup<P>| {
            let limit = model.queue.limit.map_or(f64::INFINITY, |limit| limit as f64);
            let patient = model.queue.patience.map_or(f64::INFINITY, |patience| {
                2.0 * model.process.mean_rate() * patience.mean_s + 1e3
            });
            let drops = if model.policy.drops() { 0.0 } else { f64::INFINITY };
            let clients = model.process.clients().map(|clients| clients.count as f64);
            (limit * config.replicas.most() as f64)
                .min(patient)
                .min(drops)
                .min(clients.unwrap_or(f64::INFINITY))
        };
        let waiting = self.models.iter().map(most).sum::<f64>().min(grows);
        let limit = if self.is_plain(config) { WAITING } else { WAITING_GENERAL };
        let fits = limit.check(waiting.max(0.0)).is_ok();
        within("requests", config.requests, fits, GROWS)?;
        Ok(())
    }

    /// Whether the fast engine can simulate it.
    fn is_plain(&self, config: &SimulationConfig) -> bool {
        let [model] = &self.models[..] else { return false };
        let sleeps = config.servers.sleep_after_s.is_some();
        let loses = model.queue.limit.is_some()
            || model.queue.patience.is_some()
            || model.policy.drops()
            || model.policy.has_rules();
        let differ = !model.marks.are_plain() || model.process.clients().is_some();
        let changes = !config.replicas.is_plain()
            || model.law.slowness().is_some()
            || model.escalation.is_some();
        // Where pauses matter, so does which of several servers has paused.
        let energy = self.power.as_ref().is_some_and(|power| power.batch.depends_on_pauses());
        let pauses = energy || model.law.depends_on_pauses();
        !sleeps && !loses && !differ && !changes && (config.servers.count == 1 || !pauses)
    }

    fn outlook(&self, config: &SimulationConfig) -> Outlook {
        let load = |model: &ModelSetup<P>| {
            let servers = config.all_servers() as f64;
            let (smallest, largest) = (model.policy.min_size(), model.policy.max_size());
            let rate = model.process.mean_rate() * model.marks.mean_size();
            let capacity = match &model.escalation {
                Some(escalation) => escalation.capacity(&model.law, smallest, largest),
                None => model.law.capacity(smallest, largest),
            };
            rate / (servers * capacity)
        };
        let bounded = |model: &ModelSetup<P>| {
            let queue = &model.queue;
            let lost = queue.limit.is_some() || queue.patience.is_some() || model.policy.drops();
            (lost && queue.retry.is_none()) || model.process.clients().is_some()
        };
        // A trace has no more requests than these, and without chance every run is the same.
        let whole = |model: &ModelSetup<P>| {
            let certain = model.process.is_certain()
                && model.law.is_certain()
                && model.marks.are_certain()
                && model.escalation.is_none();
            model.process.limit().is_some() || certain
        };
        Outlook {
            servers: config.all_servers(),
            power: self.power.clone(),
            load: self.models.iter().map(load).sum(),
            bounded: self.models.iter().all(bounded),
            whole: self.models.iter().all(whole),
            asleep: Asleep::default(),
            cascade: config.cascade.is_some(),
        }
    }

    /// Runs under an observer.
    fn run(
        mut self,
        config: &SimulationConfig,
        observer: &mut impl Observer,
    ) -> Result<Asleep, SimulationError> {
        if !self.is_plain(config) {
            return Ok(self.system(config).run(config.warmup, observer)?);
        }
        let ModelSetup { process, law, policy, .. } = self.models.remove(0);
        let engine = Engine {
            arrivals: process.times(config.seed),
            requests: config.requests,
            law: &law,
            service_random: generator(config.seed, Stream::Service, 0),
            servers: config.servers.count,
        };
        engine.run(policy, observer)?;
        Ok(Asleep::default())
    }

    fn system(self, config: &SimulationConfig) -> System<P> {
        let model = |(number, model): (usize, ModelSetup<P>)| Model {
            arrivals: model.process.times_of(config.seed, number as u64),
            clients: model.process.clients(),
            marks: model.marks,
            law: model.law,
            escalation: model.escalation,
            policy: model.policy,
            limit: model.queue.limit.unwrap_or(usize::MAX),
            priority: model.queue.priority,
            patience: model.patience,
            retry: model.queue.retry,
            random: Randoms {
                service: generator(config.seed, Stream::Service, number as u64),
                marks: generator(config.seed, Stream::Marks, number as u64),
                clients: generator(config.seed, Stream::Clients, number as u64),
                slowness: generator(config.seed, Stream::Slowness, number as u64),
                cascade: generator(config.seed, Stream::Cascade, number as u64),
            },
        };
        let sleep = config.servers.sleep_after_s.map(|after_s| Sleep {
            after_s,
            wakeup_s: config.servers.wakeup_s.unwrap_or_default(),
        });
        System {
            models: self.models.into_iter().enumerate().map(model).collect(),
            requests: config.requests,
            servers: config.servers.count,
            sleep,
            replicas: config.replicas,
            routes: generator(config.seed, Stream::Routes, 0),
        }
    }
}

/// A queue with the limit that its policy sets, if the description sets none.
fn checked_queue(queue: QueueConfig, policy: &impl Policy) -> Result<QueueConfig, ConfigError> {
    let queue = QueueConfig { limit: queue.limit.or(policy.queue_limit()), ..queue };
    let least = policy.min_size();
    match queue.limit {
        Some(limit) if limit < least && least > 1 => Err(ConfigError::Invalid {
            key: "queue.limit",
            found: limit.to_string(),
            expected: "at least the requests that the batching policy waits for",
        }),
        _ => Ok(queue),
    }
}

/// Keeps the times of all requests and batches.
struct Path(Serving);

impl Observer for Path {
    fn arrival(&mut self, _: usize, _: f64, _: impl Iterator<Item = StartedBatch>) {}

    fn batch(
        &mut self,
        _model: usize,
        batch: &StartedBatch,
        requests: impl Iterator<Item = (usize, f64)>,
    ) {
        self.0.arrivals_s.extend(requests.map(|(_, time)| time));
        self.0.batches.push(batch.times);
    }
}

/// Statistics of all models together and of each model.
struct PerModel {
    all: Statistics,
    models: Vec<Statistics>,
}

impl Observer for PerModel {
    fn arrival(&mut self, number: usize, time_s: f64, latest: impl Iterator<Item = StartedBatch>) {
        self.all.arrival(number, time_s, latest);
    }

    fn batch(
        &mut self,
        model: usize,
        batch: &StartedBatch,
        requests: impl Iterator<Item = (usize, f64)>,
    ) {
        let requests: Vec<_> = requests.collect();
        self.all.batch(model, batch, requests.iter().copied());
        self.models[model].batch(model, batch, requests.into_iter());
    }

    fn closes(&mut self, time_s: f64, latest: impl Iterator<Item = StartedBatch>) {
        self.all.closes(time_s, latest);
    }

    fn ends(&mut self, time_s: f64) {
        self.all.ends(time_s);
    }

    fn rejected(&mut self, model: usize, number: usize) {
        self.all.rejected(model, number);
        self.models[model].rejected(model, number);
    }

    fn dropped(&mut self, model: usize, number: usize) {
        self.all.dropped(model, number);
        self.models[model].dropped(model, number);
    }

    fn abandoned(&mut self, model: usize, number: usize) {
        self.all.abandoned(model, number);
        self.models[model].abandoned(model, number);
    }
}
