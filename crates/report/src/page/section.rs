//! A question with its findings, figures, tables and caveats.

use maud::{Markup, html};

use super::{findings, markup::prose, table::table};
use crate::{
    document::{Document, Section},
    plot::{self, Figure, Width},
    slug::slug,
};

pub(super) fn section(document: &Document, section: &Section) -> Markup {
    let id = slug(&section.id);
    html! {
        section id=(id) aria-labelledby={ (id) "-heading" } {
            h2 id={ (id) "-heading" } { (section.heading) }
            @if !section.question.is_empty() { p class="question" { (prose(&section.question)) } }
            @for claim in document.findings_on(&section.claims) { (findings::details(claim)) }
            @for text in &section.paragraphs { p { (prose(text)) } }
            @for each in &section.figures { (figure(each)) }
            @for each in &section.tables { (table(each)) }
            @if !section.caveats.is_empty() {
                aside class="caveats" aria-label="Caveats" {
                    h3 { "Before you quote this" }
                    ul { @for caveat in &section.caveats { li { (prose(caveat)) } } }
                }
            }
        }
    }
}

/// A figure in both widths; the style sheet shows one of them.
fn figure(figure: &Figure) -> Markup {
    html! {
        figure id={ "figure-" (slug(&figure.id)) } {
            h3 { (figure.title) }
            (plot::inline(figure, Width::Wide))
            (plot::inline(figure, Width::Narrow))
            figcaption { (prose(&figure.full_caption())) }
        }
    }
}
