//! The batching part of a Triton model configuration.

use std::{iter::Peekable, path::Path, str::Chars};

use units::{limits, read_text};

use crate::error::ConfigError;

/// What a `config.pbtxt` of the Triton inference server says about batching: its `max_batch_size`
/// and its `dynamic_batching` block. Everything else in it is ignored. For the policy see
/// [`crate::Triton`].
///
/// Source: Triton's model configuration, "Dynamic Batcher" and "Queue Policy".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DynamicBatching {
    /// `max_batch_size`; with 0, the default, Triton does not batch.
    pub max_batch_size: usize,
    /// Whether there is a `dynamic_batching` block; without one, Triton does not batch.
    pub dynamic: bool,
    /// `dynamic_batching.preferred_batch_size`
    pub preferred_sizes: Vec<usize>,
    /// `dynamic_batching.max_queue_delay_microseconds`; with 0, the default, a batch does not wait
    /// to be filled.
    pub delay_us: u64,
    /// `dynamic_batching.default_queue_policy.max_queue_size`; 0, the default, for no limit.
    pub max_queue_size: usize,
    /// What else the file says about when requests are served, which is not simulated.
    pub not_simulated: Vec<String>,
}

/// Blocks inside blocks that a file may have.
const DEEPEST: usize = 64;

impl DynamicBatching {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError::Triton`] for a file that cannot be read or parsed.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let wrong = |found: String| ConfigError::Triton { path: path.to_owned(), found };
        let text = read_text(path, limits::CONFIG_BYTES.max());
        let text = text.map_err(|error| wrong(error.to_string()))?;
        Self::parse(&text).map_err(wrong)
    }

    /// Parses protobuf's text format.
    ///
    /// # Errors
    /// What is wrong with the text, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut found = Self::default();
        let mut path: Vec<String> = Vec::new();
        let mut tokens = Tokens(text.chars().peekable());
        let mut list = false;
        let mut key = String::new();
        while let Some(token) = tokens.next() {
            match token.as_str() {
                "{" | "<" => {
                    path.push(std::mem::take(&mut key));
                    if path.len() > DEEPEST {
                        return Err(format!(
                            "it has more than {DEEPEST} blocks inside one another"
                        ));
                    }
                    found.enter(&path);
                }
                "}" | ">" => {
                    path.pop().ok_or("unmatched `}`")?;
                }
                "[" => list = true,
                "]" => list = false,
                ":" | "," | ";" => {}
                _ if [':', '{', '[', '<'].into_iter().any(|sign| tokens.peek(sign)) => key = token,
                value => {
                    let full = format!("{}.{key}", path.join("."));
                    found.set(full.trim_start_matches('.'), value)?;
                }
            }
        }
        if !path.is_empty() || list {
            return Err("the file ends inside a block: expected a closing `}` or `]`".to_owned());
        }
        Ok(found)
    }

    /// Notes the beginning of a block.
    fn enter(&mut self, path: &[String]) {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        match names.as_slice() {
            ["dynamic_batching"] => self.dynamic = true,
            [name @ ("sequence_batching" | "ensemble_scheduling")] => self.leave_out(name),
            ["dynamic_batching", name @ "priority_queue_policy"] => {
                self.leave_out(&format!("dynamic_batching.{name}"));
            }
            _ => {}
        }
    }

    fn leave_out(&mut self, name: &str) {
        if !self.not_simulated.iter().any(|other| other == name) {
            self.not_simulated.push(name.to_owned());
        }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let number =
            || value.parse().map_err(|_| format!("`{key}` is `{value}`: expected a whole number"));
        match key {
            "max_batch_size" => self.max_batch_size = number()?,
            "dynamic_batching.preferred_batch_size" => self.preferred_sizes.push(number()?),
            "dynamic_batching.max_queue_delay_microseconds" => self.delay_us = number()? as u64,
            "dynamic_batching.default_queue_policy.max_queue_size" => {
                self.max_queue_size = number()?;
            }
            "instance_group.count" if value != "1" => {
                self.leave_out(&format!(
                    "{key} {value} (`servers.count` sets the number of servers)"
                ));
            }
            key if key.starts_with("dynamic_batching.") && !is_off(value) => self.leave_out(key),
            _ => {}
        }
        Ok(())
    }
}

/// Whether a value switches something off, as the default does.
fn is_off(value: &str) -> bool {
    matches!(value, "0" | "false" | "REJECT")
}

struct Tokens<'a>(Peekable<Chars<'a>>);

impl Tokens<'_> {
    /// Whether this sign is next.
    fn peek(&mut self, sign: char) -> bool {
        self.skip();
        self.0.peek() == Some(&sign)
    }

    fn skip(&mut self) {
        while let Some(&next) = self.0.peek() {
            if next == '#' {
                while self.0.next_if(|&sign| sign != '\n').is_some() {}
            } else if !next.is_whitespace() {
                return;
            }
            self.0.next();
        }
    }
}

impl Iterator for Tokens<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        self.skip();
        let first = self.0.next()?;
        if "{}[]<>:,;".contains(first) {
            return Some(first.to_string());
        }
        let mut token = first.to_string();
        if first == '"' {
            for next in self.0.by_ref() {
                token.push(next);
                if next == '"' {
                    break;
                }
            }
        } else {
            while let Some(next) =
                self.0.next_if(|sign| !sign.is_whitespace() && !"{}[]<>:,;#".contains(*sign))
            {
                token.push(next);
            }
        }
        Some(token)
    }
}
