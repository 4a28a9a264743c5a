//! The report as Markdown, and the folder with all of its files.

use std::fs;

use record::{ClaimId, Origin};
use wattlab_report::{
    Axis, Cell, Column, Document, EXPORTERS, Figure, Formats, Plot, Section, ShortAnswer,
    StripGroup, StripPlot, Table, markdown, write,
};

use crate::{fixture, markup};

fn small() -> Document {
    let mut table = Table::new(
        "cells",
        "Cells of `simple_cnn`.",
        [Column::text("network"), Column::energy("energy", "J"), Column::number("p", "")],
    );
    table.push([
        Cell::text("conv|4 *deep*"),
        Cell::energy(1674.2, Some([1650.0, 1690.0]), 3, Origin::Estimated),
        Cell::PValue(0.0004),
    ]);
    let mut claim = fixture::document().findings.swap_remove(0);
    claim.figures.truncate(1);
    if let Some(effect) = &mut claim.effect {
        effect.label = "saving".into();
    }
    let finding = &mut claim.finding;
    finding.statement = "A claim.".into();
    finding.reason = "A reason.".into();
    finding.criterion = "A rule.".into();
    finding.data = "Some data.".into();
    finding.evidence.test = "Welch's t test".into();
    finding.caveats = vec!["One machine.".into()];
    Document {
        answers: vec![ShortAnswer {
            heading: "Batching".into(),
            text: "Serve *16*.".into(),
            section: "rq2".into(),
            origin: Some(Origin::Estimated),
        }],
        title: "Joules <b>".into(),
        lead: vec!["1. Not a list, `code` and a lone ` too.".into(), "- Nor this.".into()],
        banner: None,
        findings: vec![claim],
        facts: vec![("machine".into(), "a_b _c_".into())],
        sections: vec![Section {
            id: "rq2".into(),
            heading: "RQ2".into(),
            question: "Which?".into(),
            claims: vec![ClaimId::new("rq1-bayesian-dominates")],
            paragraphs: vec!["In words.".into()],
            figures: vec![Figure {
                id: "Cells A".into(),
                title: "Cells".into(),
                caption: "Dots are trainings.".into(),
                alt: "Two groups.".into(),
                plot: Plot::Strip(StripPlot {
                    value: Axis::energy("energy", "J", Origin::Estimated),
                    groups: vec![StripGroup { name: "a".into(), values: vec![1.0, f64::NAN] }],
                    references: Vec::new(),
                }),
            }],
            tables: vec![table],
            caveats: vec!["Small.".into()],
        }],
    }
}

#[test]
fn markdown_escapes_text_and_has_every_part() {
    insta::assert_snapshot!(markdown(&small()), @r"
    # Joules \<b>

    1\. Not a list, \`code\` and a lone \` too.

    \- Nor this.

    ## Answers

    - **Batching.** Serve \*16\*. (est.)

    How to read this: A verdict is “supported” if the whole interval agrees with the published claim, “contradicted” if the whole interval disagrees, and “inconclusive” otherwise. Square brackets hold 95 % intervals: over many such studies, they contain the true value 19 times out of 20. Every energy is marked by its origin; an estimate is good for ratios between runs and less for absolute figures. The verdicts are about the sizes and the machine of these runs; the caveats say what differs from the studies.

    ## Verdicts

    | verdict | claim | published | ours | effect [95 % interval] | joules |
    | --- | --- | --- | --- | --- | --- |
    | **supported** | A claim. | saving 48.8 % | saving 51.3 % | 51.3 [44.0 to 58.0] % | estimated |

    ## The run

    |  |  |
    | --- | --- |
    | machine | a_b \_c\_ |

    ## RQ2

    *Which?*

    **Supported**: A claim. A reason.
    - Criterion: A rule.
    - Test: Welch's t test; statistic 4.30; p < 0.001; n = 3,072
    - Effect: saving: 51.3 [44.0 to 58.0] %
    - Data: Some data.
    - Joules: estimated
    - Caveat: One machine.

    In words.

    ![Two groups.](figures/cells-a.svg)

    **Cells.** Dots are trainings. One value is not drawn because it is not finite or not positive on a logarithmic axis.

    Cells of `simple_cnn`.

    | network | energy (J) | p |
    | --- | ---: | ---: |
    | conv\|4 \*deep\* | 1,674 [1,650 to 1,690] (est.) | < 0.001 |

    Caveats:

    - Small.
    ");
}

#[test]
fn a_folder_gets_the_page_and_a_file_for_each_figure_and_table() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report");
    for _again in 0..2 {
        let written = write(&small(), &report, &Formats::all()).unwrap();
        let names: Vec<String> = written
            .iter()
            .map(|path| path.strip_prefix(&report).unwrap().display().to_string())
            .collect();
        // Every exporter of this build has written its file, but for those of all records.
        let exporters = EXPORTERS.iter().filter(|exporter| exporter.is_built());
        let paths = exporters.map(|exporter| {
            let path = exporter.path.replace("figures/ID", "figures/cells-a");
            path.replace("tables/ID", "tables/cells")
        });
        let of_records = |path: &String| path.starts_with("records.") || path == "emissions.csv";
        let expected: Vec<String> = paths.filter(|path| !of_records(path)).collect();
        assert_eq!(names, expected);
        assert!(
            ["index.html", "figures/cells-a.svg", "tables/cells.csv"]
                .iter()
                .all(|path| names.iter().any(|name| name == path))
        );
    }
    markup::elements(&fs::read_to_string(report.join("figures/cells-a.svg")).unwrap()).unwrap();
    let values = fs::read_to_string(report.join("figures/cells-a.csv")).unwrap();
    insta::assert_snapshot!(values.replace("\r\n", "\n"), @r"
    group,energy_j,energy_origin
    a,1,estimated
    ");
    for folder in ["", "figures", "tables"] {
        for file in fs::read_dir(report.join(folder)).unwrap() {
            let name = file.unwrap().file_name();
            assert!(!name.to_string_lossy().ends_with(".part"), "{name:?} is left over");
        }
    }
}

#[test]
fn only_the_formats_asked_for_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let formats = Formats::only(&["md".into(), "csv".into()]).unwrap();
    let written = write(&small(), folder.path(), &formats).unwrap();
    let names: Vec<_> =
        written.iter().map(|path| path.strip_prefix(folder.path()).unwrap()).collect();
    let expected = ["report.md", "figures/cells-a.csv", "tables/cells.csv"];
    assert_eq!(names, expected.map(std::path::Path::new));
}

#[test]
fn an_error_names_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("taken");
    fs::write(&file, "not a folder").unwrap();
    let error = write(&small(), &file, &Formats::all()).unwrap_err().to_string();
    assert!(error.contains(&file.join("figures").display().to_string()), "{error}");
}
