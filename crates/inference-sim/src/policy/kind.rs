//! The kinds of policies that a description can name.

use super::key::PolicyKey;

/// A kind of batching policy that a description can name, with its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyKind {
    name: &'static str,
    summary: &'static str,
    keys: &'static [PolicyKey],
}

impl PolicyKind {
    /// The value of `policy`; what it serves, in a few words; and all keys that it uses.
    pub(super) const fn new(
        name: &'static str,
        summary: &'static str,
        keys: &'static [PolicyKey],
    ) -> Self {
        Self { name, summary, keys }
    }

    /// Its name in a description, such as `window`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// What it serves, in a few words.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        self.summary
    }

    /// The keys that it uses besides `policy`.
    #[must_use]
    pub const fn keys(self) -> &'static [PolicyKey] {
        self.keys
    }

    /// Its name in messages.
    pub(super) fn label(self) -> String {
        format!("`policy = \"{}\"`", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_a_key_has_one_type() {
        let mut names: Vec<_> = PolicyKind::all().map(PolicyKind::name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        let keys: Vec<_> = PolicyKind::all().flat_map(PolicyKind::keys).collect();
        for key in &keys {
            assert!(key.path.starts_with("batching."), "{key:?}");
            assert!(keys.iter().all(|other| other.path != key.path || other.value == key.value));
        }
    }
}
