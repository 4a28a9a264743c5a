//! Names of columns on the command line.

use std::str::FromStr;

/// Names separated by commas; a name that contains a comma is quoted, as in a CSV file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Columns(pub(super) Vec<String>);

impl Columns {
    pub(super) fn names(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }
}

impl FromStr for Columns {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let Some(line) = reader.records().next() else { return Ok(Self::default()) };
        let names: Vec<String> = line
            .map_err(|error| error.to_string())?
            .iter()
            .map(|name| name.trim_matches('"').to_owned())
            .collect();
        if names.iter().any(String::is_empty) {
            return Err(format!("`{text}` has an empty name, expected columns such as `a,b`"));
        }
        Ok(Self(names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_name_may_contain_a_comma() {
        let names = |text: &str| text.parse::<Columns>().map(|columns| columns.0);
        assert_eq!(names("a, b"), Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(names(r#""x,y",b c"#), Ok(vec!["x,y".to_owned(), "b c".to_owned()]));
        assert_eq!(names(""), Ok(Vec::new()));
        assert!(names("a,,b").unwrap_err().contains("`a,,b`"));
    }
}
