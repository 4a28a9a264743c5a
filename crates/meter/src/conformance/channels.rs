//! What is wrong with the channels of a plugin.

use std::collections::HashSet;

use crate::{
    plugin::Plugin,
    source::{Kind, Source},
};

/// A longer update period than this is taken for a wrong unit.
const LONGEST_PERIOD_S: f64 = 3_600.0;

/// What is wrong with the channels, beyond what loading a plugin refuses.
pub(super) fn unsound(plugin: &Plugin) -> Option<String> {
    let channels = plugin.channels();
    if channels.is_empty() {
        return Some("no channels; `open` must fail if there is no hardware".to_owned());
    }
    let mut seen = HashSet::new();
    for channel in channels {
        let device = &channel.device;
        if device.is_empty() {
            return Some("a channel with an empty device name".to_owned());
        }
        if !seen.insert((device, format!("{:?}", channel.domain))) {
            return Some(format!("device `{device}` has two channels of the same domain"));
        }
        if channel.inside.as_ref() == Some(device) && channels.len() == 1 {
            return Some(format!("device `{device}` is inside itself"));
        }
        if channel.kind == (Kind::Counter { range: Some(1) }) {
            return Some(format!("the counter of `{device}` has range 1, so it is always 0"));
        }
        for (what, time) in [("period", channel.period.0), ("averaging", channel.averaging.0)] {
            if time > LONGEST_PERIOD_S {
                return Some(format!(
                    "the {what} of `{device}` is {time} s, expected at most 3600 s, given in \
                     nanoseconds"
                ));
            }
        }
        if let Some(error) = channel.relative_error.filter(|error| *error > 1.0) {
            return Some(format!(
                "the relative error of `{device}` is {error}, expected at most 1; 0.05 is 5 %"
            ));
        }
    }
    None
}
