//! A table whose energies cannot lose their origin.

use super::Cell;

/// What a column holds; decides its alignment and how it sorts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ColumnKind {
    /// Words, to the left.
    Text,
    /// Numbers, to the right.
    Number,
    /// Energies, to the right, each with the mark of its origin.
    Energy,
}

/// The head of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name, without the unit.
    pub name: String,
    /// Symbol of the unit: `J`, `%`, `s`; empty for none.
    pub unit: String,
    /// What it holds.
    pub kind: ColumnKind,
}

impl Column {
    /// A column of words.
    #[must_use]
    pub fn text(name: impl Into<String>) -> Self {
        Self { name: name.into(), unit: String::new(), kind: ColumnKind::Text }
    }

    /// A column of numbers; the unit is empty for none.
    #[must_use]
    pub fn number(name: impl Into<String>, unit: impl Into<String>) -> Self {
        Self { name: name.into(), unit: unit.into(), kind: ColumnKind::Number }
    }

    /// A column of energies, such as `J` or `J/request`.
    #[must_use]
    pub fn energy(name: impl Into<String>, unit: impl Into<String>) -> Self {
        Self { name: name.into(), unit: unit.into(), kind: ColumnKind::Energy }
    }

    /// Name and unit: `energy (J)`.
    #[must_use]
    pub fn heading(&self) -> String {
        if self.unit.is_empty() {
            self.name.clone()
        } else {
            format!("{} ({})", self.name, self.unit)
        }
    }

    /// Whether the unit is one of energy, alone or per something.
    fn is_of_energy(&self) -> bool {
        let unit = self.unit.split(['/', ' ']).next().unwrap_or_default();
        matches!(unit, "J" | "mJ" | "kJ" | "MJ" | "Wh" | "kWh")
    }

    /// Whether a cell may stand in this column.
    fn admits(&self, cell: &Cell) -> bool {
        match cell {
            Cell::Missing => true,
            Cell::Text(_) => self.kind == ColumnKind::Text,
            Cell::Integer(_) | Cell::Number(_) | Cell::PValue(_) => {
                self.kind == ColumnKind::Number && !self.is_of_energy()
            }
            Cell::Energy(..) => self.kind == ColumnKind::Energy,
        }
    }
}

/// Rows of typed cells under named columns.
///
/// A number without an origin is refused in a column of joules.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Names its anchor and its file; unique among the tables of a document.
    pub id: String,
    /// What it shows and how its intervals were made.
    pub caption: String,
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub fn new(
        id: impl Into<String>,
        caption: impl Into<String>,
        columns: impl IntoIterator<Item = Column>,
    ) -> Self {
        Self {
            id: id.into(),
            caption: caption.into(),
            columns: columns.into_iter().collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    ///
    /// # Panics
    ///
    /// If there are more or fewer cells than columns, or one that its column does not hold: an
    /// energy outside a column of energies, a bare number in a column of joules, words among
    /// numbers. All of these are mistakes of the program, not of its data.
    #[track_caller]
    pub fn push(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let row: Vec<Cell> = cells.into_iter().collect();
        assert_eq!(
            row.len(),
            self.columns.len(),
            "table `{}`: a row must have a cell for each column",
            self.id
        );
        for (column, cell) in self.columns.iter().zip(&row) {
            assert!(
                column.admits(cell),
                "table `{}`: column `{}` ({:?}) does not hold {cell:?}",
                self.id,
                column.heading(),
                column.kind,
            );
        }
        self.rows.push(row);
    }

    /// The heads, from left to right.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The rows, each as long as there are columns.
    #[must_use]
    pub fn rows(&self) -> &[Vec<Cell>] {
        &self.rows
    }
}
