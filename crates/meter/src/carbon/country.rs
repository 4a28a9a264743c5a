//! Countries: their ISO 3166-1 codes, their names and the yearly means of their grids.

use super::error::CarbonError;

/// Yearly means of countries; the source is named at the top of the file.
const TABLE: &str = include_str!("intensity.csv");

/// Codes that are in use beside ISO 3166-1, with the official code of the same country: those of the
/// European Union (Interinstitutional style guide, 7.1) where they differ.
const ALIASES: [(&str, &str); 2] = [("UK", "GB"), ("EL", "GR")];

/// A country of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Country {
    /// Its ISO 3166-1 code of three letters, in capitals.
    pub alpha3: &'static str,
    /// Its ISO 3166-1 code of two letters, in capitals.
    pub alpha2: &'static str,
    /// Its name in English.
    pub name: &'static str,
}

/// A line of the table.
pub(super) struct Row {
    pub(super) country: Country,
    /// Grams of CO₂ equivalent per kilowatt-hour.
    pub(super) grams: f64,
    /// The year of the mean.
    pub(super) year: &'static str,
}

impl Country {
    /// The country with this ISO 3166-1 code of two or three letters, in capitals or not.
    ///
    /// # Errors
    ///
    /// If the table does not have that country.
    pub fn of_code(code: &str) -> Result<Self, CarbonError> {
        find(code).map(|row| row.country)
    }
}

/// The line of a country.
pub(super) fn find(code: &str) -> Result<Row, CarbonError> {
    let wanted = code.trim().to_uppercase();
    let alias = ALIASES.iter().find(|(alias, _)| *alias == wanted);
    let names = [wanted.as_str(), alias.map_or("", |(_, official)| official)];
    let has =
        |row: &Row| names.contains(&row.country.alpha3) || names.contains(&row.country.alpha2);
    let unknown = || CarbonError::Region { code: code.to_owned(), near: near(&wanted) };
    rows().find(has).ok_or_else(unknown)
}

/// Codes of countries whose name begins with the text, or else whose code begins with its first
/// letter, or else of some large countries.
fn near(wanted: &str) -> Vec<String> {
    let codes = |is_near: &dyn Fn(&Country) -> bool| -> Vec<String> {
        let countries = rows().map(|row| row.country).filter(is_near);
        countries.map(|country| country.alpha3.to_owned()).take(8).collect()
    };
    let long = wanted.chars().count() > 3;
    let mut near = codes(&|country| long && country.name.to_uppercase().starts_with(wanted));
    if let (true, Some(first)) = (near.is_empty(), wanted.chars().next()) {
        near = codes(&|country| country.alpha3.starts_with(first));
    }
    if near.is_empty() {
        near = vec!["FRA".to_owned(), "DEU".to_owned(), "USA".to_owned()];
    }
    near
}

fn rows() -> impl Iterator<Item = Row> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#')).skip(1);
    lines.filter_map(|line| {
        let mut fields = line.split(',');
        let (alpha3, alpha2) = (fields.next()?, fields.next()?);
        let country = Country { alpha3, alpha2, name: fields.next()? };
        Some(Row { country, grams: fields.next()?.parse().ok()?, year: fields.next()? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).count() - 1;
        assert_eq!(rows().count(), lines);
        assert!(lines > 200);
        assert!(rows().all(|row| (1.0..2000.0).contains(&row.grams)));
        assert!(rows().all(|row| row.country.alpha3.len() == 3 && row.country.alpha2.len() == 2));
    }

    #[test]
    fn a_country_has_one_spelling_for_all_of_its_codes() {
        for code in ["de", "DE", "deu", "DEU", " DEU\n"] {
            let country = Country::of_code(code).unwrap();
            assert_eq!((country.alpha3, country.name), ("DEU", "Germany"));
        }
        assert_eq!(Country::of_code("uk").unwrap().alpha3, "GBR");
        assert_eq!(Country::of_code("EL").unwrap().alpha3, "GRC");
    }

    #[test]
    fn an_unknown_region_is_an_error_that_names_similar_codes() {
        for (code, similar) in [("FRX", "FRA"), ("Germany", "DEU"), ("42", "USA"), ("", "USA")] {
            let error = Country::of_code(code).unwrap_err().to_string();
            assert!(error.contains(&format!("`{code}`")) && error.contains(similar), "{error}");
        }
    }
}
