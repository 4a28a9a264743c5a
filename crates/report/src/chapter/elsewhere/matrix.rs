//! The matrix as a figure: a mark for each measured set and claim.

use record::{ClaimId, Verdict};

use crate::{
    document::Unit,
    evidence::{Elsewhere, EvidenceSet, EvidenceTest},
    number::fixed,
    plot::{Figure, MatrixMark, MatrixPlot, Plot},
};

/// Short titles of the claims, in two or three lines.
const TITLES: &[(&str, &str)] = &[
    ("rq1-bayesian-dominates", "RQ1\nBayesian\nbest"),
    ("rq2-conv-dominates", "RQ2\nconv\nfirst"),
    ("rq3-halved-by-smaller-network", "RQ3\nenergy\nhalved"),
    ("rq3-diminishing-returns", "RQ3\nreturns\ndiminish"),
    ("rq4-batching-matters", "RQ4\nbatching\nmatters"),
    ("rq4-model-dependent", "RQ4\nby\nnetwork"),
    ("rq5-energy-rises", "RQ5\nenergy\nrises"),
    ("rq5-accuracy-slows", "RQ5\naccuracy\nslows"),
    ("rq5-shufflenet-exception", "RQ5\nShuffle\nNet"),
];

fn title(claim: &ClaimId) -> &'static str {
    let known = TITLES.iter().find(|(id, _)| *id == claim.as_str());
    known.map_or("?", |(_, title)| title)
}

/// Color and marker of a verdict.
fn look(verdict: Verdict) -> usize {
    match verdict {
        Verdict::Supported => 2,
        Verdict::Contradicted => 1,
        Verdict::Inconclusive => 5,
    }
}

pub(super) fn row_name(set: &EvidenceSet) -> String {
    named(&set.adapter.name, &set.device)
}

/// A data set and a device without the words that all devices of its maker have.
pub(super) fn named(data: &str, device: &str) -> String {
    let makers = ["NVIDIA GeForce ", "13th Gen Intel(R) Core(TM) ", "Intel(R) Xeon(R) "];
    let device = makers.iter().find_map(|maker| device.strip_prefix(maker)).unwrap_or(device);
    format!("{data}, {device}")
}

pub(super) fn matrix(elsewhere: &Elsewhere) -> Figure {
    let claims: Vec<ClaimId> = Elsewhere::claims().collect();
    let mark = |set: &EvidenceSet, claim: &ClaimId| {
        let test = elsewhere.cell(set, claim)?.tested()?;
        Some(MatrixMark {
            look: look(test.verdict),
            text: short(test),
            words: format!("{}, {} {}", test.verdict.word(), test.effect_name, effect(test)),
        })
    };
    let row = |set: &EvidenceSet| claims.iter().map(|claim| mark(set, claim)).collect();
    let verdicts = [Verdict::Supported, Verdict::Contradicted, Verdict::Inconclusive];
    Figure {
        id: "elsewhere-matrix".to_owned(),
        title: "Nine claims on other people's measured joules".to_owned(),
        caption: "A row is a measured set: a data set and a device. The number below a mark is the effect \
                  that the table explains; a dash means that the set lacks what the claim needs; the \
                  table of empty cells says what."
            .to_owned(),
        alt: "Verdicts of the claims on measured sets.".to_owned(),
        plot: Plot::Matrix(MatrixPlot {
            columns: claims.iter().map(|claim| title(claim).to_owned()).collect(),
            rows: elsewhere.sets.iter().map(row_name).collect(),
            marks: elsewhere.sets.iter().map(row).collect(),
            kinds: verdicts.map(|verdict| (verdict.word().to_owned(), look(verdict))).to_vec(),
        }),
    }
}

/// The effect alone, for a mark.
fn short(test: &EvidenceTest) -> String {
    match test.unit {
        Unit::Share | Unit::SharePerYear => format!("{} %", fixed(test.effect * 100.0, 1)),
        Unit::Points | Unit::PointsPerYear => format!("{} pt", fixed(test.effect, 2)),
        _ => fixed(test.effect, 3),
    }
}

pub(super) fn effect(test: &EvidenceTest) -> String {
    test.unit.show_interval(test.effect, test.ci95)
}
