//! An analysis of variance, and a page that shows it.

use std::process::ExitCode;

use wattlab_report::{
    Axis, Cell, Column, Document, Figure, Origin, Plot, Section, StripGroup, StripPlot, Table, html,
    markdown,
    stats::{Anova, Factor, StatsError, SumsOfSquares, anova, screen},
};

/// Joules of eight trainings: 1 or 4 convolution blocks, with and without ReLU, twice each.
const JOULES: [f64; 8] = [855.0, 851.0, 835.0, 833.0, 1650.0, 1655.0, 1601.0, 1598.0];

fn factors() -> [Factor; 2] {
    let levels = |names: [&str; 8]| names.map(str::to_owned);
    [
        Factor::new("conv", levels(["1", "1", "1", "1", "4", "4", "4", "4"])),
        Factor::new("relu", levels(["yes", "yes", "no", "no", "yes", "yes", "no", "no"])),
    ]
}

fn document(anova: &Anova) -> Document {
    let mut table = Table::new(
        "anova",
        "Analysis of variance of the energy of a training.",
        [Column::text("term"), Column::number("F", ""), Column::number("p", "")],
    );
    for term in &anova.terms {
        table.push([Cell::text(&term.term), Cell::number(term.f, 4), Cell::PValue(term.p)]);
    }
    let group = |name: &str, values: &[f64]| StripGroup { name: name.into(), values: values.into() };
    let figure = Figure {
        id: "joules".into(),
        title: "Energy of a training".into(),
        caption: "A dot is a training.".into(),
        alt: "Two groups of dots, far apart.".into(),
        plot: Plot::Strip(StripPlot {
            value: Axis::energy("energy", "J", Origin::Measured),
            groups: vec![group("1 block", &JOULES[..4]), group("4 blocks", &JOULES[4..])],
            references: Vec::new(),
        }),
    };
    Document {
        title: "Convolution blocks and energy".into(),
        lead: vec!["Eight trainings of a small network.".into()],
        banner: None,
        answers: Vec::new(),
        findings: Vec::new(),
        facts: vec![("trainings".into(), JOULES.len().to_string())],
        sections: vec![Section {
            id: "energy".into(),
            heading: "Energy".into(),
            question: "How much energy do convolution blocks use?".into(),
            figures: vec![figure],
            tables: vec![table],
            ..Section::default()
        }],
    }
}

fn run() -> Result<bool, StatsError> {
    let factors = factors();
    let anova = anova(&JOULES, &factors, SumsOfSquares::TypeIII)?;
    let conv = &anova.terms[0];
    println!("{} explains {:.1} % of the variance (p = {:.1e})", conv.term, 100.0 * conv.eta_sq, conv.p);
    for caution in screen(&JOULES, &factors, &[], None)? {
        println!("caution ({}): {caution}", caution.kind());
    }
    let document = document(&anova);
    let (page, text) = (html(&document), markdown(&document));
    println!("wrote {} bytes of HTML and {} bytes of Markdown", page.len(), text.len());
    Ok(conv.eta_sq > 0.99
        && conv.p < 1e-6
        && page.contains("energy (J, <tspan class=\"origin\">measured</tspan>)")
        && text.contains("| conv |"))
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("the analysis or the page is not as expected");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
