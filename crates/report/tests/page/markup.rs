//! A small, strict parser that checks whether markup is well formed.

use std::collections::BTreeSet;

/// Elements of HTML that have no end tag.
const VOID: [&str; 3] = ["meta", "br", "hr"];

/// An element: its name, and its attributes with their values as written.
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
}

impl Element {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|attribute| attribute.0 == name)
            .map(|attribute| attribute.1.as_str())
    }
}

/// The elements of a page or a drawing, or the reason why it is not well formed.
pub(crate) fn elements(markup: &str) -> Result<Vec<Element>, String> {
    let mut open: Vec<String> = Vec::new();
    let mut found = Vec::new();
    let mut rest = markup;
    while let Some(start) = rest.find('<') {
        if rest[..start].contains('>') {
            return Err(format!("a bare `>` before `{}`", head(&rest[start..])));
        }
        rest = &rest[start + 1..];
        let end = tag_end(rest).ok_or_else(|| format!("unclosed tag `{}`", head(rest)))?;
        let (tag, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        if tag.eq_ignore_ascii_case("!doctype html") {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            match open.pop() {
                Some(last) if last == name => {}
                last => return Err(format!("`{name}` closes {last:?}")),
            }
            continue;
        }
        let element = element(tag)?;
        if element.name == "script" || element.name == "style" {
            let close = format!("</{}>", element.name);
            let end = rest.find(&close).ok_or("raw text without an end")?;
            rest = &rest[end + close.len()..];
        } else if !VOID.contains(&element.name.as_str()) {
            open.push(element.name.clone());
        }
        found.push(element);
    }
    if open.is_empty() { Ok(found) } else { Err(format!("never closed: {open:?}")) }
}

/// The position of the `>` that ends a tag; one inside an attribute does not.
fn tag_end(text: &str) -> Option<usize> {
    let mut quoted = false;
    text.char_indices().find_map(|(place, letter)| {
        quoted ^= letter == '"';
        (letter == '>' && !quoted).then_some(place)
    })
}

fn element(tag: &str) -> Result<Element, String> {
    let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
    let mut attributes: Vec<(String, String)> = Vec::new();
    let mut seen = BTreeSet::new();
    while !rest.is_empty() {
        let (key, value) = rest.split_once("=\"").ok_or_else(|| format!("no value: `{rest}`"))?;
        let (value, after) = value.split_once('"').ok_or_else(|| format!("no end: `{rest}`"))?;
        let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == ':';
        if !key.chars().all(plain) || !seen.insert(key) || value.contains('<') {
            return Err(format!("bad attribute `{key}` in `{tag}`"));
        }
        attributes.push((key.to_owned(), value.to_owned()));
        rest = after.trim_start();
    }
    Ok(Element { name: name.to_owned(), attributes })
}

fn head(text: &str) -> String {
    text.chars().take(40).collect()
}

#[test]
fn markup_that_is_not_well_formed_is_found() {
    assert_eq!(elements("<p class=\"a\"><b>x</b></p><meta charset=\"u\">").unwrap().len(), 3);
    for wrong in ["<p><b>x</p></b>", "<p>", "</p>", "<p class=a></p>", "<p>a > b</p>"] {
        assert!(elements(wrong).is_err(), "{wrong}");
    }
}
