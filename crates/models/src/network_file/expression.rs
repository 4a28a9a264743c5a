//! Whole numbers that are computed from named values: `2 * width`, `max(in / 2, classes)`.

use std::collections::BTreeMap;

use super::error::Wrong;

/// The longest expression, in bytes. It also limits how deep parentheses can be nested.
const LONGEST: usize = 200;

/// Named whole numbers.
pub(super) type Names = BTreeMap<String, i64>;

/// Computes an expression. It consists of whole numbers, names, `+`, `-`, `*`, `/` (rounded toward zero),
/// `^` (power), `max(a, b)`, `min(a, b)` and parentheses.
pub(super) fn evaluate(text: &str, names: &Names) -> Result<i64, Wrong> {
    if text.len() > LONGEST {
        return Err(Wrong(format!(
            "an expression has {} bytes, expected at most {LONGEST}",
            text.len()
        )));
    }
    let mut reader = Reader { text, rest: text.trim_start(), names };
    let value = reader.sum()?;
    match reader.rest.chars().next() {
        None => Ok(value),
        Some(next) => Err(reader.wrong(&format!("`{}` is not expected", next.escape_debug()))),
    }
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
    names: &'a Names,
}

impl Reader<'_> {
    fn wrong(&self, what: &str) -> Wrong {
        Wrong(format!("in the expression `{}`, {what}", self.text.escape_debug()))
    }

    /// Takes a symbol, if it is next.
    fn takes(&mut self, symbol: char) -> bool {
        match self.rest.strip_prefix(symbol) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn needs(&mut self, symbol: char) -> Result<(), Wrong> {
        if self.takes(symbol) { Ok(()) } else { Err(self.wrong(&format!("`{symbol}` is missing"))) }
    }

    fn checked(&self, value: Option<i64>) -> Result<i64, Wrong> {
        value.ok_or_else(|| self.wrong("a number is too large, or is divided by 0"))
    }

    fn sum(&mut self) -> Result<i64, Wrong> {
        let mut value = self.product()?;
        loop {
            value = if self.takes('+') {
                let other = self.product()?;
                self.checked(value.checked_add(other))?
            } else if self.takes('-') {
                let other = self.product()?;
                self.checked(value.checked_sub(other))?
            } else {
                return Ok(value);
            };
        }
    }

    fn product(&mut self) -> Result<i64, Wrong> {
        let mut value = self.power()?;
        loop {
            value = if self.takes('*') {
                let other = self.power()?;
                self.checked(value.checked_mul(other))?
            } else if self.takes('/') {
                let other = self.power()?;
                self.checked(value.checked_div(other))?
            } else {
                return Ok(value);
            };
        }
    }

    fn power(&mut self) -> Result<i64, Wrong> {
        let base = self.atom()?;
        if !self.takes('^') {
            return Ok(base);
        }
        let exponent = self.power()?;
        self.checked(u32::try_from(exponent).ok().and_then(|exponent| base.checked_pow(exponent)))
    }

    fn atom(&mut self) -> Result<i64, Wrong> {
        if self.takes('(') {
            let value = self.sum()?;
            self.needs(')')?;
            return Ok(value);
        }
        let end = self
            .rest
            .find(|next: char| !(next.is_ascii_alphanumeric() || next == '_'))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        if word.is_empty() {
            return Err(self.wrong("a number or a name is missing"));
        }
        if word.starts_with(|first: char| first.is_ascii_digit()) {
            return word
                .parse()
                .map_err(|_| self.wrong(&format!("`{word}` is not a whole number")));
        }
        if matches!(word, "max" | "min") && self.takes('(') {
            let a = self.sum()?;
            self.needs(',')?;
            let b = self.sum()?;
            self.needs(')')?;
            return Ok(if word == "max" { a.max(b) } else { a.min(b) });
        }
        self.names.get(word).copied().ok_or_else(|| {
            let known: Vec<String> = self.names.keys().map(|name| format!("`{name}`")).collect();
            self.wrong(&format!("`{word}` is not a name; expected one of {}", known.join(", ")))
        })
    }
}

/// Replaces each `{expression}` of a text by its value.
pub(super) fn fill(text: &str, names: &Names) -> Result<String, Wrong> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((expression, after)) = after.split_once('}') else {
            return Err(Wrong(format!("`name` is `{}`: a `}}` is missing", text.escape_debug())));
        };
        filled.push_str(before);
        filled.push_str(&evaluate(expression, names)?.to_string());
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        [("width".to_owned(), 32), ("in".to_owned(), 3), ("index".to_owned(), 1)].into()
    }

    #[test]
    fn expressions_are_computed_in_the_usual_order() {
        for (text, expected) in [
            ("7", 7),
            ("width", 32),
            (" 2 * width + 1 ", 65),
            ("2 + 3 * in ^ 2", 29),
            ("2 ^ 3 ^ 2", 512),
            ("(2 + 3) * in - 10 / 4 / 2", 14),
            ("max(width / 2 ^ (index + 1), in)", 8),
            ("min(1, 2) - 5", -4),
        ] {
            assert_eq!(evaluate(text, &names()).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn wrong_expressions_are_refused() {
        let deep = "(".repeat(199);
        for (text, part) in [
            ("", "a number or a name is missing"),
            ("2 *", "a number or a name is missing"),
            ("2 3", "`3` is not expected"),
            ("widht", "expected one of `in`, `index`, `width`"),
            ("1 / 0", "divided by 0"),
            ("9 ^ 99", "too large"),
            ("2 ^ (0 - 1)", "too large"),
            ("9999999999999999999", "not a whole number"),
            ("3 * (2 + 1", "`)` is missing"),
            ("max(1)", "`,` is missing"),
            (&deep, "a number or a name is missing"),
            (&"1+".repeat(101), "expected at most 200"),
        ] {
            let Wrong(text) = evaluate(text, &names()).unwrap_err();
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn texts_are_filled() {
        assert_eq!(fill("layer{index + 1}.{in}.conv", &names()).unwrap(), "layer2.3.conv");
        assert!(fill("layer{index", &names()).is_err());
    }
}
