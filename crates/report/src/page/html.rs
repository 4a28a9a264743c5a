//! The page as one text.

use base64::{Engine, prelude::BASE64_STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html as markup};
use record::Origin;
use sha2::{Digest, Sha256};

use super::{
    findings,
    markup::{badge, prose},
    section,
};
use crate::{
    document::{Document, HOW_TO_READ},
    plot,
    slug::slug,
};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("sort.js");

/// Writes a document as a self-contained HTML page.
///
/// Its content security policy forbids all requests and all scripts except the one that sorts tables.
/// The page is complete without scripts.
#[must_use]
pub fn html(document: &Document) -> String {
    markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (document.title) }
                style { (PreEscaped(style())) }
            }
            body {
                a class="skip" href="#content" { "Skip to the content" }
                (header(document))
                main id="content" {
                    (answers(document))
                    (findings::summary(document))
                    @for each in &document.sections { (section::section(document, each)) }
                }
                footer { p { "Every energy is marked with its origin: " (badge(Origin::Measured))
                    " measured by a hardware sensor, " (badge(Origin::Estimated))
                    " estimated by a model, " (badge(Origin::Mixed)) " a sum of both." } }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
    .into_string()
}

/// The answers in a sentence each, and how to read the rest.
fn answers(document: &Document) -> Markup {
    if document.findings.is_empty() {
        return markup! {};
    }
    markup! {
        section id="answers" aria-labelledby="answers-heading" {
            h2 id="answers-heading" { "Answers" }
            @if document.answers.is_empty() {
                p { "No verdict is decided yet, so there is no answer." }
            }
            dl class="answers" {
                @for answer in &document.answers {
                    div {
                        dt { a href={ "#" (slug(&answer.section)) } { (answer.heading) } }
                        dd { (prose(&answer.text)) @if let Some(origin) = answer.origin { " " (badge(origin)) } }
                    }
                }
            }
            h3 { "How to read this" }
            ul class="reading" { @for text in HOW_TO_READ { li { (text) } } }
        }
    }
}

fn header(document: &Document) -> Markup {
    markup! {
        header {
            h1 { (document.title) }
            @for text in &document.lead { p class="lead" { (prose(text)) } }
            @if let Some(banner) = &document.banner {
                div class="banner" role="note" {
                    strong { (banner.headline) }
                    p { (prose(&banner.text)) }
                }
            }
            @if !document.sections.is_empty() {
                nav aria-label="Contents" {
                    ol {
                        @if !document.findings.is_empty() {
                            li { a href="#answers" { "Answers" } }
                            li { a href="#verdicts" { "Verdicts" } }
                        }
                        @for section in &document.sections {
                            li { a href={ "#" (slug(&section.id)) } { (section.heading) } }
                        }
                    }
                }
            }
            @if !document.facts.is_empty() {
                dl class="facts" {
                    @for (name, value) in &document.facts {
                        div { dt { (name) } dd { (prose(value)) } }
                    }
                }
            }
        }
    }
}

/// The content security policy: inline styles and the one script, nothing else.
fn policy() -> String {
    let hash = BASE64_STANDARD.encode(Sha256::digest(SCRIPT));
    format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'; \
         img-src data:; base-uri 'none'; form-action 'none'"
    )
}

/// The style sheet with the colors of the series for light and dark.
fn style() -> String {
    let colors = |colors: &[&str]| -> String {
        colors.iter().enumerate().map(|(index, color)| format!("--s{index}:{color};")).collect()
    };
    let mut style = format!(
        ":root{{{}}}@media screen and (prefers-color-scheme:dark){{:root{{{}}}}}",
        colors(&plot::LIGHT),
        colors(&plot::DARK)
    );
    style.push_str(&plot::css(false));
    style.push_str(STYLE);
    style
}
