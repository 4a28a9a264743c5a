//! The cells of the matrix as tables: the tests, why others are missing, and the measured sets.

use super::matrix::{effect, named, row_name};
use crate::{
    document::{Cell, Column, Table},
    evidence::{Elsewhere, EvidenceAnswer},
};

pub(super) fn tested(elsewhere: &Elsewhere) -> Table {
    let columns = [
        Column::text("claim"),
        Column::text("set"),
        Column::text("verdict"),
        Column::text("effect"),
        Column::text("what the effect is"),
        Column::number("p", ""),
        Column::number("p, Holm", ""),
        Column::number("n", ""),
        Column::text("joules"),
        Column::text("why"),
    ];
    let mut table = Table::new("elsewhere-tests", "The tests of the matrix, by claim.", columns);
    for claim in Elsewhere::claims() {
        for set in &elsewhere.sets {
            let Some(cell) = elsewhere.cell(set, &claim) else { continue };
            let Some(test) = cell.tested() else { continue };
            let joules =
                format!("{}, {}, {}", cell.origin.word(), cell.scope.words(), cell.phase.words());
            let why = std::iter::once(test.reason.as_str().to_owned() + ".")
                .chain(test.notes.iter().cloned());
            table.push([
                Cell::text(claim.as_str()),
                Cell::text(row_name(set)),
                Cell::text(test.verdict.word()),
                Cell::text(effect(test)),
                Cell::text(test.effect_name),
                Cell::or_missing(test.p.map(Cell::PValue)),
                Cell::or_missing(test.p_holm.map(Cell::PValue)),
                Cell::Integer(i64::try_from(test.n).unwrap_or(i64::MAX)),
                Cell::text(joules),
                Cell::text(why.collect::<Vec<_>>().join(" ")),
            ]);
        }
    }
    table
}

/// The rule of each claim that was tested.
pub(super) fn rules(elsewhere: &Elsewhere) -> Table {
    let columns = [Column::text("claim"), Column::text("rule")];
    let mut table =
        Table::new("elsewhere-rules", "The rules by which the verdicts follow.", columns);
    for claim in Elsewhere::claims() {
        let mut cells = elsewhere.cells.iter().filter(|cell| cell.claim == claim);
        if let (true, Some(rule)) =
            (cells.any(|cell| cell.tested().is_some()), Elsewhere::criterion(&claim))
        {
            table.push([Cell::text(claim.as_str()), Cell::text(rule)]);
        }
    }
    table
}

pub(super) fn empty(elsewhere: &Elsewhere) -> Table {
    let columns =
        [Column::text("claim"), Column::text("set"), Column::text("why there is no test")];
    let mut table =
        Table::new("elsewhere-empty", "Why the other cells of the matrix are empty.", columns);
    for claim in Elsewhere::claims() {
        // Sets of one data set often lack the same.
        let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
        for set in &elsewhere.sets {
            let Some(cell) = elsewhere.cell(set, &claim) else { continue };
            let EvidenceAnswer::Empty { reason } = &cell.answer else { continue };
            match reasons.iter_mut().find(|(known, _)| known == reason) {
                Some((_, sets)) => sets.push(row_name(set)),
                None => reasons.push((reason.clone(), vec![row_name(set)])),
            }
        }
        for (reason, sets) in reasons {
            table.push([
                Cell::text(claim.as_str()),
                Cell::text(sets.join("; ")),
                Cell::text(reason),
            ]);
        }
    }
    table
}

pub(super) fn data_sets(elsewhere: &Elsewhere) -> Table {
    let columns = [
        Column::text("set"),
        Column::text("what was measured"),
        Column::text("by"),
        Column::number("rows", ""),
        Column::text("left out"),
        Column::text("source"),
        Column::text("licence"),
    ];
    let mut table = Table::new(
        "elsewhere-data",
        "The measured sets. Condensed copies keep all rows and the columns that the tests use.",
        columns,
    );
    for set in &elsewhere.sources {
        let adapter = &set.adapter;
        let left_out = set.excluded.iter().map(|(reason, count)| format!("{count} {reason}"));
        let copy = if set.is_copy { "; condensed copy" } else { "" };
        table.push([
            Cell::text(named(&adapter.name, &set.device)),
            Cell::text(format!("{}: {}", adapter.title, adapter.about)),
            Cell::text(&adapter.measured_by),
            Cell::Integer(i64::try_from(set.rows).unwrap_or(i64::MAX)),
            Cell::text(left_out.collect::<Vec<_>>().join("; ")),
            Cell::text(format!(
                "{}; {}, revision {}{copy}",
                adapter.source.citation,
                adapter.source.address,
                adapter.source.revision.get(..12).unwrap_or(&adapter.source.revision),
            )),
            Cell::text(&adapter.licence.name),
        ]);
    }
    table
}
