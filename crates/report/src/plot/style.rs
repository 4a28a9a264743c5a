//! Colors, markers and dashes that color-blind readers can distinguish, also in gray.

use maud::{Markup, html};

use super::frame::px;

/// Number of series that look different; the next one looks like the first.
pub(super) const LOOKS: usize = 7;

/// After Okabe and Ito (2008), darkened to a contrast of 3:1 on white and without their yellow.
pub(crate) const LIGHT: [&str; LOOKS] =
    ["#0072b2", "#d55e00", "#00845f", "#b4558b", "#9a6a00", "#2b86b8", "#595959"];
/// The same hues, lightened to 3:1 on a dark page.
pub(crate) const DARK: [&str; LOOKS] =
    ["#58b1ec", "#ff8b4a", "#34c99b", "#e595c3", "#e9b240", "#a3d5f5", "#b5b5b5"];
const DASHES: [&str; LOOKS] = ["", "7 3", "2 3", "9 3 2 3", "12 4", "4 2", "1 2"];

/// The class that colors series `index`.
pub(super) fn class(index: usize) -> String {
    format!("s{}", index % LOOKS)
}

/// The dash pattern of series `index`; empty for a solid line.
pub(super) fn dash(index: usize) -> &'static str {
    DASHES[index % LOOKS]
}

/// The marker of series `index` at a place, about 8 pixels wide, in the current color.
pub(super) fn marker(index: usize, x: f64, y: f64) -> Markup {
    let path = |data: String| html! { path class="marker" d=(data) {} };
    let (cx, cy) = (px(x), px(y));
    match index % LOOKS {
        0 => html! { circle class="marker" cx=(cx) cy=(cy) r="4" {} },
        1 => path(format!("M{} {}h7v7h-7z", px(x - 3.5), px(y - 3.5))),
        2 => path(format!("M{cx} {}l4.5 8h-9z", px(y - 5.0))),
        3 => path(format!("M{cx} {}l5 5l-5 5l-5 -5z", px(y - 5.0))),
        4 => path(format!("M{cx} {}l4.5 -8h-9z", px(y + 5.0))),
        5 => html! { circle class="marker hollow" cx=(cx) cy=(cy) r="3.6" {} },
        _ => html! {
            path class="marker hollow" d=(format!("M{} {}h7v7h-7z", px(x - 3.5), px(y - 3.5))) {}
        },
    }
}

/// The CSS of drawings: with colors as custom properties or, for a file of its own, with the colors of
/// the light theme.
pub(crate) fn css(standalone: bool) -> String {
    let mut css = String::from(
        ".plot text{font-size:12px;fill:currentColor}\
         .plot .muted{fill:var(--muted);font-size:11.5px}\
         .plot .origin{font-weight:600}\
         .plot .grid{stroke:var(--grid);stroke-width:1;fill:none}\
         .plot .zero{stroke:var(--muted);stroke-width:1;fill:none}\
         .plot .reference{stroke:var(--muted);stroke-width:1.2;stroke-dasharray:5 4;fill:none}\
         .plot .leader{stroke:var(--muted);stroke-width:.7;fill:none}\
         .plot .line{stroke:currentColor;stroke-width:2;fill:none;stroke-linejoin:round}\
         .plot .trend{stroke:currentColor;stroke-width:1.5;fill:none}\
         .plot .band{fill:currentColor;fill-opacity:.15;stroke:none}\
         .plot .bar{fill:currentColor;fill-opacity:.8}\
         .plot .whisker{stroke:currentColor;stroke-width:1.6;fill:none}\
         .plot .over{stroke:var(--ink)}\
         .plot .box{fill:currentColor;fill-opacity:.14;stroke:currentColor;stroke-width:1.2}\
         .plot .median{stroke:currentColor;stroke-width:2.6}\
         .plot .cloud{stroke:currentColor;stroke-width:3.6;stroke-opacity:.5;stroke-linecap:round;fill:none}\
         .plot .marker{fill:currentColor;stroke:var(--paper);stroke-width:1}\
         .plot .hollow{fill:var(--paper);stroke:currentColor;stroke-width:1.8}\
         .plot .spine{stroke:var(--muted);stroke-width:1;fill:none}\
         .plot .trace{stroke:currentColor;fill:none;stroke-linejoin:round}\
         .plot .target{fill:transparent;stroke:none}",
    );
    if !standalone {
        // Programs other than browsers may draw the outline over the text, which then cannot be read.
        css.push_str(
            ".plot .halo{paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}",
        );
    }
    for (index, color) in LIGHT.iter().enumerate() {
        let color = if standalone { (*color).to_owned() } else { format!("var(--s{index})") };
        css.push_str(&format!(".plot .s{index}{{color:{color}}}"));
    }
    if standalone {
        for (name, color) in
            [("ink", "#1b1b1b"), ("muted", "#595959"), ("grid", "#dcdcdc"), ("paper", "#ffffff")]
        {
            css = css.replace(&format!("var(--{name})"), color);
        }
        css.push_str(
            ".plot{color:#1b1b1b;background:#fff;font-family:system-ui,-apple-system,\
             'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}",
        );
    }
    css
}
