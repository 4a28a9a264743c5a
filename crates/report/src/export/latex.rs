//! A table for a paper: LaTeX with booktabs.

use crate::{
    document::{ColumnKind, Table, plain_text},
    slug::slug,
};

/// Writes a table as LaTeX (packages `booktabs` and, for wide ones, `graphicx`), ready to be
/// `\input`: caption, label `tab:…`, words to the left, numbers to the right.
#[must_use]
pub fn latex(table: &Table) -> String {
    let kinds = table.columns().iter().map(|column| column.kind);
    let columns: String =
        kinds.map(|kind| if kind == ColumnKind::Text { 'l' } else { 'r' }).collect();
    // Behind `\\\\` a bracket would be an argument.
    let line = |cells: Vec<String>| {
        let cells = cells.join(" & ");
        format!("    {}{cells} \\\\\n", if cells.starts_with('[') { "{}" } else { "" })
    };
    let heads = table.columns().iter().map(|column| escaped(&column.heading())).collect();
    let rows: String = table
        .rows()
        .iter()
        .map(|row| line(row.iter().map(|cell| escaped(&plain_text(cell))).collect()))
        .collect();
    format!(
        "% Needs \\usepackage{{booktabs}}.\n\\begin{{table}}\n  \\centering\n  \\caption{{{}}}\n  \
         \\label{{tab:{}}}\n  \\begin{{tabular}}{{{columns}}}\n    \\toprule\n{}    \\midrule\n{rows}    \
         \\bottomrule\n  \\end{{tabular}}\n\\end{{table}}\n",
        escaped(&table.caption),
        slug(&table.id),
        line(heads),
    )
}

/// Text without anything that LaTeX takes as a command; the signs of our tables as it writes them.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', letter]),
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '<' => out.push_str("\\textless{}"),
            '>' => out.push_str("\\textgreater{}"),
            '|' => out.push_str("\\textbar{}"),
            '"' => out.push_str("''"),
            '`' => out.push_str("\\textasciigrave{}"),
            '\u{a0}' => out.push('~'),
            '\u{202f}' => out.push_str("\\,"),
            '–' => out.push_str("--"),
            '“' => out.push_str("``"),
            '”' => out.push_str("''"),
            '…' => out.push_str("\\dots{}"),
            '−' => out.push_str("$-$"),
            '×' => out.push_str("$\\times$"),
            '±' => out.push_str("$\\pm$"),
            '→' => out.push_str("$\\to$"),
            '≤' => out.push_str("$\\leq$"),
            '≥' => out.push_str("$\\geq$"),
            'β' => out.push_str("$\\beta$"),
            'δ' => out.push_str("$\\delta$"),
            'ε' => out.push_str("$\\epsilon$"),
            'η' => out.push_str("$\\eta$"),
            'χ' => out.push_str("$\\chi$"),
            'ω' => out.push_str("$\\omega$"),
            '²' => out.push_str("$^2$"),
            '⁹' => out.push_str("$^9$"),
            '\n' | '\r' => out.push(' '),
            it => out.push(it),
        }
    }
    out
}
