//! A figure as PDF, for a paper.

use std::{
    io,
    sync::{Arc, LazyLock},
};

use svg2pdf::{
    ConversionOptions, PageOptions, to_pdf,
    usvg::{Options, Tree, fontdb::Database},
};

use crate::plot::{Figure, svg};

/// The fonts are part of the program, so that a figure looks the same on every machine. DejaVu Sans
/// Condensed is about as wide as the fonts that the drawings are laid out for.
static FONTS: LazyLock<Arc<Database>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    fonts.load_font_data(dejavu::sans_condensed::regular().to_vec());
    fonts.load_font_data(dejavu::sans_condensed::bold().to_vec());
    Arc::new(fonts)
});

/// Writes a figure as a PDF of one page, as large as the SVG drawing, with embedded fonts; its text
/// can be selected and searched.
///
/// # Errors
///
/// If the SVG drawing cannot be converted.
pub fn pdf(figure: &Figure) -> io::Result<Vec<u8>> {
    let mut options = Options { fontdb: Arc::clone(&FONTS), ..Options::default() };
    if let Some((family, _)) = FONTS.faces().next().and_then(|face| face.families.first()) {
        let fonts = options.fontdb_mut();
        fonts.set_sans_serif_family(family);
        fonts.set_serif_family(family);
    }
    let tree = Tree::from_str(&svg(figure), &options).map_err(io::Error::other)?;
    // CSS pixels are 3/4 of a point.
    let page = PageOptions { dpi: 96.0 };
    to_pdf(&tree, ConversionOptions::default(), page)
        .map_err(|error| io::Error::other(format!("figure `{}`: {error}", figure.id)))
}
