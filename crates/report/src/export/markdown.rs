//! The report in GitHub-flavored Markdown, for a diff, a mail or a repository.

use std::fmt::Write as _;

use record::Finding;

use super::plain_text;
use crate::document::{self, ColumnKind, Document, Section, Table, slug};

/// Writes a document as Markdown; figures are links to `figures/ID.svg`.
#[must_use]
pub fn markdown(document: &Document) -> String {
    let mut out = String::new();
    block(&mut out, &format!("# {}", inline(&document.title)));
    if let Some(banner) = &document.banner {
        block(
            &mut out,
            &format!(
                "> **{}.** {}",
                inline(banner.headline.trim_end_matches('.')),
                inline(&banner.text)
            ),
        );
    }
    for text in &document.lead {
        block(&mut out, &paragraph(text));
    }
    if !document.findings.is_empty() {
        block(&mut out, "## Verdicts");
        block(&mut out, &summary(&document.findings));
    }
    if !document.facts.is_empty() {
        block(&mut out, "## The run");
        let facts = document.facts.iter().map(|(name, value)| [inline(name), inline(value)]);
        block(&mut out, &grid(&["", ""], &[false, false], facts));
    }
    for it in &document.sections {
        section(&mut out, document, it);
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn section(out: &mut String, document: &Document, section: &Section) {
    block(out, &format!("## {}", inline(&section.heading)));
    if !section.question.is_empty() {
        block(out, &format!("*{}*", inline(&section.question)));
    }
    for finding in document.findings_on(&section.claims) {
        block(out, &detail(finding));
    }
    for text in &section.paragraphs {
        block(out, &paragraph(text));
    }
    for figure in &section.figures {
        block(out, &format!("![{}](figures/{}.svg)", unbracketed(&figure.alt), slug(&figure.id)));
        block(
            out,
            &format!(
                "**{}.** {}",
                inline(figure.title.trim_end_matches('.')),
                inline(&figure.full_caption())
            ),
        );
    }
    for it in &section.tables {
        block(out, &table(it));
    }
    if !section.caveats.is_empty() {
        let list: Vec<String> =
            section.caveats.iter().map(|it| format!("- {}", inline(it))).collect();
        block(out, &format!("Caveats:\n\n{}", list.join("\n")));
    }
}

/// The claims in a table: verdict, figures published and ours, effect, origin of the joules.
fn summary(findings: &[Finding]) -> String {
    let rows = findings.iter().map(|it| {
        let published = it.published.iter().map(|(key, value)| document::published(key, *value));
        let measured = it.measured.iter().map(|(key, value)| document::measured(key, *value));
        let list = |figures: &mut dyn Iterator<Item = (String, String)>| {
            let figures: Vec<String> = figures
                .map(|(name, value)| format!("{} {}", inline(&name), inline(&value)))
                .collect();
            if figures.is_empty() { "–".to_owned() } else { figures.join("; ") }
        };
        [
            format!("**{}**", it.verdict.word()),
            inline(&it.statement),
            list(&mut published.into_iter()),
            list(&mut measured.into_iter()),
            document::effect(&it.evidence)
                .map_or_else(|| "–".to_owned(), |(_, size)| inline(&size)),
            it.energy_origin.map_or("–", |origin| origin.word()).to_owned(),
        ]
    });
    let heads = ["verdict", "claim", "published", "ours", "effect [95 % interval]", "joules"];
    grid(&heads, &[false; 6], rows)
}

/// A finding at length.
fn detail(finding: &Finding) -> String {
    let evidence = &finding.evidence;
    let mut text = format!(
        "**{}**: {} {}",
        capital(finding.verdict.word()),
        inline(&finding.statement),
        inline(&finding.reason)
    );
    let mut item = |name: &str, words: &str| {
        if !words.is_empty() {
            let _ = write!(text, "\n- {name}: {}", inline(words));
        }
    };
    item("Criterion", &finding.criterion);
    item("Test", &document::test_in_words(evidence));
    if let Some((name, size)) = document::effect(evidence) {
        item("Effect", &format!("{name}: {size}"));
    }
    item("Data", &finding.data);
    if let Some(origin) = finding.energy_origin {
        item("Joules", origin.word());
    }
    for caveat in &finding.caveats {
        item("Caveat", caveat);
    }
    text
}

fn table(table: &Table) -> String {
    let heads: Vec<String> = table.columns().iter().map(|it| inline(&it.heading())).collect();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let right: Vec<bool> = table.columns().iter().map(|it| it.kind != ColumnKind::Text).collect();
    let rows = table
        .rows()
        .iter()
        .map(|row| row.iter().map(|it| inline(&plain_text(it))).collect::<Vec<_>>());
    format!("{}\n\n{}", inline(&table.caption), grid(&heads, &right, rows))
}

/// A table of cells that are Markdown already.
fn grid<R: AsRef<[String]>>(
    heads: &[&str],
    right: &[bool],
    rows: impl IntoIterator<Item = R>,
) -> String {
    let rule: Vec<&str> = right.iter().map(|it| if *it { "---:" } else { "---" }).collect();
    let mut out = format!("| {} |\n| {} |", heads.join(" | "), rule.join(" | "));
    for row in rows {
        let _ = write!(out, "\n| {} |", row.as_ref().join(" | "));
    }
    out
}

fn block(out: &mut String, text: &str) {
    out.push_str(text);
    out.push_str("\n\n");
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |it| it.to_uppercase().chain(letters).collect())
}

/// Text on one line in which nothing is markup but code between backquotes.
fn inline(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let letters: Vec<char> = text.chars().collect();
    let backquotes = letters.iter().filter(|it| **it == '`').count();
    let mut out = String::with_capacity(text.len());
    let mut in_code = false;
    for (index, letter) in letters.iter().enumerate() {
        let beside = |it: Option<&char>| it.is_some_and(|it| it.is_alphanumeric());
        let before = index.checked_sub(1).and_then(|it| letters.get(it));
        let after = letters.get(index + 1);
        let markup = match letter {
            '`' if backquotes.is_multiple_of(2) => {
                in_code = !in_code;
                false
            }
            '`' => true,
            '|' => true,
            _ if in_code => false,
            '\\' | '*' => true,
            // A bracket alone is text: links need one of these after it.
            ']' => after.is_some_and(|it| matches!(it, '(' | '[' | ':')),
            '<' => {
                after.is_some_and(|it| it.is_ascii_alphabetic() || matches!(it, '/' | '!' | '?'))
            }
            '>' => index == 0,
            '~' => after == Some(&'~') || before == Some(&'~'),
            '&' => after.is_some_and(|it| it.is_alphanumeric() || *it == '#'),
            // Inside a word, as in `simple_cnn`, an underscore is only an underscore.
            '_' => !(beside(before) && beside(after)),
            _ => false,
        };
        if markup {
            out.push('\\');
        }
        out.push(*letter);
    }
    out
}

/// Text inside brackets, which may have none of its own.
fn unbracketed(text: &str) -> String {
    inline(&text.replace('[', "(").replace(']', ")"))
}

/// A paragraph that does not begin like a heading or a list.
fn paragraph(text: &str) -> String {
    let text = inline(text);
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    if text.starts_with(['#', '-', '+', '=']) {
        format!("\\{text}")
    } else if digits > 0 && text[digits..].starts_with(['.', ')']) {
        format!("{}\\{}", &text[..digits], &text[digits..])
    } else {
        text
    }
}
