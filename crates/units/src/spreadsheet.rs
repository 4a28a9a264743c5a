//! Texts in CSV files that people open with a spreadsheet.

use std::borrow::Cow;

/// A text that no spreadsheet executes: one that begins like a formula, and is no number, gets an apostrophe before
/// it, as OWASP advises ("CSV injection").
///
/// ```
/// # use wattlab_units::spreadsheet_text;
/// assert_eq!(spreadsheet_text("=1+2"), "'=1+2");
/// assert_eq!(spreadsheet_text("-1.5"), "-1.5");
/// ```
#[must_use]
pub fn spreadsheet_text(text: &str) -> Cow<'_, str> {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if is_formula && text.parse::<f64>().is_err() {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}
