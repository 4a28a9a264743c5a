//! Keys that a sample does not have, learned from the types that read it.
//!
//! The readers of TOML and JSON are derived from types, and so are their errors: an unknown key is answered with
//! the keys that the type has, an unknown variant with all variants, and a wrong type with the right one. So every
//! key of every table is found by asking, also those that no example shows, and a value that it accepts is found by
//! correcting a wrong one until no error is left that says how.

use std::collections::{BTreeSet, VecDeque};

use super::{
    formats::Syntax,
    mutate::{EXTREMES, Random, extreme_texts},
};

/// A key that no type has.
const UNKNOWN: &str = "zz_unknown";
/// How often a value is corrected.
const CORRECTIONS: usize = 40;
/// How deep tables are followed.
const DEPTH: usize = 4;

/// A value of a key, as it is learned.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    /// As it is written.
    Plain(String),
    Table(Vec<(String, Value)>),
    List(Vec<Value>),
}

impl Value {
    fn number() -> Self {
        Self::Plain("1".to_owned())
    }

    fn text(text: &str) -> Self {
        Self::Plain(format!("\"{text}\""))
    }

    fn write(&self, syntax: Syntax) -> String {
        let sign = if syntax == Syntax::Toml { " = " } else { ": " };
        match self {
            Self::Plain(text) => text.clone(),
            Self::Table(entries) => {
                let entry = |(key, value): &(String, Self)| {
                    format!("{}{sign}{}", written_key(key, syntax), value.write(syntax))
                };
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(|item| item.write(syntax)).collect();
                format!("[{}]", items.join(", "))
            }
        }
    }

    /// Adds the names of a key with this value and of the keys within.
    fn name(&self, key: &str, names: &mut BTreeSet<String>) {
        match self {
            Self::Table(entries) => {
                for (inner, value) in entries.iter().filter(|(inner, _)| inner != UNKNOWN) {
                    value.name(&format!("{key}.{inner}"), names);
                }
            }
            Self::List(items) => items.iter().for_each(|item| item.name(key, names)),
            Self::Plain(_) => {}
        }
        names.insert(key.to_owned());
    }

    /// The value at a path of positions.
    fn at(&mut self, path: &[usize]) -> Option<&mut Self> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        match self {
            Self::Plain(_) => None,
            Self::Table(entries) => entries.get_mut(*first)?.1.at(rest),
            Self::List(items) => items.get_mut(*first)?.at(rest),
        }
    }

    /// The paths of all values within.
    fn paths(&self) -> Vec<Vec<usize>> {
        let inside: Vec<&Self> = match self {
            Self::Plain(_) => Vec::new(),
            Self::Table(entries) => entries.iter().map(|(_, value)| value).collect(),
            Self::List(items) => items.iter().collect(),
        };
        let mut all = vec![Vec::new()];
        for (at, value) in inside.into_iter().enumerate() {
            all.extend(value.paths().into_iter().map(|rest| [&[at][..], &rest].concat()));
        }
        all
    }
}

fn written_key(key: &str, syntax: Syntax) -> String {
    if syntax == Syntax::Toml { key.to_owned() } else { format!("\"{key}\"") }
}

/// Places of a text where a key can be written.
pub(super) fn places(text: &str, syntax: Syntax) -> Vec<usize> {
    let mut found = if syntax == Syntax::Toml { vec![0] } else { Vec::new() };
    let mut in_text = false;
    let mut at_line = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if at == 0 || text.as_bytes()[at - 1] != b'\\' => in_text = !in_text,
            b'{' if !in_text => found.push(at + 1),
            b'\n' => {
                in_text = false;
                let is_head = text[at_line..at].trim_start().starts_with('[')
                    && text[at_line..at].split('#').next().is_some_and(|line| {
                        line.trim_end().ends_with(']') && !line.contains(['=', ','])
                    });
                if syntax == Syntax::Toml && is_head {
                    found.push(at + 1);
                }
                at_line = at + 1;
            }
            _ => {}
        }
    }
    found
}

/// The text with one more key.
fn with_key(text: &str, at: usize, key: &str, value: &Value, syntax: Syntax) -> String {
    let entry = match syntax {
        Syntax::Toml => format!("{key} = {}", value.write(syntax)),
        _ => format!("\"{key}\": {}", value.write(syntax)),
    };
    let (before, after) = text.split_at(at);
    let end = if syntax == Syntax::Toml && !before.ends_with('{') {
        "\n"
    } else if after.trim_start().starts_with('}') {
        ""
    } else {
        ", "
    };
    format!("{before}{entry}{end}{after}")
}

/// What an error says that helps to correct a value.
#[derive(Debug, PartialEq)]
enum Hint {
    /// The keys of the table that has the unknown key.
    Keys(Vec<String>),
    Variants(Vec<String>),
    Missing(String),
    Type(&'static str),
    None,
}

/// The words in backquotes.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn hint(said: &str) -> Hint {
    for line in said.lines() {
        if let Some((_, rest)) = line.split_once(&format!("`{UNKNOWN}`")) {
            let expected = rest.split_once("expected ").map_or("", |(_, expected)| expected);
            let names = quoted(expected);
            return if line.contains("unknown variant") {
                Hint::Variants(names)
            } else {
                Hint::Keys(names)
            };
        }
        if let Some((_, rest)) = line.split_once("missing field ")
            && let Some(name) = quoted(rest).into_iter().next()
        {
            return Hint::Missing(name);
        }
        if let Some((_, rest)) = line.split_once("invalid type: ") {
            let expected = rest.split_once("expected ").map_or(rest, |(_, expected)| expected);
            let kinds = [
                // A choice, in TOML.
                ("string or table", "text"),
                ("struct ", "table"),
                ("map", "table"),
                ("table", "table"),
                ("sequence", "list"),
                ("array", "list"),
                ("tuple", "list"),
                ("bool", "bool"),
                ("f64", "float"),
                ("f32", "float"),
                ("float", "float"),
                ("path", "text"),
                ("string", "text"),
                ("enum", "text"),
                ("variant", "text"),
                ("integer", "number"),
                ("nonzero", "number"),
                ("usize", "number"),
                ("u8", "number"),
                ("u16", "number"),
                ("u32", "number"),
                ("u64", "number"),
                ("i32", "number"),
                ("i64", "number"),
            ];
            if let Some((_, kind)) = kinds.iter().find(|(word, _)| expected.contains(word)) {
                return Hint::Type(kind);
            }
        }
        if line.contains("invalid length 0") {
            return Hint::Type("list");
        }
    }
    Hint::None
}

/// What is learned about the inputs of a format.
#[derive(Debug, Default)]
pub(super) struct Learned {
    /// The keys that the samples do not have, with those of their tables: `isolation`, `isolation.rest_s`.
    pub(super) names: BTreeSet<String>,
    /// The samples with such keys, each with an extreme value.
    pub(super) inputs: Vec<Vec<u8>>,
    /// Tables, by all their keys, and keys that were tried in them.
    tried: BTreeSet<(Vec<String>, String)>,
}

impl Learned {
    /// Learns from a sample. `ask` gives an input to the program and returns what it said, or nothing if it accepted the
    /// input or the time is up.
    pub(super) fn add(
        &mut self,
        sample: &str,
        syntax: Syntax,
        random: &mut Random,
        ask: &mut dyn FnMut(&str) -> Option<String>,
    ) {
        let mut places = places(sample, syntax);
        random.shuffle(&mut places);
        for at in places {
            let mut try_one =
                |key: &str, value: &Value| ask(&with_key(sample, at, key, value, syntax));
            let Some(said) = try_one(UNKNOWN, &Value::number()) else { continue };
            let Hint::Keys(keys) = hint(&said) else { continue };
            for key in &keys {
                if self.tried.contains(&(keys.clone(), key.clone())) {
                    continue;
                }
                // Nothing is said if the time is up, and of a number that is right.
                let said = try_one(key, &Value::number());
                if said.is_some_and(|said| said.contains("duplicate")) {
                    continue;
                }
                self.tried.insert((keys.clone(), key.clone()));
                for value in values(key, &mut try_one) {
                    value.name(key, &mut self.names);
                    for extreme in extremes(&value) {
                        let input = with_key(sample, at, key, &extreme, syntax);
                        self.inputs.push(input.into_bytes());
                    }
                }
            }
        }
    }
}

/// The values that a key accepts, one for each variant and each key of its table, as far as the errors show.
fn values(key: &str, ask: &mut dyn FnMut(&str, &Value) -> Option<String>) -> Vec<Value> {
    let mut done: Vec<Value> = Vec::new();
    let mut open = VecDeque::from([(Value::number(), Vec::new())]);
    // Of a type with very many variants, some are enough. What is near the root comes first.
    while let Some((value, cursor)) = open.pop_front() {
        if done.len() > 60 {
            break;
        }
        let (value, others) = corrected(key, value, cursor, ask);
        open.extend(others.into_iter().filter(|(_, cursor)| cursor.len() <= DEPTH));
        if !done.contains(&value) {
            done.push(value);
        }
    }
    done
}

/// A value corrected until the program has no more hints, and other values that were hinted at.
fn corrected(
    key: &str,
    mut value: Value,
    mut cursor: Vec<usize>,
    ask: &mut dyn FnMut(&str, &Value) -> Option<String>,
) -> (Value, Vec<(Value, Vec<usize>)>) {
    let mut others = Vec::new();
    let mut asked_for_keys: Vec<Vec<usize>> = Vec::new();
    for _ in 0..CORRECTIONS {
        let Some(said) = ask(key, &value) else { break };
        let Some(here) = value.at(&cursor) else { break };
        match hint(&said) {
            Hint::Type("table") if cursor.len() < DEPTH => {
                // Asks for the table's keys first.
                *here = Value::Table(vec![(UNKNOWN.to_owned(), Value::number())]);
                asked_for_keys.push(cursor.clone());
            }
            Hint::Type("list") => {
                *here = Value::List(vec![Value::number()]);
                cursor.push(0);
            }
            Hint::Type("bool") => *here = Value::Plain("true".to_owned()),
            Hint::Type("float") => *here = Value::Plain("1.0".to_owned()),
            Hint::Type("text") if *here != Value::text(UNKNOWN) => *here = Value::text(UNKNOWN),
            Hint::Type("number") if *here != Value::number() => *here = Value::number(),
            Hint::Variants(names) => {
                let Some((first, rest)) = names.split_first() else { break };
                for name in rest {
                    let mut other = value.clone();
                    if let Some(place) = other.at(&cursor) {
                        *place = Value::text(name);
                        others.push((other, cursor.clone()));
                    }
                }
                // Variants with data are tables with one key.
                for name in &names {
                    let mut other = value.clone();
                    let unknown = (UNKNOWN.to_owned(), Value::number());
                    let table = Value::Table(vec![(name.clone(), Value::Table(vec![unknown]))]);
                    if let Some(place) = other.at(&cursor) {
                        *place = table;
                        others.push((other, [&cursor[..], &[0]].concat()));
                    }
                }
                if let Some(place) = value.at(&cursor) {
                    *place = Value::text(first);
                }
            }
            Hint::Keys(names) => {
                if let Value::Table(entries) = here {
                    entries.retain(|(name, _)| name != UNKNOWN);
                    let plain = value.clone();
                    for name in names {
                        let mut other = plain.clone();
                        if let Some(Value::Table(entries)) = other.at(&cursor) {
                            entries.push((name, Value::number()));
                            let last = entries.len() - 1;
                            others.push((other, [&cursor[..], &[last]].concat()));
                        }
                    }
                } else {
                    break;
                }
            }
            Hint::Missing(name) => {
                // The table is this value or one around it.
                loop {
                    if let Some(Value::Table(entries)) = value.at(&cursor)
                        && entries.iter().all(|(known, _)| *known != name)
                    {
                        entries.push((name, Value::number()));
                        cursor.push(entries.len() - 1);
                        break;
                    }
                    if cursor.pop().is_none() {
                        return (value, others);
                    }
                }
            }
            _ => break,
        }
    }
    (value, others)
}

/// A value with each part replaced by each extreme value.
fn extremes(value: &Value) -> Vec<Value> {
    let mut all = vec![value.clone()];
    for path in value.paths() {
        let mut add = |new: Value| {
            let mut changed = value.clone();
            if let Some(place) = changed.at(&path) {
                *place = new;
                all.push(changed);
            }
        };
        EXTREMES.iter().for_each(|text| add(Value::Plain((*text).to_owned())));
        extreme_texts().iter().for_each(|text| add(Value::text(text)));
        add(Value::Table(Vec::new()));
        add(Value::List(vec![Value::number(); 1000]));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers as serde does for a table with the keys `size` (required), `law` and `list`.
    fn reader(input: &str) -> Option<String> {
        let inside = input.split_once("queue = ").map_or("", |(_, rest)| rest);
        let said = if input.contains(&format!("\n{UNKNOWN} = ")) {
            "unknown field `zz_unknown`, expected one of `seed`, `queue`"
        } else if input.contains("\nseed = 1\nseed") {
            "duplicate key"
        } else if inside.starts_with('1') {
            "invalid type: integer `1`, expected struct Queue"
        } else if inside.contains("law = 1") {
            "invalid type: integer `1`, expected string or table"
        } else if inside.contains(&format!("\"{UNKNOWN}\"")) {
            "unknown variant `zz_unknown`, expected `even` or `table`"
        } else if inside.contains(&format!("{{{UNKNOWN}")) {
            "unknown field `zz_unknown`, expected one of `size`, `law`"
        } else if inside.starts_with('{') && !inside.contains("size") {
            "missing field `size`"
        } else {
            return None;
        };
        Some(said.to_owned())
    }

    #[test]
    fn keys_variants_and_required_keys_are_learned() {
        let mut random = Random::new(1);
        let sample = "\nseed = 1\n";
        let at = sample.len();
        let learned = values("queue", &mut |key, value| {
            reader(&with_key(sample, at, key, value, Syntax::Toml))
        });
        let written: Vec<String> = learned.iter().map(|value| value.write(Syntax::Toml)).collect();
        assert!(written.contains(&"{size = 1}".to_owned()), "{:?}", &written[..3]);
        assert!(written.contains(&"{law = \"even\", size = 1}".to_owned()));
        assert!(written.contains(&"{law = \"table\", size = 1}".to_owned()));
        assert!(places("a = { b = 1 }\n[x]\n[[y]] # z\nc = [1]\n", Syntax::Toml).len() == 4);
        let mut learned = Learned::default();
        learned
            .add("\n[a]\n", Syntax::Toml, &mut random, &mut |input| reader(&format!("\n{input}")));
        let names: Vec<&str> = learned.names.iter().map(String::as_str).collect();
        assert_eq!(names[..3], ["queue", "queue.law", "queue.law.even"]);
        assert!(names.contains(&"queue.size") && names.contains(&"seed"));
        assert!(learned.inputs.len() > 200);
    }

    #[test]
    fn a_key_of_json_is_written_in_its_place() {
        let text = "{\"a\": {}}";
        let at = places(text, Syntax::Json);
        let written = |at| with_key(text, at, "k", &Value::text("v"), Syntax::Json);
        assert_eq!(written(at[0]), "{\"k\": \"v\", \"a\": {}}");
        assert_eq!(written(at[1]), "{\"a\": {\"k\": \"v\"}}");
    }
}
