//! Importances as a table.

use super::SearchInsight;
use crate::document::{Cell, Column, Table};

/// Rows per function.
const ROWS: usize = 15;

impl SearchInsight {
    /// A row for each parameter and each pair in descending order of their shares; `None` if no share is
    /// known.
    #[must_use]
    pub fn table(&self) -> Option<Table> {
        let known: Vec<_> = self
            .told()
            .filter_map(|function| Some((function, function.importance.as_ref()?)))
            .collect();
        let named = known.iter().any(|pair| !pair.0.name.is_empty());
        let mut columns = vec![
            Column::text("parameters"),
            Column::number("share of the variance", "%"),
            Column::number("trials", ""),
        ];
        if named {
            columns.insert(0, Column::text("network"));
        }
        let mut table = Table::new(
            self.id("importance"),
            self.titled(
                "Shares of the variance over the space (functional ANOVA), with 1.96 deviations \
                 between trees; pairs: beyond what each explains alone",
                "",
            ) + ".",
            columns,
        );
        for (function, importance) in &known {
            for (name, share) in self.ranked(importance).into_iter().take(ROWS) {
                let half = 1.96 * share.deviation;
                let ends = [share.mean - half, share.mean + half];
                let ends = ends.map(|end| 100.0 * end.clamp(0.0, 1.0));
                let mut row = vec![
                    Cell::text(name),
                    Cell::interval(100.0 * share.mean, Some(ends), 3),
                    Cell::Integer(function.trials.len() as i64),
                ];
                if named {
                    row.insert(0, Cell::text(&function.name));
                }
                table.push(row);
            }
        }
        (!known.is_empty()).then_some(table)
    }
}
