//! A description in, a report out.

use record::Serving;

use crate::{
    arrival::ArrivalProcess,
    config::{
        ArrivalConfig, BatchingConfig, Expected, QueueConfig, ServiceConfig, SimulationConfig,
    },
    engine::{Begun, Engine, Observer},
    error::ConfigError,
    policy::{BatchingPolicy, each},
    power::{BatchEnergy, Power},
    random::{Stream, generator},
    report::{Outlook, SimulationReport, report},
    service::ServiceLaw,
    sketch::Sketch,
    statistics::Statistics,
    system::{Asleep, Model, Sleep, System},
};

/// Simulates a queue and reports its statistics; the same for the same description.
///
/// Memory grows with the requests that wait at a time, not with those simulated.
///
/// # Errors
/// [`ConfigError`] for a description that cannot be simulated.
pub fn simulate(config: &SimulationConfig) -> Result<SimulationReport, ConfigError> {
    Ok(simulate_with_sketch(config)?.0)
}

/// The same, with the sketch of the responses.
pub(crate) fn simulate_with_sketch(
    config: &SimulationConfig,
) -> Result<(SimulationReport, Sketch), ConfigError> {
    let setup = Setup::new(config)?;
    let mut outlook = setup.outlook(config);
    let stable = outlook.stable();
    let batch = setup.power.as_ref().map(|power| power.batch.clone());
    let statistics = || {
        Statistics::new(config.requests, config.warmup, batch.clone(), &config.statistics, stable)
    };
    let models = if setup.models.len() > 1 { setup.models.len() } else { 0 };
    let mut watched =
        Watched { all: statistics(), models: (0..models).map(|_| statistics()).collect() };
    // The one queue without models is watched alone: this is the loop that has to be fast.
    outlook.asleep = if models == 0 {
        setup.run(config, &mut watched.all)
    } else {
        setup.run(config, &mut watched)
    };
    let report = report(&watched.all, &watched.models, &outlook);
    Ok((report, watched.all.responses))
}

/// Simulates a queue and returns every request served and every batch, those of the warm-up too,
/// in order of the batches' starts.
///
/// # Errors
/// [`ConfigError`] for a description that cannot be simulated.
pub fn sample_path(config: &SimulationConfig) -> Result<Serving, ConfigError> {
    let mut path = Path(Serving { arrivals_s: Vec::new(), batches: Vec::new() });
    observe(config, &mut path)?;
    Ok(path.0)
}

/// Simulates a queue under an observer.
pub(crate) fn observe(
    config: &SimulationConfig,
    observer: &mut impl Observer,
) -> Result<(), ConfigError> {
    Setup::new(config)?.run(config, observer);
    Ok(())
}

/// A description that was understood.
struct Setup {
    /// Never empty.
    models: Vec<Described>,
    power: Option<Power>,
}

struct Described {
    process: ArrivalProcess,
    law: ServiceLaw,
    policy: BatchingPolicy,
    queue: QueueConfig,
}

impl Setup {
    fn new(config: &SimulationConfig) -> Result<Self, ConfigError> {
        let power = config.power.as_ref().map(crate::PowerConfig::power).transpose()?;
        let first = (&config.arrivals, &config.service, &config.batching, config.queue);
        let others = config
            .models
            .iter()
            .map(|model| (&model.arrivals, &model.service, &model.batching, model.queue));
        let models: Vec<Described> = [first]
            .into_iter()
            .chain(others)
            .map(|parts| describe(parts, config, power.as_ref()))
            .collect::<Result<_, _>>()?;
        config.check(&models[0].process)?;
        Ok(Self { models, power })
    }

    /// Whether the plain engine can do it.
    fn is_plain(&self, config: &SimulationConfig) -> bool {
        let drops = |model: &Described| matches!(model.policy, BatchingPolicy::Deadline(_));
        let limited = |model: &Described| model.queue.limit.is_some() || drops(model);
        let sleeps = config.servers.sleep_after_s.is_some();
        // It matters which of several servers rests.
        let energy = self.power.as_ref().is_some_and(|power| power.batch.knows_pauses());
        let alike =
            |model: &Described| config.servers.count == 1 || !(energy || model.law.knows_pauses());
        self.models.len() == 1
            && !sleeps
            && !self.models.iter().any(limited)
            && self.models.iter().all(alike)
    }

    fn outlook(&self, config: &SimulationConfig) -> Outlook {
        let load = |model: &Described| {
            let servers = config.servers.count as f64;
            let (smallest, largest) = (model.policy.min_size(), model.policy.max_size());
            model.process.mean_rate() / (servers * model.law.capacity(smallest, largest))
        };
        let bounded = |model: &Described| {
            model.queue.limit.is_some() || matches!(model.policy, BatchingPolicy::Deadline(_))
        };
        // Of a trace there is no more than itself, and without chance each run is the only one.
        let whole = |model: &Described| {
            let certain = model.process.is_certain() && model.law.is_certain();
            model.process.limit().is_some() || certain
        };
        Outlook {
            servers: config.servers.count,
            power: self.power.clone(),
            load: self.models.iter().map(load).sum(),
            bounded: self.models.iter().all(bounded),
            whole: self.models.iter().all(whole),
            asleep: Asleep::default(),
        }
    }

    /// Runs under an observer.
    fn run(mut self, config: &SimulationConfig, observer: &mut impl Observer) -> Asleep {
        if !self.is_plain(config) {
            return self.system(config).run(config.warmup, observer);
        }
        let Described { process, law, policy, .. } = self.models.remove(0);
        let engine = Engine {
            arrivals: process.times(config.seed),
            requests: config.requests,
            law: &law,
            service_random: generator(config.seed, Stream::Service, 0),
            servers: config.servers.count,
        };
        each!(policy, policy => engine.run(policy, observer));
        Asleep::default()
    }

    fn system(self, config: &SimulationConfig) -> System {
        let model = |(number, model): (usize, Described)| Model {
            arrivals: model.process.times_of(config.seed, number as u64),
            law: model.law,
            random: generator(config.seed, Stream::Service, number as u64),
            policy: model.policy,
            limit: model.queue.limit.unwrap_or(usize::MAX),
            priority: model.queue.priority,
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
        }
    }
}

fn describe(
    parts: (&ArrivalConfig, &ServiceConfig, &BatchingConfig, QueueConfig),
    config: &SimulationConfig,
    power: Option<&Power>,
) -> Result<Described, ConfigError> {
    let (arrivals, service, batching, queue) = parts;
    let (process, law) = (arrivals.process()?, service.law()?);
    let none = BatchEnergy::power(1.0);
    let expected = Expected {
        rate: process.mean_rate() / config.servers.count.max(1) as f64,
        law: &law,
        energy: power.map_or(&none, |power| &power.batch),
        idle_w: power.map_or(0.0, |power| power.idle_w),
    };
    let policy = batching.policy(&expected)?;
    let queue = QueueConfig { limit: queue.limit.or(batching.queue_limit()?), ..queue };
    let least = policy.min_size();
    if let Some(limit) = queue.limit.filter(|&limit| limit < least && least > 1) {
        return Err(ConfigError::Invalid {
            key: "queue.limit",
            found: limit.to_string(),
            expected: "at least the requests that the batching policy waits for",
        });
    }
    Ok(Described { process, law, policy, queue })
}

struct Path(Serving);

impl Observer for Path {
    fn arrival(&mut self, _: usize, _: f64, _: impl Iterator<Item = Begun>) {}

    fn batch(
        &mut self,
        _model: usize,
        batch: &Begun,
        requests: impl Iterator<Item = (usize, f64)>,
    ) {
        self.0.arrivals_s.extend(requests.map(|(_, time)| time));
        self.0.batches.push(batch.times);
    }
}

/// Statistics of all models together and of each.
struct Watched {
    all: Statistics,
    models: Vec<Statistics>,
}

impl Observer for Watched {
    fn arrival(&mut self, number: usize, time_s: f64, latest: impl Iterator<Item = Begun>) {
        self.all.arrival(number, time_s, latest);
    }

    fn batch(&mut self, model: usize, batch: &Begun, requests: impl Iterator<Item = (usize, f64)>) {
        let requests: Vec<_> = requests.collect();
        self.all.batch(model, batch, requests.iter().copied());
        self.models[model].batch(model, batch, requests.into_iter());
    }

    fn closes(&mut self, time_s: f64, latest: impl Iterator<Item = Begun>) {
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
}
