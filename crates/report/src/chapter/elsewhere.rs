//! The studies' claims on other people's measurements: the matrix, its cells, and what follows from them.

use record::{ClaimId, Origin, Verdict};

use crate::{
    document::{Cell, Column, Document, Section, Table},
    evidence::{Elsewhere, EvidenceAnswer, EvidenceSet, EvidenceTest},
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

fn row_name(set: &EvidenceSet) -> String {
    let device = set.device.strip_prefix("NVIDIA GeForce ").unwrap_or(&set.device);
    let device = device.strip_prefix("13th Gen Intel(R) Core(TM) ").unwrap_or(device);
    format!("{}, {device}", set.adapter.name)
}

/// The chapter: the matrix first.
#[must_use]
pub fn elsewhere_section(elsewhere: &Elsewhere) -> Section {
    let tables = [
        Some(tested(elsewhere)),
        syntheses(elsewhere),
        estimators(elsewhere),
        searches(elsewhere),
        Some(empty(elsewhere)),
        Some(data_sets(elsewhere)),
    ];
    Section {
        id: "elsewhere".to_owned(),
        heading: "Elsewhere".to_owned(),
        question: "Do the claims hold on what other people measured?".to_owned(),
        claims: Vec::new(),
        paragraphs: paragraphs(elsewhere),
        figures: vec![matrix(elsewhere)],
        tables: tables.into_iter().flatten().collect(),
        caveats: caveats(elsewhere),
    }
}

/// A document of this chapter alone.
#[must_use]
pub fn elsewhere_document(elsewhere: &Elsewhere) -> Document {
    Document {
        title: "The studies' claims on other people's measurements".to_owned(),
        lead: vec![
            "Others have published what their meters and GPUs measured. This report tests the studies' \
             claims on these joules."
                .to_owned(),
        ],
        banner: None,
        findings: Vec::new(),
        facts: vec![
            ("measured sets".to_owned(), elsewhere.sets.len().to_string()),
            ("tests".to_owned(), elsewhere.filled().to_string()),
        ],
        sections: vec![elsewhere_section(elsewhere)],
    }
}

fn matrix(elsewhere: &Elsewhere) -> Figure {
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
                  that the table explains; a dash means that the set lacks what the claim needs, and the \
                  last but one table says what."
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
    use crate::document::Unit;
    match test.unit {
        Unit::Share | Unit::SharePerYear => format!("{} %", fixed(test.effect * 100.0, 1)),
        Unit::Points | Unit::PointsPerYear => format!("{} pt", fixed(test.effect, 2)),
        _ => fixed(test.effect, 3),
    }
}

fn effect(test: &EvidenceTest) -> String {
    test.unit.show_interval(test.effect, test.ci95)
}

fn paragraphs(elsewhere: &Elsewhere) -> Vec<String> {
    let count = |verdict: Verdict| {
        let tests = elsewhere.cells.iter().filter_map(|cell| cell.tested());
        tests.filter(|test| test.verdict == verdict).count()
    };
    let data_sets: Vec<&str> =
        crate::claim::distinct(elsewhere.sets.iter().map(|set| set.adapter.name.as_str()));
    let mut paragraphs = vec![
        format!(
            "{} claims were tested on {} sets of {} data sets that others measured: {} tests in all, of \
             which {} support a claim, {} contradict one and {} are inconclusive. The rules are those for \
             our own runs where the data permit; the table gives each rule.",
            Elsewhere::claims().count(),
            elsewhere.sets.len(),
            data_sets.len(),
            elsewhere.filled(),
            count(Verdict::Supported),
            count(Verdict::Contradicted),
            count(Verdict::Inconclusive),
        ),
        "Every look at the data is a test, so the p-values are adjusted by Holm's method over all tests of \
         the matrix: a verdict whose p-value is then 0.05 or more is called inconclusive. Joules of a GPU, \
         of a GPU and the processor, of a whole computer and of a board are never pooled, nor are those of \
         training and of inference."
            .to_owned(),
    ];
    for synthesis in &elsewhere.syntheses {
        let (mean, ci95, prediction) = synthesis.effect();
        let show = |interval| synthesis.unit.show_interval(mean, Some(interval));
        paragraphs.push(format!(
            "`{}`, {} in {} ({} sets): {} {}; a new set would be between {} and {} with 95 % probability. \
             {} % of the variation is between the sets.",
            synthesis.claim,
            synthesis.scope.words(),
            synthesis.phase.words(),
            synthesis.sets.len(),
            synthesis.effect_name,
            show(ci95),
            synthesis.unit.show(prediction[0], 3),
            synthesis.unit.show(prediction[1], 3),
            fixed(synthesis.mean.i_squared * 100.0, 0),
        ));
    }
    for absent in &elsewhere.absent {
        paragraphs.push(format!(
            "The rows of `{}` are not part of this program (licence: {}). `wattlab reproduce --published \
             --reference DIR` tests the claims on them if `DIR/{}` holds them.",
            absent.name, absent.licence.name, absent.name
        ));
    }
    paragraphs
}

fn tested(elsewhere: &Elsewhere) -> Table {
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
    let rules: Vec<String> = Elsewhere::claims()
        .filter(|claim| {
            elsewhere.cells.iter().any(|cell| cell.claim == *claim && cell.tested().is_some())
        })
        .filter_map(|claim| Some(format!("`{claim}`: {}", Elsewhere::criterion(&claim)?)))
        .collect();
    let mut table = Table::new(
        "elsewhere-tests",
        format!(
            "The tests of the matrix, by claim. The rules of the verdicts. {}",
            rules.join(" ")
        ),
        columns,
    );
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

fn syntheses(elsewhere: &Elsewhere) -> Option<Table> {
    if elsewhere.syntheses.is_empty() {
        return None;
    }
    let columns = [
        Column::text("claim"),
        Column::text("sets"),
        Column::text("mean effect"),
        Column::text("95 % of new sets"),
        Column::number("p", ""),
        Column::number("between sets, I²", "%"),
        Column::number("τ²", ""),
        Column::number("p of equal sets", ""),
    ];
    let mut table = Table::new(
        "elsewhere-synthesis",
        "Random-effects meta-analysis of three or more comparable sets (REML; intervals by Hartung and \
         Knapp). Changes of joules are pooled as logarithms. Sets of one data set share its workloads, so \
         they say more about devices than about networks.",
        columns,
    );
    for synthesis in &elsewhere.syntheses {
        let (mean, ci95, prediction) = synthesis.effect();
        let unit = synthesis.unit;
        table.push([
            Cell::text(synthesis.claim.as_str()),
            Cell::text(synthesis.sets.join("; ")),
            Cell::text(unit.show_interval(mean, Some(ci95))),
            Cell::text(format!(
                "{} to {}",
                unit.show(prediction[0], 3),
                unit.show(prediction[1], 3)
            )),
            Cell::PValue(synthesis.mean.p),
            Cell::number(synthesis.mean.i_squared * 100.0, 2),
            Cell::number(synthesis.mean.tau_squared, 3),
            Cell::PValue(synthesis.mean.q_p),
        ]);
    }
    Some(table)
}

fn estimators(elsewhere: &Elsewhere) -> Option<Table> {
    if elsewhere.estimators.is_empty() {
        return None;
    }
    let columns = [
        Column::text("estimator"),
        Column::text("set"),
        Column::text("joules of the estimator"),
        Column::number("estimator over meter", ""),
        Column::text("95 % of runs"),
        Column::number("ratio of sums", ""),
        Column::number("spread of runs (log sd)", ""),
        Column::number("of that, the meter's resolution", ""),
        Column::number("runs", ""),
    ];
    let mut table = Table::new(
        "elsewhere-estimators",
        "What an estimator is worth: its joules over those of a meter in the same runs. The ratio is the \
         geometric mean over networks, its interval from the differences between networks.",
        columns,
    );
    for ratio in &elsewhere.estimators {
        table.push([
            Cell::text(&ratio.estimator),
            Cell::text(format!("{}, {}", ratio.data, ratio.device)),
            Cell::text(ratio.origin.word()),
            Cell::interval(ratio.ratio, Some(ratio.ci95), 3),
            Cell::text(format!("{} to {}", fixed(ratio.range95[0], 2), fixed(ratio.range95[1], 2))),
            Cell::number(ratio.ratio_of_sums, 3),
            Cell::number(ratio.log_sd, 2),
            Cell::number(ratio.reading_log_sd, 2),
            Cell::Integer(i64::try_from(ratio.runs).unwrap_or(i64::MAX)),
        ]);
    }
    Some(table)
}

/// Joules to the target and the best network, by strategy of the replayed searches.
fn searches(elsewhere: &Elsewhere) -> Option<Table> {
    let replay = elsewhere.replay.as_ref().filter(|replay| !replay.searches.is_empty())?;
    let columns = [
        Column::text("strategy"),
        Column::energy("median to the target", "kJ"),
        Column::number("reached it", "%"),
        Column::number("mean accuracy of the best network", "%"),
        Column::number("mean accuracy of a trial", "%"),
        Column::number("searches", ""),
    ];
    let mut table = Table::new(
        "elsewhere-searches",
        format!(
            "Searches replayed on the measured trainings of `{}`: GPU joules spent until a network reached \
             {} of validation accuracy ({}). A search that did not reach it counts with more than all its \
             joules; the median is missing if half of them did not.",
            replay.data,
            fixed(replay.target * 100.0, 1) + " %",
            replay.target_words,
        ),
        columns,
    );
    let strategies: Vec<&str> =
        crate::claim::distinct(replay.searches.iter().map(|search| search.strategy.as_str()));
    for strategy in strategies {
        let of: Vec<_> =
            replay.searches.iter().filter(|search| search.strategy == strategy).collect();
        let mut joules: Vec<f64> = of
            .iter()
            .map(|search| match search.joules_to(replay.target) {
                (joules, true) => joules,
                (_, false) => f64::INFINITY,
            })
            .collect();
        joules.sort_by(f64::total_cmp);
        let reached = joules.iter().filter(|joules| joules.is_finite()).count();
        let median = joules.get(joules.len() / 2).copied().filter(|joules| joules.is_finite());
        let mean = |values: Vec<f64>| crate::claim::mean(values).map(|mean| mean * 100.0);
        let best = mean(of.iter().filter_map(|search| search.best()).collect());
        let average = mean(of.iter().filter_map(|search| search.mean_accuracy()).collect());
        let number = |value: Option<f64>| Cell::or_missing(value.map(|it| Cell::number(it, 3)));
        table.push([
            Cell::text(strategy),
            Cell::or_missing(
                median.map(|joules| Cell::energy(joules / 1e3, None, 3, Origin::Measured)),
            ),
            Cell::number(reached as f64 / of.len() as f64 * 100.0, 3),
            number(best),
            number(average),
            Cell::Integer(i64::try_from(of.len()).unwrap_or(i64::MAX)),
        ]);
    }
    Some(table)
}

fn empty(elsewhere: &Elsewhere) -> Table {
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

fn data_sets(elsewhere: &Elsewhere) -> Table {
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
    for set in &elsewhere.sets {
        let adapter = &set.adapter;
        let left_out = set.excluded.iter().map(|(reason, count)| format!("{count} {reason}"));
        let copy = if set.is_copy { "; condensed copy" } else { "" };
        table.push([
            Cell::text(row_name(set)),
            Cell::text(format!("{}: {}", adapter.title, adapter.about)),
            Cell::text(&adapter.measured_by),
            Cell::Integer(i64::try_from(set.rows.len()).unwrap_or(i64::MAX)),
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

fn caveats(elsewhere: &Elsewhere) -> Vec<String> {
    let mut caveats = Vec::new();
    for name in crate::claim::distinct(elsewhere.sets.iter().map(|set| set.adapter.name.as_str())) {
        let set = elsewhere.sets.iter().find(|set| set.adapter.name == name);
        let Some(set) = set else { continue };
        caveats.extend(set.adapter.beware.iter().map(|text| format!("{name}: {text}")));
    }
    caveats
}
