//! A network's file as a whole.

use std::{io::Read, path::Path, sync::Arc};

use record::PublishedFigures;
use toml::{Table, Value};
use units::limits;

use super::{
    built_in,
    error::{NetworkFileError, Wrong, shortened},
    expand::{Expansion, whole_numbers},
    key,
    plan::{LayerShape, PlannedLayer, PlannedTensor},
    schema::Document,
    shapes,
};

/// The longest file, in bytes.
const LONGEST: u64 = 256 * 1024;
/// The longest error of the TOML parser that is shown with its line, in bytes.
const LONG_LINE: usize = 400;

/// A network described in TOML: its layers, with torch's names and defaults. The format is explained in
/// `docs/networks.md`.
///
/// ```
/// use wattlab_models::NetworkFile;
///
/// let file = NetworkFile::parse(
///     r#"
///     name = "tiny"
///     input = [1, 28, 28]
///     classes = 10
///     [values]
///     width = 16
///     [[layers]]
///     kind = "conv2d"
///     out = "width"
///     kernel = 3
///     [[layers]]
///     kind = "global_avg_pool"
///     [[layers]]
///     kind = "linear"
///     out = "classes"
///     "#,
///     "tiny.toml",
/// )?;
/// assert_eq!(file.parameters(), 16 * 9 + 16 + 16 * 10 + 10);
/// assert_eq!(file.with("values.width", 8)?.parameters(), 8 * 9 + 8 + 8 * 10 + 10);
/// # Ok::<(), wattlab_models::NetworkFileError>(())
/// ```
#[derive(Clone, Debug)]
pub struct NetworkFile {
    /// The file's path, or what stands for it in errors.
    file: String,
    table: Table,
    plan: Arc<NetworkPlan>,
    pub(super) dropout_seed: u64,
}

/// A network with all of its values filled in.
#[derive(Clone, Debug)]
pub(crate) struct NetworkPlan {
    name: String,
    channels: usize,
    side: usize,
    classes: usize,
    published: Option<PublishedFigures>,
    pub(crate) layers: Vec<PlannedLayer>,
}

/// A layer of a network's file, for lists.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileLayer {
    /// The beginning of its tensors' names.
    pub name: String,
    /// Its `kind` in the file.
    pub kind: String,
    /// The shape of its input.
    pub input: LayerShape,
    /// The shape of its output.
    pub output: LayerShape,
    /// Number of its own trained parameters.
    pub parameters: usize,
}

impl NetworkFile {
    /// The names of the networks in files that come with this crate: EfficientNet-Lite0, 1 and 2.
    #[must_use]
    pub fn built_in_names() -> Vec<&'static str> {
        built_in::names().collect()
    }

    /// Whether a network of this name comes with this crate as a file.
    #[must_use]
    pub fn is_built_in(name: &str) -> bool {
        built_in::text(name).is_some()
    }

    /// Reads a file. A path that is one of [`NetworkFile::built_in_names`] is that network.
    ///
    /// # Errors
    ///
    /// If it cannot be read or is not a valid network; the error names the layer and the shapes.
    pub fn read(path: &Path) -> Result<Self, NetworkFileError> {
        if let Some((name, text)) =
            path.to_str().and_then(|name| Some((name, built_in::text(name)?)))
        {
            return Self::parse(text, name);
        }
        let fail = |reason: String| NetworkFileError::Read { path: path.to_owned(), reason };
        let file = units::open_regular(path).map_err(|error| fail(error.to_string()))?;
        let mut bytes = Vec::new();
        file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|error| fail(error.to_string()))?;
        if bytes.len() as u64 > LONGEST {
            return Err(fail(format!("it is larger than {} KiB", LONGEST / 1024)));
        }
        let text =
            String::from_utf8(bytes).map_err(|_| fail("it is not a text in UTF-8".to_owned()))?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads a text; `file` stands for it in errors.
    ///
    /// # Errors
    ///
    /// If it is not a valid network; the error names the layer and the shapes.
    pub fn parse(text: &str, file: &str) -> Result<Self, NetworkFileError> {
        let format = |reason: String| NetworkFileError::Format {
            file: file.to_owned(),
            reason: shortened(&reason),
        };
        if text.len() as u64 > LONGEST {
            return Err(format(format!("it is larger than {} KiB", LONGEST / 1024)));
        }
        let table: Table = toml::from_str(text).map_err(|error: toml::de::Error| {
            let whole = error.to_string();
            // The whole text shows the line, which may be long.
            let place = whole.lines().next().unwrap_or_default();
            let long = whole.len() > LONG_LINE;
            format(if long {
                format!("{place}: {}", error.message())
            } else {
                whole.trim().to_owned()
            })
        })?;
        Self::new(table, file.to_owned())
    }

    fn new(table: Table, file: String) -> Result<Self, NetworkFileError> {
        let plan = Arc::new(plan(&table, &file)?);
        Ok(Self { file, table, plan, dropout_seed: 0 })
    }

    /// The same network with another value: of `values.NAME`, of a layer's key such as `layers.3.out` (layers
    /// are counted from 0, and inside others as in `layers.2.body.0.stride`), of `classes`, or of `input.0`.
    ///
    /// # Errors
    ///
    /// If there is nothing of that name, or the network is not valid with the value.
    pub fn with(&self, key: &str, value: impl Into<Value>) -> Result<Self, NetworkFileError> {
        self.with_all([(key, value.into())])
    }

    /// The same network with several other values at once, as [`NetworkFile::with`]. Only the result needs to be
    /// valid, not every step on the way.
    ///
    /// # Errors
    ///
    /// As [`NetworkFile::with`].
    pub fn with_all<'a>(
        &self,
        values: impl IntoIterator<Item = (&'a str, Value)>,
    ) -> Result<Self, NetworkFileError> {
        let mut table = self.table.clone();
        for (key, value) in values {
            key::set(&mut table, key, value).map_err(|Wrong(reason)| NetworkFileError::Key {
                file: self.file.clone(),
                key: key.to_owned(),
                reason,
            })?;
        }
        Ok(Self { dropout_seed: self.dropout_seed, ..Self::new(table, self.file.clone())? })
    }

    /// The same network for other images and classes: `[channels][side][side]`.
    ///
    /// # Errors
    ///
    /// If the network is not valid for them.
    pub fn for_images(
        &self,
        channels: usize,
        side: usize,
        classes: usize,
    ) -> Result<Self, NetworkFileError> {
        let whole = |value: usize| Value::Integer(i64::try_from(value).unwrap_or(i64::MAX));
        let input = Value::Array(vec![whole(channels), whole(side), whole(side)]);
        self.with_all([("input", input), ("classes", whole(classes))])
    }

    /// The same network, whose dropout layers draw from this seed in training.
    #[must_use]
    pub fn with_dropout_seed(self, seed: u64) -> Self {
        Self { dropout_seed: seed, ..self }
    }

    /// The file as text, with the values of [`NetworkFile::with`].
    #[must_use]
    pub fn to_toml(&self) -> String {
        self.table.to_string()
    }

    /// The network's `name`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// Channels of its images.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.plan.channels
    }

    /// Side of its images in pixels.
    #[must_use]
    pub fn side(&self) -> usize {
        self.plan.side
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.plan.classes
    }

    /// What the file quotes about the network in `[published]`.
    #[must_use]
    pub fn published(&self) -> Option<PublishedFigures> {
        self.plan.published
    }

    /// Number of trained parameters.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.layers().iter().map(|layer| layer.parameters).sum()
    }

    /// All layers, those inside other layers after these.
    #[must_use]
    pub fn layers(&self) -> Vec<FileLayer> {
        let mut layers = Vec::new();
        self.plan.visit(&mut |layer| {
            let tensors = layer.tensors();
            let trained = tensors.iter().filter(|tensor| tensor.trained);
            layers.push(FileLayer {
                name: layer.name.clone(),
                kind: layer.kind.clone(),
                input: layer.input,
                output: layer.output,
                parameters: trained.map(|tensor| tensor.shape.iter().product::<usize>()).sum(),
            });
        });
        layers
    }

    /// The state dict: names and shapes of all tensors, in the order of the layers.
    #[must_use]
    pub fn state_dict(&self) -> Vec<(String, Vec<usize>)> {
        self.plan.tensors().into_iter().map(|tensor| (tensor.name, tensor.shape)).collect()
    }

    pub(crate) fn plan(&self) -> &NetworkPlan {
        &self.plan
    }

    pub(super) fn fail(&self, source: candle_core::Error) -> NetworkFileError {
        NetworkFileError::Tensor { file: self.file.clone(), source }
    }
}

impl NetworkPlan {
    fn visit<'a>(&'a self, visit: &mut dyn FnMut(&'a PlannedLayer)) {
        self.layers.iter().for_each(|layer| layer.visit(visit));
    }

    /// All tensors, in the order of the layers.
    pub(crate) fn tensors(&self) -> Vec<PlannedTensor> {
        let mut tensors = Vec::new();
        self.visit(&mut |layer| tensors.extend(layer.tensors()));
        tensors
    }
}

/// Whether quoted figures are possible.
fn check_published(figures: PublishedFigures) -> Result<(), String> {
    let PublishedFigures { year, top1, giga_multiply_adds } = figures;
    let wrong = |key: &str, found: String, expected: &str| {
        Err(format!("`published.{key}` is {found}, expected {expected}"))
    };
    if !(1943..=9999).contains(&year) {
        return wrong("year", year.to_string(), "the year of the network's paper");
    }
    if !(0.0..=100.0).contains(&top1) {
        return wrong("top1", top1.to_string(), "an accuracy in percent, from 0 to 100");
    }
    if !(0.0..=1e9).contains(&giga_multiply_adds) {
        let expected = "10⁹ multiply-adds for an image, from 0 to 1e9";
        return wrong("giga_multiply_adds", giga_multiply_adds.to_string(), expected);
    }
    Ok(())
}

/// Fills in the values of a file and computes all shapes.
fn plan(table: &Table, file: &str) -> Result<NetworkPlan, NetworkFileError> {
    let format = |reason: String| NetworkFileError::Format {
        file: file.to_owned(),
        reason: shortened(&reason),
    };
    let document: Document = Value::Table(table.clone())
        .try_into()
        .map_err(|error: toml::de::Error| format(error.to_string().trim().replace('\n', " ")))?;
    let [channels, height, width] = document.input[..] else {
        let found = document.input.len();
        return Err(format(format!(
            "`input` has {found} numbers, expected 3: channels, height and width"
        )));
    };
    if height != width {
        return Err(format(format!(
            "`input` has a height of {height} and a width of {width}, expected equal ones"
        )));
    }
    let sized = |key: &str, number: i64, limit: limits::Limit<u64>| {
        let checked = limit.parse::<usize>(&number.to_string());
        checked.map_err(|error| format(error.of_key(key).to_string()))
    };
    let channels = sized("input.0", channels, limits::CHANNELS)?;
    let side = sized("input.1", height, limits::IMAGE_SIDE)?;
    let classes = sized("classes", document.classes, limits::CLASSES)?;
    let input = LayerShape::Image { channels, height: side, width: side };
    shapes::checked(input).map_err(|Wrong(reason)| format(format!("`input`: {reason}")))?;
    let given = [("channels", channels), ("side", side), ("classes", classes)];
    let mut names: super::expression::Names =
        given.into_iter().map(|(name, number)| (name.to_owned(), number as i64)).collect();
    for (name, number) in whole_numbers(&document.values) {
        if names.contains_key(&name) || name == "in" {
            let text =
                format!("`values.{name}` has the name of a number that every file has; rename it");
            return Err(format(text));
        }
        names.insert(name, number);
    }
    let layers = Expansion::layers(&document.values, names, &document.layers, input).map_err(
        |misplaced| NetworkFileError::Layer {
            file: file.to_owned(),
            place: shortened(&misplaced.place),
            reason: shortened(&misplaced.reason),
            input: misplaced.input.to_string(),
        },
    )?;
    let output = layers.last().map_or(input, |layer| layer.output);
    if output != (LayerShape::Row { features: classes }) {
        return Err(format(format!(
            "the last layer makes {output}, expected a row of {classes} numbers, as many as `classes`"
        )));
    }
    let published = document.published;
    if let Some(figures) = published {
        check_published(figures).map_err(format)?;
    }
    Ok(NetworkPlan { name: document.name, channels, side, classes, published, layers })
}
