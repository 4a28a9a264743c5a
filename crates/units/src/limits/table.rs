//! The limits, by what the numbers are of.

use super::Limit;

const fn count(name: &'static str, min: u64, max: u64) -> Limit<u64> {
    Limit::whole(name, "", min, max)
}

const fn bytes(name: &'static str, max: u64) -> Limit<u64> {
    Limit::whole(name, "bytes", 0, max)
}

const fn seconds(name: &'static str, min: f64, max: f64) -> Limit<f64> {
    Limit::real(name, "seconds", min, max)
}

// Studies.

/// Trials of a search.
pub const TRIALS: Limit<u64> = count("number of trials", 1, 1_000_000);
/// Repetitions of a run, a search or a measurement.
pub const REPETITIONS: Limit<u64> = count("number of repetitions", 1, 100_000);
/// Settings of an optimizer that a factorial compares.
pub const SETTINGS: Limit<u64> = count("number of settings", 1, 100_000);
/// Epochs of a training.
pub const EPOCHS: Limit<u64> = count("number of epochs", 1, 100_000);
/// Steps of a training, or of a benchmark.
pub const STEPS: Limit<u64> = count("number of steps", 1, 1_000_000_000);
/// Rounds of a measurement.
pub const ROUNDS: Limit<u64> = count("number of rounds", 1, 1_000_000);
/// Batches that are measured.
pub const BATCHES: Limit<u64> = count("number of batches", 1, 1_000_000_000);
/// Batches or steps before a measurement begins.
pub const WARMUP: Limit<u64> = count("number of warm-up batches", 0, 1_000_000);
/// The number of a research question of the two studies.
pub const QUESTION: Limit<u64> = count("research question", 1, 5);
/// Runs of a whole study.
pub const RUNS: Limit<u64> = count("number of runs", 1, 10_000_000);
/// Retries of a run that was disturbed or lost.
pub const RETRIES: Limit<u64> = count("number of retries", 0, 1_000);
/// Attempts at a run, the first included.
pub const TRIES: Limit<u64> = count("number of tries", 1, 1_000);

// Networks and images.

/// Images of a data set that are used.
pub const IMAGES: Limit<u64> = count("number of images", 1, 100_000_000);
/// Images of a data set that are used, where none is allowed.
pub const IMAGES_OR_NONE: Limit<u64> = count("number of images", 0, 100_000_000);
/// Images that a training sees: epochs times images.
pub const IMAGES_SEEN: Limit<u64> = count("number of images", 1, 1_000_000_000_000_000);
/// Side of a square image.
pub const IMAGE_SIDE: Limit<u64> = Limit::whole("side of an image", "pixels", 1, 16_384);
/// Channels of an image or a layer.
pub const CHANNELS: Limit<u64> = count("number of channels", 1, 1_000_000);
/// Classes of a data set.
pub const CLASSES: Limit<u64> = count("number of classes", 1, 1_000_000);
/// Layers of one kind in a network.
pub const LAYERS: Limit<u64> = count("number of layers", 0, 1_000);
/// Images of one step of a training, or of one batch of inference.
pub const BATCH: Limit<u64> = count("batch size", 1, 1_000_000);
/// Numbers that are held in memory at once (a product of sizes).
pub const VALUES_IN_MEMORY: Limit<u64> = count("number of values in memory", 0, 1 << 42);
/// A learning rate.
pub const LEARNING_RATE: Limit<f64> = Limit::real("learning rate", "", 0.0, 1e6);
/// A coefficient of an optimizer, such as a weight decay or an epsilon.
pub const COEFFICIENT: Limit<f64> = Limit::real("coefficient", "", 0.0, 1e6);
/// By how much an optimizer's moving average decays in a step, such as Adam's β₁; 1 would never forget.
pub const DECAY: Limit<f64> = Limit::real("decay rate", "", 0.0, 1.0 - 1e-12);

// The machine.

/// Threads.
pub const THREADS: Limit<u64> = count("number of threads", 1, 4_096);
/// The number of a logical processor, as the operating system counts them.
pub const PROCESSOR: Limit<u64> = count("number of a processor", 0, 65_535);
/// Worker processes.
pub const WORKERS: Limit<u64> = count("number of workers", 1, 4_096);
/// Jobs on a cluster, queued or running at once.
pub const JOBS: Limit<u64> = count("number of jobs", 1, 100_000);

// Queues.

/// Requests of a simulation, which keeps none of them.
pub const REQUESTS: Limit<u64> = count("number of requests", 1, 1_000_000_000_000);
/// Requests of a queue that is served live, whose times are all kept.
pub const LIVE_REQUESTS: Limit<u64> = count("number of requests", 1, 10_000_000);
/// Queries of a load test, whose times are all kept.
pub const QUERIES: Limit<u64> = count("number of queries", 1, 1_000_000_000);
/// Requests that one query of a load test consists of.
pub const SAMPLES: Limit<u64> = count("number of requests in a query", 1, 1_000_000);
/// The largest batch that a search for the best policy tries.
pub const TUNED_BATCH: Limit<u64> = count("largest batch", 1, 65_536);
/// Requests that may wait.
pub const QUEUE_LENGTH: Limit<u64> = count("length of a queue", 0, 1_000_000_000_000);
/// Servers.
pub const SERVERS: Limit<u64> = count("number of servers", 1, 1_000_000);
/// Replications of a simulation.
pub const REPLICATIONS: Limit<u64> = count("number of replications", 1, 1_000_000);
/// A rate of requests.
pub const RATE_PER_S: Limit<f64> = Limit::real("rate", "requests per second", 1e-9, 1e9);
/// A rate of requests that may be 0.
pub const RATE_OR_ZERO_PER_S: Limit<f64> = Limit::real("rate", "requests per second", 0.0, 1e9);
/// Offered load: the share of the time that the servers would need, above 1 where a queue grows.
pub const LOAD: Limit<f64> = Limit::real("load", "", 1e-9, 1e3);
/// Offered load under which a queue stays short enough to be measured.
pub const STABLE_LOAD: Limit<f64> = Limit::real("load", "", 1e-9, 0.95);
/// A coefficient of variation (standard deviation over mean).
pub const VARIATION: Limit<f64> = Limit::real("coefficient of variation", "", 0.0, 1e3);

// Searches.

/// Parameters of a search space.
pub const PARAMETERS: Limit<u64> = count("number of parameters", 1, 10_000);
/// Choices of a categorical parameter.
pub const CHOICES: Limit<u64> = count("number of choices", 1, 1_000_000);
/// Constraints of a search space.
pub const CONSTRAINTS: Limit<u64> = count("number of constraints", 0, 1_000);
/// Numbers, names and operators of a constraint.
pub const CONSTRAINT_PARTS: Limit<u64> = count("number of parts of the constraint", 1, 1_000);
/// Values of each parameter of a grid.
pub const GRID_VALUES: Limit<u64> = count("number of values of a grid", 1, 10_000);
/// Values of all parameters of a grid together.
pub const ALL_GRID_VALUES: Limit<u64> = count("number of values of all parameters", 1, 4_000_000);
/// Trials of a study that are queued to run next.
pub const QUEUED_TRIALS: Limit<u64> = count("number of queued trials", 0, 100_000);
/// Trials that run at once.
pub const PARALLEL_TRIALS: Limit<u64> = count("number of workers", 1, 256);
/// Objectives of a search.
pub const OBJECTIVES: Limit<u64> = count("number of objectives", 1, 64);
/// A difference that counts as none in practice.
pub const ROPE: Limit<f64> = Limit::real("region of practical equivalence", "", 0.0, 1e60);
/// Any finite number that can be added and multiplied a little without overflow.
pub const FINITE: Limit<f64> = Limit::real("number", "", -1e300, 1e300);

// Times.

/// A time.
pub const DURATION_S: Limit<f64> = seconds("time", 0.0, 1e9);
/// A time above 0: at least a nanosecond.
pub const POSITIVE_DURATION_S: Limit<f64> = seconds("time", 1e-9, 1e9);
/// A time that somebody waits for: how long a command measures, rests or serves.
pub const WAIT_S: Limit<f64> = seconds("time", 0.0, 86_400.0);
/// A time above 0 that somebody waits for.
pub const POSITIVE_WAIT_S: Limit<f64> = seconds("time", 1e-9, 86_400.0);
/// Time between two readings of a sensor.
pub const SAMPLING_INTERVAL_S: Limit<f64> = seconds("sampling interval", 1e-3, 3_600.0);
/// Time between two readings of a sensor, in milliseconds.
pub const SAMPLING_INTERVAL_MS: Limit<f64> =
    Limit::real("sampling interval", "milliseconds", 1.0, 3_600_000.0);
/// Time between two looks at something that others change.
pub const POLL_S: Limit<f64> = seconds("time between two looks", 0.1, 3_600.0);
/// The shortest time that one of many short measurements takes.
pub const MEASUREMENT_S: Limit<f64> = seconds("time of a measurement", 0.0, 3_600.0);
/// The same, where a measurement of no length says nothing.
pub const POSITIVE_MEASUREMENT_S: Limit<f64> = seconds("time of a measurement", 1e-9, 3_600.0);
/// A pause between two short measurements.
pub const PAUSE_S: Limit<f64> = seconds("pause", 0.0, 60.0);
/// Time that a worker without work stays.
pub const LINGER_S: Limit<f64> = seconds("time to wait for work", 0.0, 3_600.0);
/// Seconds since 1970, up to the year 5138.
pub const UNIX_TIME_S: Limit<f64> = seconds("time since 1970", 0.0, 1e11);

// Energy.

/// The power of anything, a whole data center included.
pub const POWER_W: Limit<f64> = Limit::real("power", "watts", 0.0, 1e9);
/// The power of one machine.
pub const MACHINE_POWER_W: Limit<f64> = Limit::real("power of a machine", "watts", 0.0, 1e6);
/// An energy.
pub const ENERGY_J: Limit<f64> = Limit::real("energy", "joules", 0.0, 1e18);
/// An amount of energy that may be spent.
pub const BUDGET_J: Limit<f64> = Limit::real("budget", "joules", 1e-3, 1e18);
/// Carbon intensity of electricity.
pub const CARBON_G_PER_KWH: Limit<f64> =
    Limit::real("carbon intensity", "grams of CO2 per kWh", 0.0, 1e4);
/// Power usage effectiveness: the power of a data center divided by that of its machines.
pub const PUE: Limit<f64> = Limit::real("power usage effectiveness", "", 1.0, 100.0);
/// The price of a kilowatt-hour in any currency.
pub const PRICE: Limit<f64> = Limit::real("price", "per kWh", 0.0, 1e9);
/// Emissions that were caused by making hardware.
pub const EMBODIED_G: Limit<f64> =
    Limit::real("embodied emissions", "grams of CO2 equivalent", 0.0, 1e15);
/// Things that a carbon score is given for: inferences, tokens, floating point operations.
pub const FUNCTIONAL_UNITS: Limit<f64> = Limit::real("number of functional units", "", 1e-9, 1e36);
/// Floating point operations.
pub const FLOP: Limit<f64> = Limit::real("number of floating point operations", "", 1.0, 1e36);
/// Price of electricity, in any currency.
pub const PRICE_PER_KWH: Limit<f64> = Limit::real("price", "per kWh", 0.0, 1e6);

// Shares.

/// A share or a probability.
pub const SHARE: Limit<f64> = Limit::real("share", "", 0.0, 1.0);
/// A share above 0.
pub const POSITIVE_SHARE: Limit<f64> = Limit::real("share", "", 1e-12, 1.0);
/// A relative change: 0.1 is a change by a tenth, 2 a tripling.
pub const CHANGE: Limit<f64> = Limit::real("relative change", "", 0.0, 1e6);

// Tables, texts and files.

/// The type of the sums of squares of an analysis of variance.
pub const SUMS_OF_SQUARES: Limit<u64> = count("type of sums of squares", 1, 3);
/// Rows of a table.
pub const ROWS: Limit<u64> = count("number of rows", 1, 100_000_000);
/// Columns of a table.
pub const COLUMNS: Limit<u64> = count("number of columns", 1, 100_000);
/// Entries of a list in a configuration.
pub const ENTRIES: Limit<u64> = count("number of entries", 1, 100_000);
/// Objects within objects of a JSON or TOML text.
pub const NESTING: Limit<u64> = count("depth of nesting", 0, 128);
/// A name: of a file, a parameter, a column, a span.
pub const NAME_BYTES: Limit<u64> = bytes("length of a name", 255);
/// A line of text, of a protocol or of a table.
pub const LINE_BYTES: Limit<u64> = bytes("length of a line", 16 << 20);
/// The number of a journal's line.
pub const JOURNAL_LINE: Limit<u64> = count("number of a line", 1, 1_000_000_000);
/// A line of a journal, which holds the times of a whole queue.
pub const JOURNAL_LINE_BYTES: Limit<u64> = bytes("length of a journal's line", 1 << 30);
/// A configuration, which is read whole.
pub const CONFIG_BYTES: Limit<u64> = bytes("length of a configuration", 16 << 20);
/// A table, which is read whole.
pub const TABLE_BYTES: Limit<u64> = bytes("length of a table", 16 << 30);
