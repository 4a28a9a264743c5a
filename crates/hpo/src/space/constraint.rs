//! Constraints between parameters: `beta1 < beta2`, `layers * width <= 4096`.

use units::limits;

use crate::error::HpoError;

/// A comparison of two expressions, such as `layers * width <= 4096`.
///
/// An expression has numbers, names of parameters, `+ - * /`, parentheses and the functions `min`,
/// `max`, `abs`, `sqrt`, `ln`, `log2`, `log10` and `exp`. The comparison is one of `< <= > >= == !=`.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    text: String,
    left: Expression,
    comparison: Comparison,
    right: Expression,
}

#[derive(Clone, Debug, PartialEq)]
enum Expression {
    Number(f64),
    Name(String),
    Negative(Box<Self>),
    Binary(char, Box<Self>, Box<Self>),
    Call(String, Vec<Self>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

/// Functions, with the smallest and the largest number of their arguments.
const FUNCTIONS: [(&str, usize, usize); 8] = [
    ("min", 1, usize::MAX),
    ("max", 1, usize::MAX),
    ("abs", 1, 1),
    ("sqrt", 1, 1),
    ("ln", 1, 1),
    ("log2", 1, 1),
    ("log10", 1, 1),
    ("exp", 1, 1),
];

/// Longest first, so that `<=` is not read as `<`.
const COMPARISONS: [(&str, Comparison); 6] = [
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

impl Constraint {
    /// Parses a constraint.
    ///
    /// # Errors
    ///
    /// If the text is not a comparison of two expressions.
    pub fn parse(text: &str) -> Result<Self, HpoError> {
        let mut reader = Reader { rest: text, depth: 0, parts: 0 };
        let read = |reader: &mut Reader<'_>| {
            let left = reader.sum()?;
            let found = COMPARISONS.iter().find(|entry| reader.skip(entry.0));
            let comparison = found.ok_or_else(|| reader.expected("one of < <= > >= == !="))?.1;
            let right = reader.sum()?;
            reader.blank();
            if reader.rest.is_empty() {
                Ok((left, comparison, right))
            } else {
                Err(reader.expected("the end of the constraint"))
            }
        };
        match read(&mut reader) {
            Ok((left, comparison, right)) => {
                Ok(Self { text: text.trim().to_owned(), left, comparison, right })
            }
            Err(problem) => {
                let (text, problem) = (shortened(text), problem);
                Err(HpoError::Constraint { text, problem })
            }
        }
    }

    /// The constraint as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Names of the parameters in it.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.left.names(&mut names);
        self.right.names(&mut names);
        names
    }

    /// Whether the constraint holds. It also holds if one of its parameters has no value.
    pub(super) fn holds(&self, value: &impl Fn(&str) -> Option<f64>) -> bool {
        let (Some(left), Some(right)) = (self.left.value(value), self.right.value(value)) else {
            return true;
        };
        match self.comparison {
            Comparison::Less => left < right,
            Comparison::LessOrEqual => left <= right,
            Comparison::Greater => left > right,
            Comparison::GreaterOrEqual => left >= right,
            Comparison::Equal => left == right,
            Comparison::NotEqual => left != right && !(left.is_nan() || right.is_nan()),
        }
    }
}

impl Expression {
    fn names<'a>(&'a self, names: &mut Vec<&'a str>) {
        match self {
            Self::Number(_) => {}
            Self::Name(name) => names.push(name),
            Self::Negative(inner) => inner.names(names),
            Self::Binary(_, left, right) => {
                left.names(names);
                right.names(names);
            }
            Self::Call(_, arguments) => arguments.iter().for_each(|argument| argument.names(names)),
        }
    }

    fn value(&self, of: &impl Fn(&str) -> Option<f64>) -> Option<f64> {
        Some(match self {
            Self::Number(number) => *number,
            Self::Name(name) => of(name)?,
            Self::Negative(inner) => -inner.value(of)?,
            Self::Binary(operator, left, right) => {
                let (left, right) = (left.value(of)?, right.value(of)?);
                match operator {
                    '+' => left + right,
                    '-' => left - right,
                    '*' => left * right,
                    _ => left / right,
                }
            }
            Self::Call(name, arguments) => {
                let values: Option<Vec<f64>> =
                    arguments.iter().map(|argument| argument.value(of)).collect();
                let values = values?;
                let first = values.first().copied().unwrap_or(f64::NAN);
                match name.as_str() {
                    "min" => values.into_iter().fold(f64::INFINITY, f64::min),
                    "max" => values.into_iter().fold(f64::NEG_INFINITY, f64::max),
                    "abs" => first.abs(),
                    "sqrt" => first.sqrt(),
                    "ln" => first.ln(),
                    "log2" => first.log2(),
                    "log10" => first.log10(),
                    _ => first.exp(),
                }
            }
        })
    }
}

/// The beginning of a long text, for an error message.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A recursive-descent parser; its errors say what was expected and where.
struct Reader<'a> {
    rest: &'a str,
    /// Parentheses, signs and functions that are open.
    depth: u64,
    /// Numbers, names and operators so far.
    parts: u64,
}

impl<'a> Reader<'a> {
    fn blank(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn skip(&mut self, token: &str) -> bool {
        self.blank();
        let found = self.rest.strip_prefix(token);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn expected(&self, what: &str) -> String {
        let at = match self.rest {
            "" => "the end".to_owned(),
            rest => format!("`{}`", shortened(rest)),
        };
        format!("expected {what} at {at}")
    }

    fn binary(
        &mut self,
        operators: [char; 2],
        part: fn(&mut Self) -> Result<Expression, String>,
    ) -> Result<Expression, String> {
        let mut left = part(self)?;
        loop {
            self.blank();
            let Some(operator) =
                self.rest.chars().next().filter(|character| operators.contains(character))
            else {
                return Ok(left);
            };
            self.rest = &self.rest[1..];
            self.count()?;
            left = Expression::Binary(operator, Box::new(left), Box::new(part(self)?));
        }
    }

    fn sum(&mut self) -> Result<Expression, String> {
        self.binary(['+', '-'], |reader| reader.binary(['*', '/'], Self::factor))
    }

    /// Counts a part, which bounds the depth of the expression: a chain of operators is a deep tree.
    fn count(&mut self) -> Result<(), String> {
        self.parts += 1;
        let checked = limits::CONSTRAINT_PARTS.check(self.parts);
        checked.map(|_| ()).map_err(|error| format!("{error}; split it into several constraints"))
    }

    fn factor(&mut self) -> Result<Expression, String> {
        self.count()?;
        self.depth += 1;
        let too_deep =
            |error| format!("{error} of parentheses, signs and functions; simplify the constraint");
        limits::NESTING.check(self.depth).map_err(too_deep)?;
        let factor = self.inner_factor();
        self.depth -= 1;
        factor
    }

    fn inner_factor(&mut self) -> Result<Expression, String> {
        if self.skip("-") {
            return Ok(Expression::Negative(Box::new(self.factor()?)));
        }
        if self.skip("(") {
            let inner = self.sum()?;
            return if self.skip(")") { Ok(inner) } else { Err(self.expected("`)`")) };
        }
        if let Some(number) = self.number() {
            return Ok(Expression::Number(number));
        }
        let name = self.name().ok_or_else(|| self.expected("a number, a parameter or `(`"))?;
        if !self.skip("(") {
            return Ok(Expression::Name(name.to_owned()));
        }
        let known = FUNCTIONS.iter().find(|function| function.0 == name);
        let (_, least, most) = known.ok_or_else(|| {
            let names: Vec<&str> = FUNCTIONS.iter().map(|function| function.0).collect();
            format!("unknown function `{name}`; available functions: {}", names.join(", "))
        })?;
        let mut arguments = vec![self.sum()?];
        while self.skip(",") {
            arguments.push(self.sum()?);
        }
        if !self.skip(")") {
            return Err(self.expected("`,` or `)`"));
        }
        if !(*least..=*most).contains(&arguments.len()) {
            return Err(format!(
                "function `{name}` takes {least} argument, found {}",
                arguments.len()
            ));
        }
        Ok(Expression::Call(name.to_owned(), arguments))
    }

    fn number(&mut self) -> Option<f64> {
        if !self.rest.starts_with(|character: char| character.is_ascii_digit() || character == '.')
        {
            return None;
        }
        let mut end = self
            .rest
            .find(|character: char| !(character.is_ascii_digit() || character == '.'))
            .unwrap_or(self.rest.len());
        // An exponent, with its sign.
        if let Some(after) = self.rest[end..].strip_prefix(['e', 'E']) {
            let digits = after.strip_prefix(['+', '-']).unwrap_or(after);
            let count = digits.chars().take_while(char::is_ascii_digit).count();
            if count > 0 {
                end = self.rest.len() - digits.len() + count;
            }
        }
        let number = self.rest[..end].parse().ok()?;
        self.rest = &self.rest[end..];
        Some(number)
    }

    fn name(&mut self) -> Option<&'a str> {
        let end = self
            .rest
            .find(|character: char| {
                !(character.is_alphanumeric() || character == '_' || character == '.')
            })
            .unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!name.is_empty()).then_some(name)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::Constraint;

    fn of(name: &str) -> Option<f64> {
        match name {
            "a" => Some(2.0),
            "b.c" => Some(8.0),
            _ => None,
        }
    }

    #[test]
    fn a_constraint_is_evaluated_as_arithmetic() {
        for (text, expected) in [
            ("a + 3 * 2 == 8", true),
            ("(a + 3) * 2 == 10", true),
            ("a - 1 - 1 == 0", true),
            ("-a < 1e-3", true),
            ("b.c / a / 2 >= 2", true),
            ("a<b.c", true),
            ("a != 2", false),
            ("log2(b.c) == 3", true),
            ("max(a, b.c, 1) > min(9, 8.5)", false),
            ("sqrt(-a) >= 0", false),
            ("sqrt(-a) != 0", false),
            ("absent > a", true),
        ] {
            assert_eq!(Constraint::parse(text).unwrap().holds(&of), expected, "{text}");
        }
    }

    #[test]
    fn a_constraint_that_is_too_deep_or_too_long_is_refused() {
        let deep = |part: &str| format!("{}1 < 2", part.repeat(200_000));
        let closed = format!("{}1{} < 2", "(".repeat(100_000), ")".repeat(100_000));
        for text in [deep("-"), deep("("), deep("abs("), deep("- - ("), closed] {
            let error = Constraint::parse(&text).unwrap_err();
            assert!(error.to_string().contains("depth of nesting is 129"));
        }
        for text in [deep("1+"), deep("1*"), format!("1 < {}", deep("2/"))] {
            let error = Constraint::parse(&text).unwrap_err();
            assert!(error.to_string().contains("split it into several constraints"));
        }
        assert!(Constraint::parse(&format!("{}1{} < 2", "(".repeat(99), ")".repeat(99))).is_ok());
        assert!(Constraint::parse(&format!("{}1 < 2", "1+".repeat(400))).is_ok());
    }

    #[test]
    fn a_parse_error_says_what_was_expected_and_where() {
        for (text, part) in [
            ("a +", "expected a number, a parameter or `(` at the end"),
            ("a", "expected one of < <= > >= == !="),
            ("a < 1 b", "expected the end of the constraint at `b`"),
            ("(a < 1", "expected `)` at `< 1`"),
            ("sin(a) < 1", "unknown function `sin`; available functions: min, max"),
            ("abs(a, a) < 1", "function `abs` takes 1 argument, found 2"),
        ] {
            let error = Constraint::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
