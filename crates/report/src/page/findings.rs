//! Verdicts: all of them on top, and each at length in its section.

use maud::{Markup, html};
use record::{Finding, Verdict};

use super::{badge, prose};
use crate::document::{self, Document, slug};

/// The table of all claims with a tally of their verdicts.
pub(super) fn summary(document: &Document) -> Markup {
    if document.findings.is_empty() {
        return html! {};
    }
    let count = |verdict| document.findings.iter().filter(|it| it.verdict == verdict).count();
    let verdicts = [Verdict::Supported, Verdict::Contradicted, Verdict::Inconclusive];
    html! {
        section id="verdicts" aria-labelledby="verdicts-heading" {
            h2 id="verdicts-heading" { "Verdicts" }
            ul class="tally" {
                @for verdict in verdicts {
                    li class=(verdict.word()) { (icon(verdict)) strong { (count(verdict)) } " " (verdict.word()) }
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
                        @for it in &document.findings { (row(document, it)) }
                    }
                }
            }
        }
    }
}

fn row(document: &Document, finding: &Finding) -> Markup {
    let section = document.sections.iter().find(|it| it.claims.contains(&finding.id));
    html! {
        tr {
            td data-label="Verdict" { (verdict(finding.verdict)) }
            th scope="row" {
                @if let Some(section) = section {
                    a href={ "#" (slug(&section.id)) } { (finding.statement) }
                } @else {
                    (finding.statement)
                }
            }
            td data-label="Published → ours" { (figures(finding)) }
            td data-label="Effect [95 % interval]" {
                @if let Some((name, size)) = document::effect(&finding.evidence) {
                    span class="size" { (size) } " " span class="small" { (name) }
                } @else { "–" }
            }
            td data-label="Joules" {
                @if let Some(origin) = finding.energy_origin { (badge(origin)) } @else { "–" }
            }
        }
    }
}

/// Figures as published beside ours of the same name; those that only one side has follow.
fn figures(finding: &Finding) -> Markup {
    let mut keys: Vec<&String> = finding.published.keys().collect();
    keys.extend(finding.measured.keys().filter(|it| !finding.published.contains_key(*it)));
    // What neither the study has nor we could compute says nothing.
    keys.retain(|it| {
        finding.published.contains_key(*it)
            || finding.measured.get(*it).copied().flatten().is_some()
    });
    if keys.is_empty() {
        return html! { "–" };
    }
    html! {
        dl class="figures" {
            @for key in keys {
                @let published = finding.published.get(key);
                @let (name, ours) = document::measured(key, finding.measured.get(key).copied().flatten());
                div {
                    dt { (name) }
                    dd class="published" {
                        @if let Some(published) = published { (document::published(key, *published).1) " →" }
                    }
                    dd { (ours) }
                }
            }
        }
    }
}

/// Findings at length: the reason in words, and the test behind it for those who open it.
pub(super) fn details(finding: &Finding) -> Markup {
    html! {
        div class={ "finding " (finding.verdict.word()) } {
            (verdict(finding.verdict))
            p class="statement" { (finding.statement) }
            @if !finding.reason.is_empty() { p { (prose(&finding.reason)) } }
            dl class="evidence" {
                div { dt { "Test" } dd { (document::test_in_words(&finding.evidence)) } }
                @if let Some((name, size)) = document::effect(&finding.evidence) {
                    div { dt { "Effect" } dd { (name) ": " strong { (size) } } }
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

fn verdict(verdict: Verdict) -> Markup {
    html! { span class={ "verdict " (verdict.word()) } { (icon(verdict)) (verdict.word()) } }
}

/// A check, a cross or a question mark; the word beside it says the same.
fn icon(verdict: Verdict) -> Markup {
    let shape = match verdict {
        Verdict::Supported => "M3 8.5l3.2 3.2L13 4.8",
        Verdict::Contradicted => "M4 4l8 8M12 4l-8 8",
        Verdict::Inconclusive => "M5 6c0-1.8 1.3-2.8 3-2.8s3 1 3 2.6c0 2.2-3 2.2-3 4.2M8 12.4v.4",
    };
    html! { svg class="icon" viewBox="0 0 16 16" aria-hidden="true" { path d=(shape) {} } }
}
