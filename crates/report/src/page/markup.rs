//! Markup that several parts of the page use.

use maud::{Markup, html};
use record::Origin;

use crate::document::origin_mark;

/// Text in which the words between backquotes are shown as code.
pub(super) fn prose(text: &str) -> Markup {
    // A narrow no-break space keeps the percent sign on the line of its number.
    let text = text.replace(" %", "\u{202f}%");
    let parts: Vec<&str> = text.split('`').collect();
    // With an odd number of backquotes, the last one is plain text.
    let paired = parts.len() % 2 == 1;
    html! {
        @for (index, part) in parts.iter().enumerate() {
            @let last = index + 1 == parts.len();
            @if index % 2 == 1 && (paired || !last) { code { (part) } }
            @else if index % 2 == 1 { "`" (part) }
            @else { (part) }
        }
    }
}

/// The mark of an origin: a word in a box, so that it does not depend on color.
pub(super) fn badge(origin: Origin) -> Markup {
    html! {
        abbr class={ "origin-" (origin.word()) } title={ (origin.word()) " energy" } { (origin_mark(origin)) }
    }
}
