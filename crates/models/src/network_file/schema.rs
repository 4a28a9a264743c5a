//! The tables of a network's file.

use record::PublishedFigures;
use serde::Deserialize;
use toml::{Table, Value};

use super::error::Wrong;

/// A whole number, or an expression of named values.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a whole number, or an expression of named values such as \"2 * width\""
)]
pub(super) enum Count {
    Whole(i64),
    Expression(String),
}

/// A number, or the name of a value.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a number, or the name of a value")]
pub(super) enum Ratio {
    Real(f64),
    Name(String),
}

/// `true` or `false`, or an expression: everything but 0 is `true`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected true or false, or the name of a value")]
pub(super) enum Choice {
    Fixed(bool),
    Expression(String),
}

/// The file without its layers, which are read one by one so that errors can name them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub(super) name: String,
    /// Channels, height and width.
    pub(super) input: Vec<i64>,
    pub(super) classes: i64,
    #[serde(default)]
    pub(super) values: Table,
    pub(super) published: Option<PublishedFigures>,
    pub(super) layers: Vec<Value>,
}

fn whole(value: i64) -> Count {
    Count::Whole(value)
}

fn none() -> Count {
    whole(0)
}

fn one() -> Count {
    whole(1)
}

fn yes() -> Choice {
    Choice::Fixed(true)
}

fn no() -> Choice {
    Choice::Fixed(false)
}

fn epsilon() -> Ratio {
    Ratio::Real(1e-5)
}

fn momentum() -> Ratio {
    Ratio::Real(0.1)
}

fn half() -> Ratio {
    Ratio::Real(0.5)
}

fn index() -> String {
    "index".to_owned()
}

/// Declares a table of a layer, whose unknown keys are errors.
macro_rules! tables {
    ($($(#[$meta:meta])* $name:ident { $($(#[$key_meta:meta])* $key:ident: $kind:ty),* $(,)? })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name { $($(#[$key_meta])* pub(super) $key: $kind),* }
    )*};
}

tables! {
    /// torch's `Conv2d` with a square kernel.
    ConvTable {
        out: Count,
        kernel: Count,
        #[serde(default = "one")] stride: Count,
        #[serde(default = "none")] padding: Count,
        #[serde(default = "one")] groups: Count,
        #[serde(default = "yes")] bias: Choice,
    }
    /// torch's `BatchNorm1d` and `BatchNorm2d`.
    BatchNormTable {
        #[serde(default = "epsilon")] eps: Ratio,
        #[serde(default = "momentum")] momentum: Ratio,
    }
    /// torch's `LayerNorm` over the channels.
    LayerNormTable { #[serde(default = "epsilon")] eps: Ratio }
    /// A layer without keys.
    EmptyTable {}
    /// torch's `MaxPool2d` and `AvgPool2d`.
    PoolTable {
        kernel: Count,
        stride: Option<Count>,
        #[serde(default = "none")] padding: Count,
    }
    /// torch's `AdaptiveAvgPool2d` with a square output.
    AdaptiveTable { out: Count }
    /// torch's `Linear`.
    LinearTable { out: Count, #[serde(default = "yes")] bias: Choice }
    /// torch's `Dropout`.
    DropoutTable { #[serde(default = "half")] p: Ratio }
    /// torch's `MultiheadAttention` of every token to every token.
    AttentionTable { heads: Count }
    /// Pixels to tokens.
    TokensTable {
        #[serde(default = "no")] class_token: Choice,
        #[serde(default = "no")] positions: Choice,
    }
    /// The parameter-free shortcut of He et al. (2015), option A.
    OptionATable { out: Count, #[serde(default = "one")] stride: Count }
    /// `body(x) + shortcut(x)`.
    ResidualTable { body: Vec<Value>, #[serde(default)] shortcut: Vec<Value> }
    /// The channels of every branch.
    ConcatenationTable { branches: Vec<Vec<Value>> }
    /// Layers several times.
    RepeatTable {
        times: Count,
        layers: Vec<Value>,
        #[serde(default = "index")] index: String,
    }
}

/// What a layer does, by its `kind`.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Conv(ConvTable),
    BatchNorm(BatchNormTable),
    LayerNorm(LayerNormTable),
    Relu,
    Relu6,
    Gelu,
    Silu,
    MaxPool(PoolTable),
    AveragePool(PoolTable),
    Adaptive(AdaptiveTable),
    GlobalAverage,
    Linear(LinearTable),
    Dropout(DropoutTable),
    Attention(AttentionTable),
    Tokens(TokensTable),
    FirstToken,
    MeanTokens,
    Flatten,
    OptionA(OptionATable),
    Residual(ResidualTable),
    Concatenation(ConcatenationTable),
    Repeat(RepeatTable),
}

/// The names of all kinds.
const KINDS: &[&str] = &[
    "conv2d",
    "batch_norm",
    "layer_norm",
    "relu",
    "relu6",
    "gelu",
    "silu",
    "max_pool",
    "avg_pool",
    "adaptive_avg_pool",
    "global_avg_pool",
    "linear",
    "dropout",
    "attention",
    "tokens",
    "first_token",
    "mean_tokens",
    "flatten",
    "option_a",
    "residual",
    "concatenation",
    "repeat",
];

/// One table of `layers`.
#[derive(Clone, Debug)]
pub(super) struct LayerTable {
    pub(super) kind: Kind,
    /// The name of its tensors, before expressions are filled in; by default its position.
    pub(super) name: Option<String>,
    /// Whether the layer is there.
    pub(super) when: Choice,
}

/// The `kind` of a table as an error shows it.
pub(super) fn kind_of(value: &Value) -> &str {
    value.get("kind").and_then(Value::as_str).unwrap_or("?")
}

impl LayerTable {
    /// Reads a table.
    pub(super) fn read(value: &Value) -> Result<Self, Wrong> {
        let Value::Table(table) = value else {
            return Err(Wrong(format!("expected a table with `kind`, found {}", value.type_str())));
        };
        let mut table = table.clone();
        let mut take = |key: &str| -> Result<Option<String>, Wrong> {
            match table.remove(key) {
                None => Ok(None),
                Some(Value::String(text)) => Ok(Some(text)),
                Some(other) => {
                    Err(Wrong(format!("`{key}` is of type {}, expected a text", other.type_str())))
                }
            }
        };
        let (kind, name) = (take("kind")?, take("name")?);
        let when =
            table.remove("when").map_or_else(|| Ok(yes()), |when| parsed("`when`: ", when))?;
        let kind = kind.ok_or_else(|| {
            Wrong(format!("`kind` is missing; expected one of {}", KINDS.join(", ")))
        })?;
        Ok(Self { kind: Kind::read(&kind, Value::Table(table))?, name, when })
    }
}

impl Kind {
    fn read(kind: &str, keys: Value) -> Result<Self, Wrong> {
        let alone = |kind: Self, keys: Value| parsed::<EmptyTable>("", keys).map(|_| kind);
        match kind {
            "conv2d" => parsed("", keys).map(Self::Conv),
            "batch_norm" => parsed("", keys).map(Self::BatchNorm),
            "layer_norm" => parsed("", keys).map(Self::LayerNorm),
            "relu" => alone(Self::Relu, keys),
            "relu6" => alone(Self::Relu6, keys),
            "gelu" => alone(Self::Gelu, keys),
            "silu" => alone(Self::Silu, keys),
            "max_pool" => parsed("", keys).map(Self::MaxPool),
            "avg_pool" => parsed("", keys).map(Self::AveragePool),
            "adaptive_avg_pool" => parsed("", keys).map(Self::Adaptive),
            "global_avg_pool" => alone(Self::GlobalAverage, keys),
            "linear" => parsed("", keys).map(Self::Linear),
            "dropout" => parsed("", keys).map(Self::Dropout),
            "attention" => parsed("", keys).map(Self::Attention),
            "tokens" => parsed("", keys).map(Self::Tokens),
            "first_token" => alone(Self::FirstToken, keys),
            "mean_tokens" => alone(Self::MeanTokens, keys),
            "flatten" => alone(Self::Flatten, keys),
            "option_a" => parsed("", keys).map(Self::OptionA),
            "residual" => parsed("", keys).map(Self::Residual),
            "concatenation" => parsed("", keys).map(Self::Concatenation),
            "repeat" => parsed("", keys).map(Self::Repeat),
            _ => Err(Wrong(format!("unknown kind; expected one of {}", KINDS.join(", ")))),
        }
    }
}

fn parsed<T: serde::de::DeserializeOwned>(before: &str, value: Value) -> Result<T, Wrong> {
    value.try_into().map_err(|error: toml::de::Error| {
        Wrong(format!("{before}{}", error.to_string().trim().replace('\n', " ")))
    })
}
