//! From tables to a plan: values are filled in, repetitions written out, shapes computed.

use std::collections::BTreeSet;

use toml::{Table, Value};
use units::limits::{self, Limit};

use super::{
    error::Wrong,
    expression::{Names, evaluate, fill},
    plan::{LayerShape, PlannedActivation, PlannedLayer, PlannedOperation, PlannedWindow},
    schema::{Choice, Count, Kind, LayerTable, PoolTable, Ratio, kind_of},
    shapes,
};

/// Layers of a network, those of repetitions counted each time.
const LAYERS: Limit<u64> = Limit::whole("number of layers", "", 1, 5_000);
/// How deep layers can be inside layers.
const DEEPEST: usize = 16;
/// Parameters of a network, at most: 600 MB.
const PARAMETERS: Limit<u64> = Limit::whole("number of parameters", "", 0, 150_000_000);
/// Multiplications for one image, at most: minutes on one processor.
const MULTIPLICATIONS: Limit<u64> =
    Limit::whole("number of multiplications for one image", "", 0, 1_000_000_000_000);
/// Kernels, strides and paddings.
const WINDOW: Limit<u64> = Limit::whole("size of a window", "pixels", 1, 16_384);
const PADDING: Limit<u64> = Limit::whole("padding", "pixels", 0, 16_384);
/// A padding that makes ⌈side / stride⌉ pixels of each side, as TensorFlow's.
const SAME: &str = "same";
const REPETITIONS: Limit<u64> = Limit::whole("number of repetitions", "", 0, 10_000);

/// How many zeros a row of pixels needs in all so that windows make ⌈side / stride⌉ of it.
fn zeros_to_stay(input: LayerShape, kernel: usize, stride: usize) -> usize {
    let side = match input {
        LayerShape::Image { height, .. } => height,
        // That it is no image is found when the output's shape is computed.
        _ => 1,
    };
    ((side.div_ceil(stride) - 1) * stride + kernel).saturating_sub(side)
}

/// An error and the layer that it is about.
pub(super) struct Misplaced {
    pub(super) place: String,
    pub(super) input: LayerShape,
    pub(super) reason: String,
}

/// Where names of values and tensors come from while layers are read.
#[derive(Clone)]
struct Scope {
    names: Names,
    /// The place in the file of the layers, empty at the top.
    place: String,
    /// The beginning of the names of layers without a name of their own.
    prefix: String,
    depth: usize,
}

/// Reads the layers of a network.
pub(super) struct Expansion<'a> {
    values: &'a Table,
    /// Layers so far.
    layers: usize,
    parameters: u64,
    multiplications: u64,
    /// Names of layers that have tensors.
    taken: BTreeSet<String>,
}

/// The whole numbers among named values; `true` and `false` are 1 and 0.
pub(super) fn whole_numbers(values: &Table) -> impl Iterator<Item = (String, i64)> + '_ {
    values.iter().filter_map(|(name, value)| match value {
        Value::Integer(number) => Some((name.clone(), *number)),
        Value::Boolean(yes) => Some((name.clone(), i64::from(*yes))),
        _ => None,
    })
}

impl<'a> Expansion<'a> {
    /// Reads the layers of a file, given its `[values]` and its input.
    pub(super) fn layers(
        values: &'a Table,
        names: Names,
        layers: &[Value],
        input: LayerShape,
    ) -> Result<Vec<PlannedLayer>, Misplaced> {
        let mut expansion =
            Self { values, layers: 0, parameters: 0, multiplications: 0, taken: BTreeSet::new() };
        let prefix = "layers".to_owned();
        let mut scope = Scope { names, place: String::new(), prefix, depth: 0 };
        let mut planned = Vec::new();
        expansion.sequence(layers, input, &mut scope, "layer", &mut planned)?;
        Ok(planned)
    }

    /// Reads layers that follow one another, and appends them to `planned`, whose length is the position of
    /// the next layer.
    fn sequence(
        &mut self,
        layers: &[Value],
        input: LayerShape,
        scope: &mut Scope,
        what: &str,
        planned: &mut Vec<PlannedLayer>,
    ) -> Result<(), Misplaced> {
        let start = input;
        for (index, value) in layers.iter().enumerate() {
            let input = planned.last().map_or(start, |layer| layer.output);
            let place = format!("{}{what} {index} (`{}`)", scope.place, kind_of(value));
            let misplaced = |Wrong(reason)| Misplaced { place: place.clone(), input, reason };
            self.layers += 1;
            LAYERS.check(self.layers).map_err(|error| misplaced(error.into()))?;
            scope.names.insert("in".to_owned(), input.channels() as i64);
            let table = LayerTable::read(value).map_err(misplaced)?;
            if !self.choice("when", &table.when, &scope.names).map_err(misplaced)? {
                continue;
            }
            if scope.depth >= DEEPEST {
                let text = format!("layers are nested more than {DEEPEST} deep");
                return Err(misplaced(Wrong(text)));
            }
            if let Kind::Repeat(repeat) = &table.kind {
                let times = self
                    .count("times", &repeat.times, &scope.names, REPETITIONS)
                    .map_err(misplaced)?;
                if repeat.layers.is_empty() {
                    return Err(misplaced(Wrong("`layers` is empty".to_owned())));
                }
                if table.name.is_some() {
                    let text = "a repetition has no name; give names to its layers".to_owned();
                    return Err(misplaced(Wrong(text)));
                }
                let mut inner = Scope { depth: scope.depth + 1, ..scope.clone() };
                for round in 0..times {
                    // Rounds without layers would cost time and never reach the limit of layers.
                    self.layers += 1;
                    LAYERS.check(self.layers).map_err(|error| misplaced(error.into()))?;
                    inner.names.insert(repeat.index.clone(), round as i64);
                    inner.place = format!("{place}, round {round}, ");
                    self.sequence(&repeat.layers, input, &mut inner, "layer", planned)?;
                }
                continue;
            }
            let name = match &table.name {
                Some(name) => fill(name, &scope.names).map_err(misplaced)?,
                None => format!("{}.{}", scope.prefix, planned.len()),
            };
            let mut inner = scope.clone();
            inner.place = format!("{place}, ");
            inner.depth += 1;
            let (operation, out) = self.operation(&table.kind, &name, input, &mut inner, &place)?;
            let output = shapes::output(&operation, input, out).map_err(misplaced)?;
            let kind = kind_of(value).to_owned();
            let layer = PlannedLayer { name, kind, operation, input, output };
            self.account(&layer).map_err(misplaced)?;
            planned.push(layer);
        }
        Ok(())
    }

    /// Adds a layer's costs to those of the layers before, and takes its name.
    fn account(&mut self, layer: &PlannedLayer) -> Result<(), Wrong> {
        let tensors = layer.tensors();
        let mut own = 0;
        for tensor in &tensors {
            let sizes: Vec<u64> = tensor.shape.iter().map(|size| *size as u64).collect();
            own = PARAMETERS.sum(&[own, PARAMETERS.product(&sizes)?])?;
        }
        self.parameters = PARAMETERS.sum(&[self.parameters, own])?;
        let products = MULTIPLICATIONS.product(&[own, layer.output.positions() as u64])?;
        self.multiplications = MULTIPLICATIONS.sum(&[self.multiplications, products])?;
        if !tensors.is_empty() && !self.taken.insert(layer.name.clone()) {
            return Err(Wrong(format!(
                "an earlier layer has the name `{}`, too; in a repetition, write its counter into the \
                 name, such as `name = \"block{{index}}.conv\"`",
                layer.name
            )));
        }
        Ok(())
    }

    /// What a layer does, and its channels afterwards where it says how many.
    fn operation(
        &mut self,
        kind: &Kind,
        name: &str,
        input: LayerShape,
        scope: &mut Scope,
        place: &str,
    ) -> Result<(PlannedOperation, usize), Misplaced> {
        let misplaced = |Wrong(reason)| Misplaced { place: place.to_owned(), input, reason };
        match kind {
            Kind::Residual(table) => {
                let mut inside = |layers: &[Value], part: &str| {
                    let mut planned = Vec::new();
                    scope.prefix = format!("{name}.{part}");
                    self.sequence(layers, input, scope, part, &mut planned)?;
                    Ok(planned)
                };
                let body = inside(&table.body, "body")?;
                let shortcut = inside(&table.shortcut, "shortcut")?;
                Ok((PlannedOperation::Residual { body, shortcut }, 0))
            }
            Kind::Concatenation(table) => {
                let mut branches = Vec::new();
                for (index, layers) in table.branches.iter().enumerate() {
                    let mut planned = Vec::new();
                    scope.prefix = format!("{name}.branches.{index}");
                    let part = format!("branch {index}, layer");
                    self.sequence(layers, input, scope, &part, &mut planned)?;
                    branches.push(planned);
                }
                Ok((PlannedOperation::Concatenation(branches), 0))
            }
            _ => self.simple(kind, input, &scope.names).map_err(misplaced),
        }
    }

    /// A layer without layers inside.
    fn simple(
        &self,
        kind: &Kind,
        input: LayerShape,
        names: &Names,
    ) -> Result<(PlannedOperation, usize), Wrong> {
        let out = |count: &Count| self.count("out", count, names, limits::CHANNELS);
        let alone = |operation| Ok((operation, 0));
        match kind {
            Kind::Conv(table) => {
                let kernel = self.count("kernel", &table.kernel, names, WINDOW)?;
                let stride = self.count("stride", &table.stride, names, WINDOW)?;
                let (padding, more) = match &table.padding {
                    Count::Expression(text) if text == SAME => {
                        let zeros = zeros_to_stay(input, kernel, stride);
                        (zeros / 2, zeros % 2)
                    }
                    padding => (self.count("padding", padding, names, PADDING)?, 0),
                };
                let window = PlannedWindow { kernel, stride, padding };
                let groups = self.count("groups", &table.groups, names, limits::CHANNELS)?;
                let bias = self.choice("bias", &table.bias, names)?;
                Ok((PlannedOperation::Conv { window, more, groups, bias }, out(&table.out)?))
            }
            Kind::BatchNorm(table) => {
                let epsilon = self.epsilon(&table.eps)?;
                let momentum = self.ratio("momentum", &table.momentum, 1.0)?;
                alone(PlannedOperation::BatchNorm { epsilon, momentum })
            }
            Kind::LayerNorm(table) => {
                alone(PlannedOperation::LayerNorm { epsilon: self.epsilon(&table.eps)? })
            }
            Kind::Relu => alone(PlannedOperation::Activation(PlannedActivation::Relu)),
            Kind::Relu6 => alone(PlannedOperation::Activation(PlannedActivation::Relu6)),
            Kind::Gelu => alone(PlannedOperation::Activation(PlannedActivation::Gelu)),
            Kind::Silu => alone(PlannedOperation::Activation(PlannedActivation::Silu)),
            Kind::MaxPool(table) => alone(PlannedOperation::MaxPool(self.pool(table, names)?)),
            Kind::AveragePool(table) => {
                alone(PlannedOperation::AveragePool(self.pool(table, names)?))
            }
            Kind::Adaptive(table) => {
                alone(PlannedOperation::Adaptive(self.count("out", &table.out, names, WINDOW)?))
            }
            Kind::GlobalAverage => alone(PlannedOperation::GlobalAverage),
            Kind::Linear(table) => {
                let bias = self.choice("bias", &table.bias, names)?;
                Ok((PlannedOperation::Linear { bias }, out(&table.out)?))
            }
            Kind::Dropout(table) => {
                alone(PlannedOperation::Dropout(self.ratio("p", &table.p, 1.0)?))
            }
            Kind::Attention(table) => {
                let heads = self.count("heads", &table.heads, names, limits::CHANNELS)?;
                alone(PlannedOperation::Attention { heads })
            }
            Kind::Tokens(table) => {
                let class_token = self.choice("class_token", &table.class_token, names)?;
                let positions = self.choice("positions", &table.positions, names)?;
                alone(PlannedOperation::Tokens { class_token, positions })
            }
            Kind::FirstToken => alone(PlannedOperation::FirstToken),
            Kind::MeanTokens => alone(PlannedOperation::MeanTokens),
            Kind::Flatten => alone(PlannedOperation::Flatten),
            Kind::OptionA(table) => {
                let stride = self.count("stride", &table.stride, names, WINDOW)?;
                Ok((PlannedOperation::OptionA { stride }, out(&table.out)?))
            }
            Kind::Residual(_) | Kind::Concatenation(_) | Kind::Repeat(_) => {
                Err(Wrong("layers inside layers are read elsewhere".to_owned()))
            }
        }
    }

    fn pool(&self, table: &PoolTable, names: &Names) -> Result<PlannedWindow, Wrong> {
        let kernel = self.count("kernel", &table.kernel, names, WINDOW)?;
        let stride = match &table.stride {
            Some(stride) => self.count("stride", stride, names, WINDOW)?,
            None => kernel,
        };
        let padding = self.count("padding", &table.padding, names, PADDING)?;
        Ok(PlannedWindow { kernel, stride, padding })
    }

    fn count(
        &self,
        key: &str,
        count: &Count,
        names: &Names,
        limit: Limit<u64>,
    ) -> Result<usize, Wrong> {
        let (number, text) = match count {
            Count::Whole(number) => (*number, String::new()),
            Count::Expression(text) => {
                (evaluate(text, names)?, format!(" (from `{}`)", text.escape_debug()))
            }
        };
        let found = u64::try_from(number).ok().and_then(|number| limit.check(number).ok());
        let found = found.and_then(|number| usize::try_from(number).ok());
        found.ok_or_else(|| {
            Wrong(format!("`{key}` is {number}{text}, expected {}", limit.expected()))
        })
    }

    fn choice(&self, key: &str, choice: &Choice, names: &Names) -> Result<bool, Wrong> {
        match choice {
            Choice::Fixed(fixed) => Ok(*fixed),
            Choice::Expression(text) => {
                let value = evaluate(text, names)
                    .map_err(|Wrong(reason)| Wrong(format!("`{key}`: {reason}")))?;
                Ok(value != 0)
            }
        }
    }

    fn epsilon(&self, ratio: &Ratio) -> Result<f64, Wrong> {
        let value = self.ratio("eps", ratio, 1e6)?;
        // Smaller ones are 0 in single precision.
        if value < 1e-30 {
            return Err(Wrong(format!("`eps` is {value}, expected a number from 1e-30 to 1e6")));
        }
        Ok(value)
    }

    fn ratio(&self, key: &str, ratio: &Ratio, most: f64) -> Result<f64, Wrong> {
        let value = match ratio {
            Ratio::Real(value) => *value,
            Ratio::Name(name) => match self.values.get(name) {
                Some(Value::Float(value)) => *value,
                Some(Value::Integer(value)) => *value as f64,
                _ => {
                    return Err(Wrong(format!(
                        "`{key}` is `{}`, which is not a number in `[values]`",
                        name.escape_debug()
                    )));
                }
            },
        };
        if (0.0..=most).contains(&value) {
            return Ok(value);
        }
        Err(Wrong(format!("`{key}` is {value}, expected a number from 0 to {most}")))
    }
}
