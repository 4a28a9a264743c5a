//! Axes: a title, a unit and a scale.

use record::Origin;

/// Unit of an axis; an energy cannot be shown without its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AxisUnit {
    /// Any quantity that is not an energy.
    Plain {
        /// Symbol of the unit, such as `%` or `s`; empty for none.
        unit: String,
    },
    /// An energy, or energy per something.
    Energy {
        /// Symbol of the unit, such as `J` or `J/request`.
        unit: String,
        /// Origin of the joules; part of the axis title.
        origin: Origin,
    },
}

/// Scale of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AxisScale {
    /// Equal differences have equal lengths.
    Linear,
    /// Equal ratios have equal lengths; only positive values can be drawn.
    Log,
}

/// An axis of a plot; its range follows from the data.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What is shown, without the unit.
    pub title: String,
    /// Unit and, for an energy, origin.
    pub unit: AxisUnit,
    /// Linear or logarithmic.
    pub scale: AxisScale,
    /// Whether a linear axis must include zero.
    pub from_zero: bool,
    /// Values to label on the axis; if empty, round values are chosen.
    pub named: Vec<f64>,
}

impl Axis {
    /// A linear axis; the unit is empty for none.
    #[must_use]
    pub fn new(title: impl Into<String>, unit: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            unit: AxisUnit::Plain { unit: unit.into() },
            scale: AxisScale::Linear,
            from_zero: false,
            named: Vec::new(),
        }
    }

    /// A linear axis of energy, whose title has the origin of the joules.
    #[must_use]
    pub fn energy(title: impl Into<String>, unit: impl Into<String>, origin: Origin) -> Self {
        let unit = AxisUnit::Energy { unit: unit.into(), origin };
        Self { unit, ..Self::new(title, "") }
    }

    /// The same axis with a logarithmic scale.
    #[must_use]
    pub fn log(self) -> Self {
        Self { scale: AxisScale::Log, ..self }
    }

    /// The same axis with zero in its range, if it is linear.
    #[must_use]
    pub fn from_zero(self) -> Self {
        Self { from_zero: true, ..self }
    }

    /// The same axis with labels at these values, such as batch sizes of 16, 32 and 64.
    #[must_use]
    pub fn naming(self, values: impl IntoIterator<Item = f64>) -> Self {
        Self { named: values.into_iter().collect(), ..self }
    }

    /// Title, unit and origin: `energy of a training (J, estimated)`.
    #[must_use]
    pub fn heading(&self) -> String {
        match &self.unit {
            AxisUnit::Plain { unit } if unit.is_empty() => self.title.clone(),
            AxisUnit::Plain { unit } => format!("{} ({unit})", self.title),
            AxisUnit::Energy { unit, origin } => {
                format!("{} ({unit}, {})", self.title, origin.word())
            }
        }
    }
}
