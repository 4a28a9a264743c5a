//! The report as one HTML file that makes no network requests.

mod findings;
mod html;
mod markup;
mod section;
mod table;

pub use self::html::html;
