//! Verdicts: a table of all of them first, and each in detail in its section.

use maud::{Markup, html};
use record::{Finding, Verdict};

use super::markup::{badge, prose};
use crate::{
    document::{AssessedClaim, Document, KeyFigure, sentence, test_in_words},
    slug::slug,
};

/// The table of all claims, and how many have which verdict.
pub(super) fn summary(document: &Document) -> Markup {
    if document.findings.is_empty() {
        return html! {};
    }
    let count = |word| {
        let with = |claim: &&AssessedClaim| claim.finding.verdict_in_words() == word;
        document.findings.iter().filter(with).count()
    };
    let decided = [Verdict::Supported, Verdict::Contradicted, Verdict::Inconclusive];
    let verdicts = decided.map(|verdict| (verdict.word(), verdict.word(), icon(Some(verdict))));
    let not_run = ("not run", "not-run", icon(None));
    let tally = verdicts.into_iter().chain((count("not run") > 0).then_some(not_run));
    html! {
        section id="verdicts" aria-labelledby="verdicts-heading" {
            h2 id="verdicts-heading" { "Verdicts" }
            ul class="tally" {
                @for (word, class, icon) in tally {
                    li class=(class) { (icon) strong { (count(word)) } " " (word) }
                }
            }
            div class="scroll" tabindex="0" role="region" aria-labelledby="verdicts-heading" {
                table class="verdicts" {
                    thead { tr {
                        th scope="col" { "Verdict" }
                        th scope="col" { "Claim" }
                        th scope="col" { "Published → ours" }
                        th scope="col" { "Effect [95 % interval]" }
                        th scope="col" { "Joules" }
                    } }
                    tbody {
                        @for claim in &document.findings { (row(document, claim)) }
                    }
                }
            }
        }
    }
}

fn row(document: &Document, claim: &AssessedClaim) -> Markup {
    let finding = &claim.finding;
    let section = document.sections.iter().find(|section| section.claims.contains(&finding.id));
    html! {
        tr {
            td data-label="Verdict" { (verdict(finding)) }
            th scope="row" {
                @if let Some(section) = section {
                    a href={ "#" (slug(&section.id)) } { (finding.statement) }
                } @else {
                    (finding.statement)
                }
            }
            td data-label="Published → ours" { (figures(&claim.figures)) }
            td data-label="Effect [95 % interval]" {
                @if let Some(effect) = &claim.effect {
                    span class="size" { (effect.text()) } " " span class="small" { (effect.label) }
                } @else { "–" }
            }
            td data-label="Joules" {
                @if let Some(origin) = finding.energy_origin { (badge(origin)) } @else { "–" }
            }
        }
    }
}

/// The published figures beside ours; a figure that only one side has is shown alone.
fn figures(figures: &[KeyFigure]) -> Markup {
    if figures.is_empty() {
        return html! { "–" };
    }
    html! {
        dl class="figures" {
            @for figure in figures {
                div {
                    dt { (figure.label) }
                    dd class="published" {
                        @if let Some(published) = figure.published_text() { (published) " →" }
                    }
                    dd { (figure.measured_text()) }
                }
            }
        }
    }
}

/// A finding in detail: the reason in words, the test, the criterion and the caveats.
pub(super) fn details(claim: &AssessedClaim) -> Markup {
    let finding = &claim.finding;
    html! {
        div class={ "finding " (class(finding)) } {
            (verdict(finding))
            p class="statement" { (finding.statement) }
            @if !finding.reason.is_empty() { p { (prose(&sentence(&finding.reason))) } }
            dl class="evidence" {
                div { dt { "Test" } dd { (test_in_words(&finding.evidence)) } }
                @if let Some(effect) = &claim.effect {
                    div { dt { "Effect" } dd { (effect.label) ": " strong { (effect.text()) } } }
                }
                @if !finding.criterion.is_empty() {
                    div { dt { "Criterion" } dd { (prose(&finding.criterion)) } }
                }
                @if !finding.data.is_empty() { div { dt { "Data" } dd { (prose(&finding.data)) } } }
                @if let Some(origin) = finding.energy_origin {
                    div { dt { "Joules" } dd { (badge(origin)) " " (origin.word()) } }
                }
                @for caveat in &finding.caveats { div { dt { "Caveat" } dd { (prose(caveat)) } } }
            }
        }
    }
}

fn verdict(finding: &Finding) -> Markup {
    let decided = (!finding.was_not_run()).then_some(finding.verdict);
    html! {
        span class={ "verdict " (class(finding)) } { (icon(decided)) (finding.verdict_in_words()) }
    }
}

/// The class in the style sheet.
fn class(finding: &Finding) -> &'static str {
    if finding.was_not_run() { "not-run" } else { finding.verdict.word() }
}

/// A check, a cross or a question mark, and a dash for a claim that was not run; the word beside it says the
/// same.
fn icon(verdict: Option<Verdict>) -> Markup {
    let shape = match verdict {
        Some(Verdict::Supported) => "M3 8.5l3.2 3.2L13 4.8",
        Some(Verdict::Contradicted) => "M4 4l8 8M12 4l-8 8",
        Some(Verdict::Inconclusive) => {
            "M5 6c0-1.8 1.3-2.8 3-2.8s3 1 3 2.6c0 2.2-3 2.2-3 4.2M8 12.4v.4"
        }
        None => "M4 8h8",
    };
    html! { svg class="icon" viewBox="0 0 16 16" aria-hidden="true" { path d=(shape) {} } }
}
