//! The page is well formed, loads nothing from the network, and escapes the names in its data.

use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};
use wattlab_report::{Document, html};

use crate::{fixture, markup};

fn page() -> String {
    html(&fixture::document())
}

#[test]
fn the_page_is_well_formed_and_its_references_exist() {
    let page = page();
    let elements = markup::elements(&page).unwrap();
    let mut ids: Vec<&str> =
        elements.iter().filter_map(|element| element.attribute("id")).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "an id occurs twice");
    for element in &elements {
        for name in ["aria-labelledby", "aria-describedby"] {
            for id in element.attribute(name).into_iter().flat_map(str::split_whitespace) {
                assert!(ids.contains(&id), "`{name}` of a `{}` names no `{id}`", element.name);
            }
        }
        if let Some(target) = element.attribute("href") {
            let id = target.strip_prefix('#').expect("every link stays on the page");
            assert!(ids.contains(&id), "a link leads to no `{id}`");
        }
    }
}

#[test]
fn the_page_makes_no_request() {
    let page = page();
    for request in ["http:", "https:", "src=", "url(", "@import", "<link", "<iframe", "fetch("] {
        assert!(!page.contains(request), "the page contains `{request}`");
    }
}

#[test]
fn the_security_policy_allows_the_one_script() {
    let page = page();
    assert_eq!(page.matches("<script").count(), 1);
    let (_, rest) = page.split_once("<script>").unwrap();
    let (script, _) = rest.split_once("</script>").unwrap();
    let hash = BASE64_STANDARD.encode(Sha256::digest(script));
    assert!(page.contains(&format!("script-src 'sha256-{hash}'")), "no policy for {hash}");
    assert!(page.contains("content=\"default-src 'none';"), "everything else is forbidden");
    assert!(!page.contains(" onclick"), "a policy of hashes blocks scripts in attributes");
}

#[test]
fn names_from_data_are_escaped() {
    let page = page();
    assert!(!page.contains("<script>alert"));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;"));
}

#[test]
fn the_page_has_landmarks_a_language_and_a_skip_link() {
    let elements = markup::elements(&page()).unwrap();
    for name in ["html", "header", "nav", "main", "footer", "h1", "title"] {
        let count = elements.iter().filter(|element| element.name == name).count();
        let drawings = elements.iter().filter(|element| element.name == "svg").count();
        assert!(count == 1 || name == "title" && count > drawings / 2, "{count} of `{name}`");
    }
    assert_eq!(elements.iter().find_map(|element| element.attribute("lang")), Some("en"));
    assert!(elements.iter().any(|element| element.attribute("class") == Some("skip")));
}

#[test]
fn an_empty_document_is_a_valid_page() {
    let empty = Document {
        answers: Vec::new(),
        title: String::new(),
        lead: Vec::new(),
        banner: None,
        findings: Vec::new(),
        facts: Vec::new(),
        sections: Vec::new(),
    };
    markup::elements(&html(&empty)).unwrap();
}

#[test]
fn a_document_always_gives_the_same_bytes() {
    assert_eq!(page(), page());
}
