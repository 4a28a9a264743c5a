//! A mark and a short text for each pair of a row and a column.

use maud::html;

use super::categories::Rows;
use crate::plot::{
    MatrixPlot,
    frame::{Drawing, LINE, Width, fitted, px, text_width},
    legend::{Entry, Sample, legend},
    style,
};

/// Room between the marks and the texts of a row.
const LANE: f64 = 34.0;
/// Columns narrower than this have no texts.
const TEXT_FROM: f64 = 50.0;

pub(super) fn draw(plot: &MatrixPlot, width: Width) -> Drawing {
    let total = width.pixels();
    let entries: Vec<Entry<'_>> =
        plot.kinds.iter().map(|(name, look)| (Sample::Marker, *look, name.as_str())).collect();
    let (legend, legend_height) = legend(&entries, total);
    let rows = Rows::new(plot.rows.iter().map(String::as_str), total);
    let step = (total - rows.left - 8.0) / plot.columns.len().max(1) as f64;
    let has_text = step >= TEXT_FROM;
    let lines = plot.columns.iter().map(|column| column.split('\n').count()).max().unwrap_or(0);
    let top = legend_height + 6.0 + LINE * lines as f64;
    let lane = if has_text { LANE } else { 22.0 };
    let height = rows.head() + lane;
    let center = |column: usize| rows.left + (column as f64 + 0.5) * step;
    let content = html! {
        (legend)
        @for (column, title) in plot.columns.iter().enumerate() {
            @for (line, text) in title.split('\n').enumerate() {
                // A word that does not fit its column is hidden, not cut: its beginning alone misleads.
                @if line == 0 || text_width(text) <= step + 2.0 {
                    text class=(if line == 0 { "" } else { "muted" }) x=(px(center(column)))
                        y=(px(legend_height + LINE * (line as f64 + 0.8))) text-anchor="middle" {
                        (fitted(text, step + 2.0))
                    }
                }
            }
        }
        @for (row, name) in plot.rows.iter().enumerate() {
            @let y = top + row as f64 * height;
            path class="grid" d=(format!("M{} {}H{}", px(0.0), px(y), px(total))) {}
            (rows.name(name, y + rows.head(), y + height, total))
            @let marks = plot.marks.get(row).map_or(&[][..], Vec::as_slice);
            @for (column, mark) in marks.iter().enumerate().take(plot.columns.len()) {
                @let x = center(column);
                @let middle = y + rows.head() + if has_text { 11.0 } else { lane / 2.0 };
                @if let Some(mark) = mark {
                    g class=(style::class(mark.look)) {
                        title { (name) ", " (plot.columns[column].replace('\n', " ")) ": " (mark.words) }
                        (style::marker(mark.look, x, middle))
                    }
                    @if has_text && !mark.text.is_empty() {
                        text class="muted" x=(px(x)) y=(px(middle + 17.0)) text-anchor="middle" {
                            (fitted(&mark.text, step + 4.0))
                        }
                    }
                } @else {
                    path class="grid" d=(format!("M{} {}h6", px(x - 3.0), px(middle))) {}
                }
            }
        }
    };
    Drawing { height: top + height * plot.rows.len() as f64 + 6.0, content }
}
