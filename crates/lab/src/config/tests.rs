use super::*;

fn error_of(text: &str) -> String {
    Profile::parse("p.toml", text).unwrap_err().to_string()
}

#[test]
fn every_built_in_profile_is_valid() {
    for (name, _) in BUILT_IN {
        let profile = Profile::load(name).unwrap();
        assert_eq!(profile.name, *name);
    }
}

#[test]
fn the_paper_profile_has_the_sizes_of_the_studies() {
    let paper = Profile::load("paper").unwrap();
    let tuning = paper.tuning.unwrap();
    assert_eq!(
        (tuning.trials, tuning.repetitions, tuning.epochs, tuning.minibatch),
        (64, 8, 25, 512)
    );
    assert_eq!((tuning.networks.len(), tuning.data.len()), (3, 2));
    let layers = paper.layers.unwrap();
    let trainings = 8 * layers.settings * layers.repetitions;
    assert_eq!((trainings, layers.data.len()), (3072, 2));
    assert_eq!(paper.batching.unwrap().requests, 8192);
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_valid_one() {
    let message = error_of("name = \"p\"\nsed = 1\n");
    assert!(message.contains("profile `p.toml`") && message.contains("line 2"), "{message}");
    assert!(message.contains("unknown field `sed`"), "{message}");
    assert!(message.ends_with("did you mean `seed`?"), "{message}");
}

#[test]
fn an_unknown_key_in_a_table_is_named_with_the_nearest_valid_one() {
    let text = shapes().replace("minibatch", "mini_batch");
    let message = error_of(&text);
    assert!(message.contains("`mini_batch`"), "{message}");
    assert!(message.ends_with("did you mean `minibatch`?"), "{message}");
}

#[test]
fn a_value_out_of_range_is_named_by_its_key() {
    let zero_batch = shapes().replacen("minibatch   = 128", "minibatch   = 0", 1);
    insta::assert_snapshot!(
        error_of(&zero_batch),
        @"profile `p.toml`: key `tuning.minibatch` is 0, expected a whole number from 1 to 1000000"
    );
    let no_batch = shapes().replacen("fixed = 16", "fixed = 0", 1);
    insta::assert_snapshot!(
        error_of(&no_batch),
        @"profile `p.toml`: key `batching.policies (batch size)` is 0, expected a whole number from 1 to 1000000"
    );
    let data = shapes().replacen("name = \"shapes-28\"", "name = \"shapes-82\"", 1);
    assert!(error_of(&data).contains("did you mean `shapes-28`?"), "{}", error_of(&data));
}

#[test]
fn numbers_far_beyond_any_use_are_refused() {
    for (from, to, key) in [
        ("trials      = ", "trials      = 4294967295 # ", "tuning.trials"),
        ("train = 2048", "train = 4611686018427387904", "tuning.data[0].train"),
        ("image_side     = ", "image_side     = 1099511627776 # ", "batching.image_side"),
        ("jitter         = ", "jitter         = nan # ", "batching.jitter"),
        ("rates_per_s    = ", "rates_per_s    = [1e-300] # ", "batching.rates_per_s"),
        ("repetitions = ", "repetitions = 100000 # ", "tuning (number of runs)"),
    ] {
        let text = shapes().replacen(from, to, 1);
        assert_ne!(text, shapes(), "the profile does not contain `{from}`");
        let message = error_of(&text);
        assert!(message.contains(key) && message.contains(", expected a "), "{message}");
    }
}

#[test]
fn a_misspelled_profile_name_gets_a_suggestion() {
    let message = Profile::load("quikc").unwrap_err().to_string();
    assert!(message.ends_with("did you mean `quick`?"), "{message}");
}

/// The generated images, without a budget.
fn shapes() -> String {
    include_str!("../../profiles/shapes.toml").to_owned()
}

#[test]
fn int8_is_for_networks_that_support_it() {
    let with = |networks: &str, precision: &str| {
        shapes().replacen("[\"alexnet\", \"shufflenet_v2_x0_5\"]", networks, 1).replacen(
            "jitter         = 0.2",
            &format!("precision = {precision}\njitter = 0.2"),
            1,
        )
    };
    let both = with("[\"alexnet\", \"resnet18\"]", "[\"float32\", \"int8\"]");
    let batching = Profile::parse("p.toml", &both).unwrap().batching.unwrap();
    assert_eq!(batching.precision, [InferencePrecision::Float32, InferencePrecision::Int8]);
    let usual = Profile::load("quick").unwrap().batching.unwrap();
    assert_eq!(usual.precision, [InferencePrecision::Float32]);
    let unfit = error_of(&with("[\"alexnet\", \"shufflenet_v2_x0_5\"]", "[\"int8\"]"));
    assert!(
        unfit.contains("key `batching.precision` is `int8` with network `shufflenet_v2_x0_5`"),
        "{unfit}"
    );
    assert!(unfit.contains("mobilenet_v2"), "{unfit}");
    let twice = error_of(&with("[\"alexnet\"]", "[\"int8\", \"int8\"]"));
    assert!(twice.contains("`int8` twice, expected each precision once"), "{twice}");
    assert!(error_of(&with("[\"alexnet\"]", "[]")).contains("batching.precision"));
    assert!(error_of(&with("[\"alexnet\"]", "[\"int4\"]")).contains("float32"));
}
