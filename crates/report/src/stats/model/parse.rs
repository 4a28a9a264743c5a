//! The parser of formulas.

use std::str::FromStr;

use super::{
    formula::{Formula, NamedColumn, RandomEffects, Repeated, Term},
    role::Role,
};
use crate::stats::StatsError;

/// Longest formula in characters, and most terms of one.
const LONGEST: usize = 4096;
const MOST_TERMS: usize = 512;
/// Deepest parentheses.
const DEEPEST: usize = 32;

/// Terms in the order of their appearance; each holds positions of columns, ascending.
#[derive(Clone, Debug, Default, PartialEq)]
struct TermSet {
    terms: Vec<Vec<usize>>,
    /// `Some(false)` after `0 +` or `- 1`.
    intercept: Option<bool>,
}

/// What a formula says.
#[derive(Debug)]
struct Parsed {
    response: String,
    fixed: TermSet,
    random: Vec<RandomEffects>,
    repeated: Option<Repeated>,
}

/// A piece of a formula.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Name(String),
    Number(String),
    Sign(char),
    /// `||`
    Bars,
}

impl FromStr for Formula {
    type Err = StatsError;

    fn from_str(text: &str) -> Result<Self, StatsError> {
        let mut parser = Parser::new(text)?;
        let parsed = parser.formula()?;
        let columns = std::mem::take(&mut parser.columns);
        if let Some(column) = columns.iter().find(|column| column.name == parsed.response) {
            return Err(parser.error(&format!(
                "`{}` is the response and also on the right, expected it on one side",
                column.name
            )));
        }
        let TermSet { mut terms, .. } = parsed.fixed;
        // The sort is stable.
        terms.sort_by_key(Vec::len);
        Ok(Self {
            response: parsed.response,
            columns,
            fixed: terms.into_iter().map(Term).collect(),
            random: parsed.random,
            repeated: parsed.repeated,
        })
    }
}

/// Reads a formula from left to right.
struct Parser {
    text: String,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    columns: Vec<NamedColumn>,
    random: Vec<RandomEffects>,
    repeated: Option<Repeated>,
}

impl Parser {
    fn new(text: &str) -> Result<Self, StatsError> {
        let mut parser = Self {
            text: text.chars().take(LONGEST).collect(),
            tokens: Vec::new(),
            at: 0,
            depth: 0,
            columns: Vec::new(),
            random: Vec::new(),
            repeated: None,
        };
        if text.chars().nth(LONGEST).is_some() {
            let reason = format!("it has more than {LONGEST} characters");
            parser.text = format!("{}…", text.chars().take(40).collect::<String>());
            return Err(parser.error(&reason));
        }
        parser.tokens = parser.split(text)?;
        Ok(parser)
    }

    fn error(&self, reason: &str) -> StatsError {
        StatsError::Formula { formula: self.text.clone(), reason: reason.to_owned() }
    }

    fn split(&self, text: &str) -> Result<Vec<Token>, StatsError> {
        let mut tokens = Vec::new();
        let mut rest = text.chars().peekable();
        while let Some(letter) = rest.next() {
            let word = |rest: &mut std::iter::Peekable<std::str::Chars<'_>>| {
                let mut word = String::from(letter);
                while let Some(next) =
                    rest.next_if(|next| next.is_alphanumeric() || matches!(next, '_' | '.'))
                {
                    word.push(next);
                }
                word
            };
            match letter {
                letter if letter.is_whitespace() => {}
                '`' => {
                    let mut name = String::new();
                    loop {
                        match rest.next() {
                            Some('`') => break,
                            Some(letter) => name.push(letter),
                            None => return Err(self.error("a backtick is not closed")),
                        }
                    }
                    if name.is_empty() {
                        return Err(self.error("a name between backticks is empty"));
                    }
                    tokens.push(Token::Name(name));
                }
                '|' if rest.next_if_eq(&'|').is_some() => tokens.push(Token::Bars),
                '~' | '+' | '-' | '*' | '/' | ':' | '^' | '(' | ')' | '|' | ',' => {
                    tokens.push(Token::Sign(letter));
                }
                '0'..='9' => tokens.push(Token::Number(word(&mut rest))),
                letter if letter.is_alphabetic() || matches!(letter, '_' | '.') => {
                    tokens.push(Token::Name(word(&mut rest)));
                }
                letter => {
                    return Err(self.error(&format!(
                        "`{letter}` has no meaning in a formula; put names with such characters \
                         between backticks"
                    )));
                }
            }
        }
        Ok(tokens)
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn takes(&mut self, sign: char) -> bool {
        let found = self.peek() == Some(&Token::Sign(sign));
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: char) -> Result<(), StatsError> {
        if self.takes(sign) { Ok(()) } else { Err(self.unexpected(&format!("`{sign}`"))) }
    }

    fn unexpected(&self, expected: &str) -> StatsError {
        let found = match self.peek() {
            Some(Token::Name(text) | Token::Number(text)) => format!("`{text}`"),
            Some(Token::Sign(sign)) => format!("`{sign}`"),
            Some(Token::Bars) => "`||`".to_owned(),
            None => "its end".to_owned(),
        };
        self.error(&format!("found {found}, expected {expected}"))
    }

    fn formula(&mut self) -> Result<Parsed, StatsError> {
        let response = match self.peek().cloned() {
            Some(Token::Name(name)) => name,
            _ => return Err(self.unexpected("the column of the response, as in `y ~ a + b`")),
        };
        self.at += 1;
        self.expect('~')?;
        let fixed = self.sum(true)?;
        if self.peek().is_some() {
            return Err(self.unexpected("`+` or the end"));
        }
        if fixed.intercept == Some(false) {
            return Err(
                self.error("a model without an intercept is not supported; remove `0 +` or `- 1`")
            );
        }
        let (random, repeated) = (std::mem::take(&mut self.random), self.repeated.take());
        if repeated.is_some() && !random.is_empty() {
            return Err(self.error("`Error(…)` and `(…|…)` cannot be combined; keep one of them"));
        }
        Ok(Parsed { response, fixed, random, repeated })
    }

    /// `a + b - c`. Random effects are allowed at the top only.
    fn sum(&mut self, top: bool) -> Result<TermSet, StatsError> {
        let mut sum = TermSet::default();
        self.takes('+');
        let mut minus = self.takes('-');
        loop {
            if top && self.is_random() {
                if minus {
                    return Err(self.error("random effects cannot be subtracted"));
                }
                self.random_effects()?;
            } else {
                let part = self.product(top)?;
                let switched = part.intercept.map(|intercept| intercept != minus);
                sum.intercept = switched.or(sum.intercept);
                for term in part.terms {
                    match sum.terms.iter().position(|other| *other == term) {
                        Some(at) if minus => {
                            sum.terms.remove(at);
                        }
                        None if !minus => sum.terms.push(term),
                        _ => {}
                    }
                }
                self.check_size(sum.terms.len())?;
            }
            minus = match self.peek() {
                Some(Token::Sign('+')) => false,
                Some(Token::Sign('-')) => true,
                _ => return Ok(sum),
            };
            self.at += 1;
        }
    }

    fn check_size(&self, terms: usize) -> Result<(), StatsError> {
        if terms <= MOST_TERMS {
            return Ok(());
        }
        Err(self.error(&format!("it has more than {MOST_TERMS} terms; leave out interactions")))
    }

    /// `a * b / c`, from left to right.
    fn product(&mut self, top: bool) -> Result<TermSet, StatsError> {
        let mut left = self.interaction(top)?;
        loop {
            let nested = match self.peek() {
                Some(Token::Sign('*')) => false,
                Some(Token::Sign('/')) => true,
                _ => return Ok(left),
            };
            self.at += 1;
            let right = self.interaction(top)?;
            self.check_columns(&left, &right)?;
            let joined = if nested {
                // b within each combination of levels of everything on the left.
                let mut all: Vec<usize> = left.terms.concat();
                all.sort_unstable();
                all.dedup();
                self.crossed(&TermSet { terms: vec![all], intercept: None }, &right)?
            } else {
                self.crossed(&left, &right)?
            };
            let mut terms = left.terms;
            if !nested {
                terms.extend(right.terms);
            }
            terms.extend(joined.terms);
            left = TermSet { terms: unique(terms), intercept: None };
            self.check_size(left.terms.len())?;
        }
    }

    /// `a : b`.
    fn interaction(&mut self, top: bool) -> Result<TermSet, StatsError> {
        let mut left = self.power(top)?;
        while self.takes(':') {
            let right = self.power(top)?;
            self.check_columns(&left, &right)?;
            left = self.crossed(&left, &right)?;
        }
        Ok(left)
    }

    fn check_columns(&self, left: &TermSet, right: &TermSet) -> Result<(), StatsError> {
        if left.terms.is_empty() || right.terms.is_empty() {
            return Err(self.error("`*`, `/` and `:` stand between columns, not numbers"));
        }
        Ok(())
    }

    fn crossed(&self, left: &TermSet, right: &TermSet) -> Result<TermSet, StatsError> {
        self.check_size(left.terms.len().saturating_mul(right.terms.len()))?;
        let pairs = left.terms.iter().flat_map(|a| right.terms.iter().map(move |b| (a, b)));
        let terms = pairs.map(|(a, b)| {
            let mut term = [a.as_slice(), b].concat();
            term.sort_unstable();
            term.dedup();
            term
        });
        Ok(TermSet { terms: unique(terms.collect()), intercept: None })
    }

    /// `(a + b)^2`.
    fn power(&mut self, top: bool) -> Result<TermSet, StatsError> {
        let base = self.primary(top)?;
        if !self.takes('^') {
            return Ok(base);
        }
        let exponent = match self.peek() {
            Some(Token::Number(number)) => number.parse::<u8>().ok().filter(|most| *most > 0),
            _ => None,
        };
        let Some(exponent) = exponent else {
            return Err(self.unexpected("a whole number after `^`, as in `(a + b)^2`"));
        };
        self.at += 1;
        let mut all = base.clone();
        for _ in 1..exponent {
            let mut terms = all.terms.clone();
            terms.extend(self.crossed(&all, &base)?.terms);
            let terms = unique(terms);
            if terms.len() == all.terms.len() {
                break;
            }
            self.check_size(terms.len())?;
            all.terms = terms;
        }
        Ok(all)
    }

    fn primary(&mut self, top: bool) -> Result<TermSet, StatsError> {
        match self.peek().cloned() {
            Some(Token::Number(number)) => {
                self.at += 1;
                let intercept = match number.as_str() {
                    "1" => true,
                    "0" => false,
                    _ => {
                        return Err(self.error(&format!(
                            "`{number}` has no meaning in a formula, expected a column, 0 or 1"
                        )));
                    }
                };
                Ok(TermSet { terms: Vec::new(), intercept: Some(intercept) })
            }
            Some(Token::Name(name)) => {
                self.at += 1;
                if self.takes('(') {
                    return self.function(&name, top);
                }
                if name == "." {
                    return Err(self.error("`.` is not supported; name the columns"));
                }
                let column = self.column(&name, Role::Unstated)?;
                Ok(TermSet { terms: vec![vec![column]], intercept: None })
            }
            Some(Token::Sign('(')) => {
                self.at += 1;
                self.depth += 1;
                if self.depth > DEEPEST {
                    return Err(self.error(&format!("more than {DEEPEST} parentheses are open")));
                }
                let inner = self.sum(false)?;
                if matches!(self.peek(), Some(Token::Sign('|') | Token::Bars)) {
                    return Err(self.error(
                        "random effects stand between `+`, outside of other parentheses: \
                         `y ~ a + (1|group)`",
                    ));
                }
                self.expect(')')?;
                self.depth -= 1;
                Ok(inner)
            }
            _ => Err(self.unexpected("a column")),
        }
    }

    /// What follows the parenthesis of `name(`.
    fn function(&mut self, name: &str, top: bool) -> Result<TermSet, StatsError> {
        let role = match name {
            "factor" | "as.factor" | "C" => Role::Factor,
            "covariate" | "as.numeric" => Role::Covariate,
            "Error" if top && self.repeated.is_none() => {
                self.repeated = Some(self.error_strata()?);
                return Ok(TermSet::default());
            }
            _ => {
                return Err(self.error(&format!(
                    "`{name}(…)` is not supported; add a column with these values to the file"
                )));
            }
        };
        let Some(Token::Name(column)) = self.peek().cloned() else {
            return Err(self.unexpected("the name of a column"));
        };
        self.at += 1;
        self.expect(')')?;
        let column = self.column(&column, role)?;
        Ok(TermSet { terms: vec![vec![column]], intercept: None })
    }

    fn column(&mut self, name: &str, role: Role) -> Result<usize, StatsError> {
        let Some(at) = self.columns.iter().position(|column| column.name == name) else {
            self.columns.push(NamedColumn { name: name.to_owned(), role });
            return Ok(self.columns.len() - 1);
        };
        match (self.columns[at].role, role) {
            (_, Role::Unstated) => {}
            (Role::Unstated, _) => self.columns[at].role = role,
            (stated, role) if stated != role => {
                return Err(self.error(&format!("`{name}` is both a factor and a covariate")));
            }
            _ => {}
        }
        Ok(at)
    }

    /// Whether a parenthesis begins here that has a bar of its own.
    fn is_random(&self) -> bool {
        if self.peek() != Some(&Token::Sign('(')) {
            return false;
        }
        let mut depth = 0_usize;
        for token in &self.tokens[self.at..] {
            match token {
                Token::Sign('(') => depth += 1,
                Token::Sign(')') if depth == 1 => return false,
                Token::Sign(')') => depth -= 1,
                Token::Sign('|') | Token::Bars if depth == 1 => return true,
                _ => {}
            }
        }
        false
    }

    /// `(1 + x | group)`.
    fn random_effects(&mut self) -> Result<(), StatsError> {
        self.expect('(')?;
        let effects = self.sum(false)?;
        let correlated = match self.peek() {
            Some(Token::Sign('|')) => true,
            Some(Token::Bars) => false,
            _ => return Err(self.unexpected("`|`")),
        };
        self.at += 1;
        let groups = self.product(false)?;
        self.expect(')')?;
        if groups.terms.is_empty() {
            return Err(
                self.error("right of `|` stands a number, expected the column of the groups")
            );
        }
        let slopes: Vec<usize> = effects
            .terms
            .iter()
            .map(|term| match term.as_slice() {
                [column] => Ok(*column),
                _ => Err(self.error(
                    "an interaction left of `|` is not supported; add its values to the file as a column",
                )),
            })
            .collect::<Result<_, _>>()?;
        let intercept = effects.intercept.unwrap_or(true);
        if !intercept && slopes.is_empty() {
            return Err(self.error("left of `|` is nothing that varies, expected `1` or a column"));
        }
        for group in groups.terms {
            if slopes.iter().any(|slope| group.contains(slope)) {
                return Err(self.error("a column stands on both sides of `|`"));
            }
            let (slopes, group) = (slopes.clone(), Term(group));
            self.random.push(RandomEffects { intercept, slopes, group, correlated });
        }
        Ok(())
    }

    /// `subject/(a*b))` after `Error(`.
    fn error_strata(&mut self) -> Result<Repeated, StatsError> {
        let form = "expected `Error(subject/(a*b))` with the columns that vary within a subject; for \
                    blocks write `block + …` or `(1|block)`";
        let strata = self.sum(false)?;
        self.expect(')')?;
        let Some([subject]) = strata.terms.first().map(Vec::as_slice) else {
            return Err(self.error(form));
        };
        let mut within: Vec<usize> = Vec::new();
        for term in &strata.terms[1..] {
            if !term.contains(subject) {
                return Err(self.error(form));
            }
            for column in term.iter().filter(|column| *column != subject) {
                if !within.contains(column) {
                    within.push(*column);
                }
            }
        }
        if within.is_empty() {
            return Err(self.error(form));
        }
        Ok(Repeated { subject: *subject, within })
    }
}

fn unique(terms: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
    let mut seen = std::collections::BTreeSet::new();
    terms.into_iter().filter(|term| seen.insert(term.clone())).collect()
}
