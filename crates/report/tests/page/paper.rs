//! The page of a reproduction that is as large as the studies.

use std::sync::LazyLock;

use record::{Origin, TuningSpace, Verdict};
use wattlab_report::{
    Document, Runs, Target, TuningInsight, document, html, markdown, results, svg,
};

use crate::{
    hostile::check,
    insight,
    synthetic::{PAPER, records},
};

/// The report of 15,515 runs.
pub(crate) static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
    let records = records(PAPER, Origin::Estimated);
    assert_eq!(records.len(), 9216 + 6144 + 45 + 110, "as `configs/paper.toml`");
    let runs = Runs::of(&records);
    document(&runs, &results(&runs), Target::default(), &insights())
});

/// The insight of searches on two data sets, each with three networks.
fn insights() -> Vec<TuningInsight> {
    let of = |data: &str| {
        let networks = ["SimpleCNN", "DensePolyNN", "DenseLinearNN"];
        let functions = networks.map(|network| insight::function(network, 128, 1536));
        let mut insight = insight::insight(functions.to_vec());
        insight.id = format!("rq1-{data}-three");
        TuningInsight { data: data.to_owned(), space: TuningSpace::Three, insight }
    };
    vec![of("fashion-mnist"), of("cifar-10")]
}

#[test]
fn a_page_of_the_paper_profile_is_below_two_megabytes() {
    let page = html(&DOCUMENT);
    println!("{} bytes, {} of Markdown", page.len(), markdown(&DOCUMENT).len());
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    check("page", page.split_once("<script>").unwrap().0);
    for words in
        ["12.22 ± 0.61 MJ, estimated", "The target is 95\u{202f}% of the best test accuracy"]
    {
        assert!(page.contains(words), "{words}");
    }
    let decided =
        DOCUMENT.findings.iter().filter(|finding| finding.finding.verdict != Verdict::Inconclusive);
    assert!(decided.count() >= 6, "so much data decides");
}

/// Every figure has an alternative text that describes it, and does not just repeat its title.
#[test]
fn every_figure_has_an_alternative_text_and_its_values() {
    let figures: Vec<_> = DOCUMENT.sections.iter().flat_map(|section| &section.figures).collect();
    assert!(figures.len() >= 15, "{}", figures.len());
    for figure in &figures {
        assert!(figure.alt.split_whitespace().count() >= 3, "{}: `{}`", figure.id, figure.alt);
        assert!(figure.alt != figure.title && figure.caption.len() > 40, "{}", figure.id);
        // The values themselves follow.
        let drawing = svg(figure);
        let told = drawing.split_once("<desc id=\"desc\">").unwrap().1;
        let told = told.split_once("</desc>").unwrap().0;
        assert!(told.contains("The figure shows") && told.len() > figure.alt.len() + 40, "{told}");
    }
    let page = html(&DOCUMENT);
    let drawings = page.matches("<svg class=\"plot").count();
    assert_eq!(drawings, 2 * figures.len(), "wide and narrow");
    assert_eq!(page.matches("role=\"img\"").count(), drawings);
    assert_eq!(page.matches("-desc\">").count(), drawings);
}
