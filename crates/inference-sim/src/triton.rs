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
#[non_exhaustive]
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
    /// `dynamic_batching.default_queue_policy`
    pub default_policy: TritonQueuePolicy,
    /// `dynamic_batching.priority_levels`; 0, the default, for no levels.
    pub levels: u32,
    /// `dynamic_batching.default_priority_level`: that of requests without level.
    pub default_level: u32,
    /// `dynamic_batching.priority_queue_policy`: levels with policies of their own.
    pub level_policies: Vec<(u32, TritonQueuePolicy)>,
    /// How many instances `instance_group` asks for; 1 without that block.
    pub instances: usize,
    /// What else the file says about when requests are served, which is not simulated.
    pub not_simulated: Vec<String>,
}

/// What a `config.pbtxt` says about a queue (Triton's `ModelQueuePolicy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TritonQueuePolicy {
    /// `timeout_action` is `DELAY`: requests that are out of time are served after the others. With
    /// `REJECT`, the default, they are rejected.
    pub delays: bool,
    /// `default_timeout_microseconds`; with 0, the default, requests never are out of time.
    pub timeout_us: u64,
    /// `allow_timeout_override`: a request may have a shorter timeout.
    pub allows_override: bool,
    /// `max_queue_size`; 0, the default, for no limit.
    pub max_size: usize,
}

/// An entry of `instance_group`.
#[derive(Clone, Copy, Debug)]
struct Group {
    count: usize,
    gpus: usize,
}

/// The most instances that a file may ask for.
const MOST_INSTANCES: usize = 1_000_000;

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
        let mut groups = Vec::new();
        let mut path: Vec<String> = Vec::new();
        let mut tokens = Tokens(text.chars().peekable());
        let mut lists: Vec<String> = Vec::new();
        let mut key = String::new();
        while let Some(token) = tokens.next() {
            match token.as_str() {
                "{" | "<" => {
                    // The blocks of a list have its name.
                    let name = std::mem::take(&mut key);
                    let of_list = lists.last().filter(|_| name.is_empty());
                    path.push(of_list.cloned().unwrap_or(name));
                    if path.len() > DEEPEST {
                        return Err(format!(
                            "it has more than {DEEPEST} blocks inside one another"
                        ));
                    }
                    if path.len() == 1 && path[0] == "instance_group" {
                        groups.push(Group { count: 1, gpus: 0 });
                    }
                    found.enter(&path);
                }
                "}" | ">" => {
                    path.pop().ok_or("unmatched `}`")?;
                    key.clear();
                }
                "[" => {
                    lists.push(key.clone());
                    if lists.len() > DEEPEST {
                        return Err(format!("it has more than {DEEPEST} lists inside one another"));
                    }
                }
                "]" => {
                    lists.pop().ok_or("unmatched `]`")?;
                    key.clear();
                }
                ":" | "," | ";" => {}
                _ if [':', '{', '[', '<'].into_iter().any(|sign| tokens.peek(sign)) => key = token,
                value => {
                    let full = format!("{}.{key}", path.join("."));
                    let full = full.trim_start_matches('.');
                    match (full, groups.last_mut()) {
                        ("instance_group.count", Some(group)) => {
                            group.count = number(full, value)?;
                        }
                        ("instance_group.gpus", Some(group)) => group.gpus += 1,
                        _ => found.set(full, value)?,
                    }
                }
            }
        }
        if !path.is_empty() || !lists.is_empty() {
            return Err("the file ends inside a block: expected a closing `}` or `]`".to_owned());
        }
        let instances = groups.iter().map(|group| group.count.saturating_mul(group.gpus.max(1)));
        found.instances = instances.fold(0, usize::saturating_add).max(1);
        if found.instances > MOST_INSTANCES {
            return Err(format!("`instance_group` has more than {MOST_INSTANCES} instances"));
        }
        found.check_levels()?;
        Ok(found)
    }

    /// Levels as Triton checks them.
    fn check_levels(&self) -> Result<(), String> {
        if self.levels > 0 && !(1..=self.levels).contains(&self.default_level) {
            return Err(format!(
                "`default_priority_level` is {}: expected 1 to `priority_levels`, which is {}",
                self.default_level, self.levels
            ));
        }
        match self.level_policies.iter().find(|(level, _)| !(1..=self.levels).contains(level)) {
            Some((level, _)) => Err(format!(
                "`priority_queue_policy` has the level {level}: expected 1 to `priority_levels`, \
                 which is {}",
                self.levels
            )),
            None => Ok(()),
        }
    }

    /// The level of a request: its own, if there is such a level.
    pub(crate) fn level(&self, of_request: u32) -> u32 {
        if (1..=self.levels).contains(&of_request) { of_request } else { self.default_level }
    }

    /// The policy of a level's queue.
    pub(crate) fn queue_policy(&self, level: u32) -> TritonQueuePolicy {
        let own = self.level_policies.iter().rev().find(|(other, _)| *other == level);
        own.map_or(self.default_policy, |(_, policy)| *policy)
    }

    /// The policies of all levels.
    pub(crate) fn queue_policies(&self) -> impl Iterator<Item = TritonQueuePolicy> {
        let all = self.level_policies.len() == self.levels as usize && self.levels > 0;
        let default = (!all).then_some(self.default_policy);
        self.level_policies.iter().map(|(_, policy)| *policy).chain(default)
    }

    /// Notes the beginning of a block.
    fn enter(&mut self, path: &[String]) {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        match names.as_slice() {
            ["dynamic_batching"] => self.dynamic = true,
            [name @ ("sequence_batching" | "ensemble_scheduling")] => self.leave_out(name),
            ["dynamic_batching", "priority_queue_policy"] => {
                self.level_policies.push((0, TritonQueuePolicy::default()));
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
        let inner = key.strip_prefix("dynamic_batching.").unwrap_or_default();
        let own = self.level_policies.last_mut();
        if let Some(name) = inner.strip_prefix("default_queue_policy.") {
            return self.default_policy.set(name, key, value);
        }
        if let (Some(name), Some((level, policy))) =
            (inner.strip_prefix("priority_queue_policy."), own)
        {
            return match name.strip_prefix("value.") {
                Some(name) => policy.set(name, key, value),
                None => {
                    *level = number(key, value)?;
                    Ok(())
                }
            };
        }
        match key {
            "max_batch_size" => self.max_batch_size = number(key, value)?,
            "dynamic_batching.preferred_batch_size" => {
                self.preferred_sizes.push(number(key, value)?);
            }
            "dynamic_batching.max_queue_delay_microseconds" => self.delay_us = number(key, value)?,
            "dynamic_batching.priority_levels" => self.levels = number(key, value)?,
            "dynamic_batching.default_priority_level" => self.default_level = number(key, value)?,
            key if !inner.is_empty() && !is_off(value) => self.leave_out(key),
            _ => {}
        }
        Ok(())
    }
}

impl TritonQueuePolicy {
    /// Sets the field `name`; `key` is its whole name.
    fn set(&mut self, name: &str, key: &str, value: &str) -> Result<(), String> {
        match (name, value.trim_matches('"')) {
            ("timeout_action", "REJECT" | "0") => self.delays = false,
            ("timeout_action", "DELAY" | "1") => self.delays = true,
            ("default_timeout_microseconds", value) => self.timeout_us = number(key, value)?,
            ("allow_timeout_override", "true" | "1" | "t" | "True") => self.allows_override = true,
            ("allow_timeout_override", "false" | "0" | "f" | "False") => {
                self.allows_override = false;
            }
            ("max_queue_size", value) => self.max_size = number(key, value)?,
            (_, value) => return Err(format!("`{key}` is `{value}`, which Triton does not know")),
        }
        Ok(())
    }
}

fn number<T: std::str::FromStr>(key: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("`{key}` is `{value}`: expected a whole number"))
}

/// Whether a value switches something off, as the default does.
fn is_off(value: &str) -> bool {
    matches!(value, "0" | "false")
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
