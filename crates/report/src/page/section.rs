//! A question with its findings, figures, tables and caveats.

use maud::{Markup, html};

use super::{findings, prose, table::table};
use crate::{
    document::{Document, Figure, Section, slug},
    plot::{self, Width},
};

pub(super) fn section(document: &Document, section: &Section) -> Markup {
    let id = slug(&section.id);
    html! {
        section id=(id) aria-labelledby={ (id) "-heading" } {
            h2 id={ (id) "-heading" } { (section.heading) }
            @if !section.question.is_empty() { p class="question" { (prose(&section.question)) } }
            @for it in document.findings_on(&section.claims) { (findings::details(it)) }
            @for text in &section.paragraphs { p { (prose(text)) } }
            @for it in &section.figures { (figure(it)) }
            @for it in &section.tables { (table(it)) }
            @if !section.caveats.is_empty() {
                aside class="caveats" aria-label="Caveats" {
                    h3 { "Before quoting this" }
                    ul { @for it in &section.caveats { li { (prose(it)) } } }
                }
            }
        }
    }
}

/// A figure in both widths, of which the style sheet shows one.
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
