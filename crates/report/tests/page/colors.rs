//! Contrasts as WCAG 2.2 requires: 4.5:1 for text (level AA), 3:1 for the marks of a plot.

use wattlab_report::html;

use crate::fixture;

/// The values of a custom property: in the first rule (light) and in the last one (dark).
fn colors(page: &str, name: &str) -> [String; 2] {
    let key = format!("--{name}:");
    let values: Vec<String> = page
        .match_indices(&key)
        .map(|(at, _)| page[at + key.len()..].trim_start().chars().take(7).collect())
        .filter(|text: &String| {
            text.starts_with('#') && text.chars().skip(1).all(|letter| letter.is_ascii_hexdigit())
        })
        .collect();
    assert!(values.len() >= 2, "`{name}` has a light and a dark value: {values:?}");
    [values[0].clone(), values[1].clone()]
}

fn luminance(color: &str) -> f64 {
    let channel = |at: usize| {
        let value =
            f64::from(u8::from_str_radix(&color[at..at + 2], 16).expect("two digits")) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

fn contrast(a: &str, b: &str) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn text_and_marks_have_contrast_in_light_and_dark() {
    let page = html(&fixture::document());
    let text = |name| (name, 4.5);
    let mut pairs =
        vec![("est", "est-paper", 4.5), ("meas", "meas-paper", 4.5), ("ink", "est-paper", 4.5)];
    for (name, least) in ["ink", "muted", "link", "good", "bad", "open"].map(text) {
        pairs.push((name, "paper", least));
    }
    pairs.push(("ink", "panel", 4.5));
    for name in ["s0", "s1", "s2", "s3", "s4", "s5", "s6"] {
        pairs.push((name, "paper", 3.0));
    }
    for (front, back, least) in pairs {
        let (fronts, backs) = (colors(&page, front), colors(&page, back));
        for (front_color, back_color) in fronts.iter().zip(&backs) {
            let found = contrast(front_color, back_color);
            assert!(found >= least, "{front} {front_color} on {back} {back_color}: {found:.2}:1");
        }
    }
}

#[test]
fn colors_have_the_contrast_of_the_guideline() {
    assert!((contrast("#ffffff", "#000000") - 21.0).abs() < 1e-9);
    assert!((contrast("#777777", "#ffffff") - 4.478).abs() < 1e-3);
}
