//! Samplers by name.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;

use wattlab_hpo::{
    Parameter, SAMPLERS, SamplerEntry, Scale, SettingValue, SettingValues, Space, Study,
};

fn space() -> Space {
    Space::new(vec![Parameter::new("rate", 1e-5, 1e-1, Scale::Log)]).unwrap()
}

#[test]
fn every_registered_sampler_is_built_by_its_name_and_suggests() {
    let names: BTreeSet<&str> = SAMPLERS.iter().map(|entry| entry.name).collect();
    assert_eq!(names.len(), SAMPLERS.len(), "names are unique");
    for name in names {
        let entry = SamplerEntry::find(name).unwrap();
        let sampler = entry.build(&SettingValues::new()).unwrap();
        Study::new(space(), sampler, 1).ask().unwrap();
        assert!(!entry.summary.is_empty() && !entry.summary.ends_with('.'), "{name}");
    }
}

#[test]
fn an_unknown_name_or_setting_is_an_error_that_lists_the_known_ones() {
    let error = SamplerEntry::find("pt").unwrap_err().to_string();
    assert!(error.contains("unknown sampler `pt`; available samplers: `gp`, `tpe`"), "{error}");
    let grid = SamplerEntry::find("grid").unwrap();
    for (name, value, part) in [
        ("cells", SettingValue::Count(3), "unknown setting `cells`; available settings: `values`"),
        ("values", SettingValue::Count(0), "`values` is 0, expected a whole number from 1"),
        ("values", SettingValue::Switch(true), "setting `values` must be a whole number"),
        ("paper", SettingValue::Count(1), "setting `paper` must be true or false"),
    ] {
        let settings = SettingValues::from([(name.to_owned(), value)]);
        let error = grid.build(&settings).unwrap_err().to_string();
        assert!(error.starts_with("sampler `grid`: ") && error.contains(part), "{error}");
    }
    let settings = SettingValues::from([("values".to_owned(), SettingValue::Count(3))]);
    let error = SamplerEntry::find("gp").unwrap().build(&settings).unwrap_err().to_string();
    assert!(error.contains("this sampler has no settings"), "{error}");
}

#[test]
fn missing_settings_have_their_defaults() {
    let grid = SamplerEntry::find("grid").unwrap();
    let cells = |settings: &SettingValues| {
        let mut study = Study::new(space(), grid.build(settings).unwrap(), 1);
        std::iter::from_fn(|| study.ask().ok()).count()
    };
    assert_eq!(cells(&SettingValues::new()), 5);
    assert_eq!(cells(&SettingValues::from([("values".to_owned(), SettingValue::Count(3))])), 3);
    let settings = grid.complete(&SettingValues::new()).unwrap();
    assert_eq!(settings["values"], SettingValue::Count(5));
    assert_eq!(settings["paper"], SettingValue::Switch(false));
}
