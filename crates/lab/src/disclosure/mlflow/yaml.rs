//! The little YAML of MLflow's `meta.yaml`.

/// A text as a scalar in single quotes. Control characters, which YAML does not allow there, become
/// spaces.
pub(super) fn text(value: &str) -> String {
    let printable = value.replace(char::is_control, " ");
    format!("'{}'", printable.replace('\'', "''"))
}

/// The value of the key `name`, which PyYAML wrote: plain, in quotes, or folded over several lines.
pub(super) fn name_of(meta: &str) -> Option<String> {
    let mut lines = meta.lines().skip_while(|line| !line.starts_with("name:"));
    let mut value = lines.next()?.strip_prefix("name:")?.trim().to_owned();
    for more in lines.take_while(|line| line.starts_with([' ', '\t'])) {
        value.push(' ');
        value.push_str(more.trim());
    }
    if let Some(inside) = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return Some(inside.replace("''", "'"));
    }
    if value.starts_with('"') {
        // What PyYAML escapes is escaped in JSON, too, but for `\x41` and the like.
        let mut inside = String::new();
        let mut rest = value.as_str();
        while let Some((before, after)) = rest.split_once("\\x") {
            inside.push_str(before);
            inside.push_str("\\u00");
            rest = after;
        }
        inside.push_str(rest);
        return serde_json::from_str(&inside).ok();
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_pyyaml_writes_them() {
        // yaml.safe_dump({"name": …}, default_flow_style=False, allow_unicode=True) of PyYAML 6.0.
        for (line, expected) in [
            ("name: energy", "energy"),
            ("name: my runs", "my runs"),
            ("name: 'yes'", "yes"),
            ("name: '12'", "12"),
            ("name: 'it''s: mine'", "it's: mine"),
            ("name: größe", "größe"),
            ("name: \"a\\tb\"", "a\tb"),
            ("name: \"a\\x07b\"", "a\u{7}b"),
        ] {
            let meta = format!("experiment_id: '0'\nlifecycle_stage: active\n{line}\n");
            assert_eq!(name_of(&meta).as_deref(), Some(expected), "{line}");
            let ours = format!("name: {}\n", text(expected));
            if !expected.contains(char::is_control) {
                assert_eq!(name_of(&ours).as_deref(), Some(expected));
            }
        }
        let folded = "name: a name that is so long that it does not fit into one line of eighty\n  \
                      columns\n";
        assert!(name_of(folded).unwrap().ends_with("eighty columns"));
        assert_eq!(name_of("artifact: x\n"), None);
    }
}
