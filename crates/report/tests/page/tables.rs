//! Tables: every exporter shows the origin of an energy and formats numbers for readers.

use record::{Energy, Joules, Origin};
use wattlab_report::{Cell, Column, Table, csv, html, markdown};

use crate::fixture;

#[test]
fn csv_has_full_precision_units_and_origins() {
    insta::assert_snapshot!(csv(&fixture::table()).replace("\r\n", "\n"), @r#"
    strategy,trials,best_accuracy_percent,best_accuracy_percent_low,best_accuracy_percent_high,energy_of_a_request_j_per_request,energy_of_a_request_j_per_request_low,energy_of_a_request_j_per_request_high,energy_of_a_request_origin,p
    "bayesian, ""gp""",-1234,84.7,83.9,85.6,1674.25,1650,1690,estimated,0.000000001
    "</script><script>alert(1)</script>""'&|*`x`",,-0.0462,,,0.3107,,,measured,0.0491
    simple_cnn,,,,,,,,,
    "#);
}

#[test]
fn csv_lines_end_with_cr_lf() {
    let text = csv(&fixture::table());
    assert_eq!(text.matches("\r\n").count(), 4);
    assert!(text.ends_with("\r\n"));
    let rows: Result<Vec<_>, _> =
        csv::ReaderBuilder::new().from_reader(text.as_bytes()).into_records().collect();
    assert_eq!(&rows.unwrap()[1][0], fixture::EVIL, "what is quoted is read back as it was");
}

#[test]
fn every_exporter_marks_an_energy() {
    let document = fixture::document();
    let page = html(&document);
    for (word, mark) in [("estimated", "est."), ("measured", "meas.")] {
        let badge =
            format!("<abbr class=\"origin-{word}\" title=\"{word} energy\">{mark}</abbr></td>");
        assert!(page.contains(&badge), "{badge}");
    }
    let text = markdown(&document);
    assert!(text.contains("1,674 [1,650 to 1,690] (est.) |"), "{text}");
    assert!(text.contains("0.311 (meas.) |"), "{text}");
}

#[test]
fn joules_without_an_origin_are_refused() {
    let refused = |column: Column, cell: Cell| {
        std::panic::catch_unwind(move || Table::new("t", "", [column]).push([cell])).is_err()
    };
    assert!(refused(Column::energy("energy", "J"), Cell::number(1.0, 3)));
    assert!(refused(Column::number("energy", "J"), Cell::number(1.0, 3)), "nor by another name");
    assert!(refused(Column::number("energy", "kJ/epoch"), Cell::Integer(1)));
    assert!(refused(Column::number("time", "s"), Cell::energy(1.0, None, 3, Origin::Measured)));
    assert!(refused(Column::text("name"), Cell::Integer(1)));
    assert!(!refused(Column::number("time", "s"), Cell::number(1.0, 3)));
    assert!(!refused(Column::energy("energy", "J"), Cell::Missing));
}

#[test]
fn a_recorded_energy_becomes_a_cell_with_its_uncertainty() {
    let energy = Energy { joules: Joules(100.0), uncertainty: Joules(5.0), origin: Origin::Mixed };
    let expected = Cell::energy(100.0, Some([95.0, 105.0]), 3, Origin::Mixed);
    assert_eq!(Cell::joules(energy, 3), expected);
}
