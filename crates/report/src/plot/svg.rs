//! A figure as SVG: inline in the page's colors, or as a file of its own in light colors.

use maud::{Markup, PreEscaped, html};

use super::figure::Figure;
use super::{
    clean::clean,
    draw::draw,
    frame::{LINE, Width, px, text_width},
    style,
};
use crate::slug::slug;

/// The drawing for a page, which provides [`style::css`] and the colors.
pub(crate) fn inline(figure: &Figure, width: Width) -> Markup {
    let (plot, _) = clean(&figure.plot);
    let drawing = draw(&plot, width);
    let (id, suffix) = (slug(&figure.id), if width == Width::Wide { "wide" } else { "narrow" });
    html! {
        svg class={ "plot " (suffix) } role="img"
            aria-labelledby={ (id) "-" (suffix) "-title" } aria-describedby={ (id) "-" (suffix) "-desc" }
            viewBox={ "0 0 " (px(width.pixels())) " " (px(drawing.height)) } {
            title id={ (id) "-" (suffix) "-title" } { (figure.title) }
            desc id={ (id) "-" (suffix) "-desc" } { (figure.description()) }
            (drawing.content)
        }
    }
}

/// Draws a figure as a self-contained SVG file: title and plot, in light colors.
#[must_use]
pub fn svg(figure: &Figure) -> String {
    const MARGIN: f64 = 16.0;
    let (plot, _) = clean(&figure.plot);
    let drawing = draw(&plot, Width::Wide);
    let width = Width::Wide.pixels() + 2.0 * MARGIN;
    let title = wrapped(&figure.title, Width::Wide.pixels() / 1.25);
    let head = MARGIN + 20.0 * title.len() as f64 + 8.0;
    let height = head + drawing.height + MARGIN;
    html! {
        svg xmlns="http://www.w3.org/2000/svg" class="plot" role="img" aria-labelledby="title"
            aria-describedby="desc" width=(px(width)) height=(px(height))
            viewBox={ "0 0 " (px(width)) " " (px(height)) } {
            title id="title" { (figure.title) }
            desc id="desc" { (figure.description()) }
            style { (PreEscaped(style::css(true))) }
            rect width="100%" height="100%" fill="#ffffff" {}
            @for (line, text) in title.iter().enumerate() {
                text x=(px(MARGIN)) y=(px(MARGIN + LINE * (1.0 + 1.2 * line as f64)))
                    style="font-size:15px;font-weight:600" { (text) }
            }
            g transform=(format!("translate({} {})", px(MARGIN), px(head))) { (drawing.content) }
        }
    }
    .into_string()
        + "\n"
}

/// A text in lines of at most a width.
fn wrapped(text: &str, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if text_width(&format!("{line} {word}")) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
