//! Figures as PDF (feature `pdf`).

use wattlab_report::pdf;

use crate::fixture;

/// The page has the size of the drawing in points, and its text can be copied.
#[test]
fn a_figure_is_one_pdf_page_with_embedded_fonts() {
    for figure in &fixture::document().sections[0].figures {
        let bytes = pdf(figure).unwrap();
        assert!(bytes.starts_with(b"%PDF-") && bytes.len() < 100_000, "{}", bytes.len());
        let has = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(has("/Count 1") && has("/FontFile") && has("DejaVuSansCondensed"));
        assert!(has("/ToUnicode"), "its text can be copied");
        assert!(has("/MediaBox [0 0 564 "), "752 pixels are 564 points");
    }
}
