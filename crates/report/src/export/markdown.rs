//! The report in GitHub-flavored Markdown, for a diff, a mail or a repository.

use std::fmt::Write as _;

use crate::{
    document::{
        AssessedClaim, ColumnKind, Document, HOW_TO_READ, Section, Table, origin_mark, plain_text,
        sentence, test_in_words,
    },
    slug::slug,
};

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
        block(&mut out, "## Answers");
        let answers = document.answers.iter().map(|answer| {
            let origin = answer
                .origin
                .map_or_else(String::new, |origin| format!(" ({})", origin_mark(origin)));
            format!("- **{}.** {}{origin}", inline(&answer.heading), inline(&answer.text))
        });
        let answers: Vec<String> = answers.collect();
        if answers.is_empty() {
            block(&mut out, "No verdict is decided yet, so there is no answer.");
        } else {
            block(&mut out, &answers.join("\n"));
        }
        block(&mut out, &format!("How to read this: {}", HOW_TO_READ.map(inline).join(" ")));
        block(&mut out, "## Verdicts");
        block(&mut out, &summary(&document.findings));
    }
    if !document.facts.is_empty() {
        block(&mut out, "## The run");
        let facts = document.facts.iter().map(|(name, value)| [inline(name), inline(value)]);
        block(&mut out, &grid(&["", ""], &[false, false], facts));
    }
    for each in &document.sections {
        section(&mut out, document, each);
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
    for claim in document.findings_on(&section.claims) {
        block(out, &detail(claim));
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
    for each in &section.tables {
        block(out, &table(each));
    }
    if !section.caveats.is_empty() {
        let list: Vec<String> =
            section.caveats.iter().map(|caveat| format!("- {}", inline(caveat))).collect();
        block(out, &format!("Caveats:\n\n{}", list.join("\n")));
    }
}

/// The claims in a table: verdict, published and measured figures, effect, origin of the joules.
fn summary(claims: &[AssessedClaim]) -> String {
    let rows = claims.iter().map(|claim| {
        let published = claim.figures.iter().filter_map(|figure| {
            Some(format!("{} {}", inline(&figure.label), inline(&figure.published_text()?)))
        });
        let measured = claim.figures.iter().filter(|figure| figure.measured.is_some());
        let measured = measured
            .map(|figure| format!("{} {}", inline(&figure.label), inline(&figure.measured_text())));
        let list = |figures: Vec<String>| {
            if figures.is_empty() { "–".to_owned() } else { figures.join("; ") }
        };
        let effect =
            claim.effect.as_ref().map_or_else(|| "–".to_owned(), |effect| inline(&effect.text()));
        [
            format!("**{}**", claim.finding.verdict_in_words()),
            inline(&claim.finding.statement),
            list(published.collect()),
            list(measured.collect()),
            effect,
            claim.finding.energy_origin.map_or("–", |origin| origin.word()).to_owned(),
        ]
    });
    let heads = ["verdict", "claim", "published", "ours", "effect [95 % interval]", "joules"];
    grid(&heads, &[false; 6], rows)
}

/// A finding in detail.
fn detail(claim: &AssessedClaim) -> String {
    let finding = &claim.finding;
    let mut text = format!(
        "**{}**: {} {}",
        capital(finding.verdict_in_words()),
        inline(&finding.statement),
        inline(&sentence(&finding.reason))
    );
    let mut item = |name: &str, words: &str| {
        if !words.is_empty() {
            let _ = write!(text, "\n- {name}: {}", inline(words));
        }
    };
    item("Criterion", &finding.criterion);
    item("Test", &test_in_words(&finding.evidence));
    if let Some(effect) = &claim.effect {
        item("Effect", &format!("{}: {}", effect.label, effect.text()));
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
    let heads: Vec<String> =
        table.columns().iter().map(|column| inline(&column.heading())).collect();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let right: Vec<bool> =
        table.columns().iter().map(|column| column.kind != ColumnKind::Text).collect();
    let rows = table
        .rows()
        .iter()
        .map(|row| row.iter().map(|cell| inline(&plain_text(cell))).collect::<Vec<_>>());
    format!("{}\n\n{}", inline(&table.caption), grid(&heads, &right, rows))
}

/// A table of cells that are Markdown already.
fn grid<R: AsRef<[String]>>(
    heads: &[&str],
    right: &[bool],
    rows: impl IntoIterator<Item = R>,
) -> String {
    let rule: Vec<&str> = right.iter().map(|right| if *right { "---:" } else { "---" }).collect();
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
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Text on one line in which nothing is markup but code between backquotes.
fn inline(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let letters: Vec<char> = text.chars().collect();
    let backquotes = letters.iter().filter(|letter| **letter == '`').count();
    let mut out = String::with_capacity(text.len());
    let mut in_code = false;
    for (index, letter) in letters.iter().enumerate() {
        let beside = |letter: Option<&char>| letter.is_some_and(|letter| letter.is_alphanumeric());
        let before = index.checked_sub(1).and_then(|index| letters.get(index));
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
            ']' => after.is_some_and(|next| matches!(next, '(' | '[' | ':')),
            '<' => after
                .is_some_and(|next| next.is_ascii_alphabetic() || matches!(next, '/' | '!' | '?')),
            '>' => index == 0,
            '~' => after == Some(&'~') || before == Some(&'~'),
            '&' => after.is_some_and(|next| next.is_alphanumeric() || *next == '#'),
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
