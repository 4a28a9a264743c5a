//! Our times of requests against those of vidur's simulator, which `vidur_peer.py` wrote down: the same loads, and the
//! same law of steps.

use std::fmt::Write as _;

use serde_json::Value;
use wattlab_inference_sim::{
    ArrivalConfig, CacheConfig, ContinuousConfig, GenerationConfig, StepsConfig, TokensConfig,
    simulate_generation_observed,
};

const LOADS: &str = include_str!("../data/vidur.json");

fn float(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// When the service of each request began, when its first and its last token were there, and how often it was
/// preempted.
type Answers = Vec<([f64; 3], u64)>;

fn expected(load: &Value) -> Answers {
    let answers = load["answers"].as_array().unwrap().iter();
    let times = |answer: &Value| [0, 1, 2].map(|place| float(&answer[place]));
    answers.map(|answer| (times(answer), answer[3].as_u64().unwrap())).collect()
}

fn found(load: &Value, law: &Value) -> Answers {
    let mut trace = String::from("arrival_s,prompt_tokens,output_tokens\n");
    let requests = load["requests"].as_array().unwrap();
    for request in requests {
        writeln!(trace, "{},{},{}", request[0], request[1], request[2]).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.csv");
    std::fs::write(&path, trace).unwrap();
    let limit = |key: &str| load[key].as_u64().unwrap() as usize;
    let steps: StepsConfig = serde_json::from_value(law.clone()).unwrap();
    let mut cache = CacheConfig::new(limit("block_size"), limit("blocks"));
    // vidur admits a request only if its whole prompt fits.
    cache.reserve_prompt = true;
    let model = GenerationConfig::new(
        ArrivalConfig::trace(path),
        TokensConfig::default(),
        steps,
        ContinuousConfig::new(limit("max_num_seqs"), limit("max_num_batched_tokens")),
    )
    .with_cache(cache)
    .with_requests(requests.len(), 0);
    let mut answers = vec![([f64::NAN; 3], 0); requests.len()];
    simulate_generation_observed(&model, |request| {
        let times = [request.start_s, request.first_token_s, request.end_s];
        answers[request.number] = (times, u64::from(request.preemptions));
    })
    .unwrap();
    answers
}

/// The loads with their laws.
fn loads() -> (Vec<Value>, Value) {
    let file: Value = serde_json::from_str(LOADS).unwrap();
    (file["loads"].as_array().unwrap().clone(), file["laws"].clone())
}

fn preemptions(answers: &Answers) -> u64 {
    answers.iter().map(|answer| answer.1).sum()
}

/// Start, first token and last token of each request: equal to a microsecond where the cache has room. The last
/// load is vidur's own trace of conversations.
#[test]
fn requests_are_answered_when_vidur_answers_them() {
    let (loads, laws) = loads();
    let (mut requests, mut furthest) = (0, 0.0_f64);
    for (number, load) in loads.iter().enumerate() {
        let expected = expected(load);
        if preemptions(&expected) > 0 {
            continue;
        }
        let found = found(load, &laws[load["law"].as_u64().unwrap() as usize]);
        for (request, (expected, found)) in expected.iter().zip(&found).enumerate() {
            assert_eq!(found.1, 0);
            for (expected, found) in expected.0.iter().zip(found.0) {
                let off = (expected - found).abs();
                assert!(off < 1e-6, "load {number}, request {request}: {expected}, found {found}");
                furthest = furthest.max(off);
            }
        }
        requests += expected.len();
    }
    println!("{requests} requests at most {furthest:.1e} s off");
    assert!(requests >= 30 * 80 + 2000, "{requests}");
}

/// Where the cache is too small, vidur preempts by rules of its own: a sequence needs a free block for each token,
/// also where its last block has room, and others are admitted in the same step. vLLM's scheduler, which ours
/// follows, preempts less (`vllm.rs`), so that answers come no later.
#[test]
fn vidur_preempts_more_often() {
    let (loads, laws) = loads();
    let (mut ratios, mut counts) = (Vec::new(), [0, 0]);
    for load in &loads {
        let expected = expected(load);
        if preemptions(&expected) == 0 {
            continue;
        }
        let found = found(load, &laws[load["law"].as_u64().unwrap() as usize]);
        let arrivals = load["requests"].as_array().unwrap();
        let response = |answers: &Answers| -> f64 {
            let times = answers.iter().zip(arrivals);
            times.map(|(answer, request)| answer.0[2] - float(&request[0])).sum()
        };
        ratios.push(response(&found) / response(&expected));
        counts = [counts[0] + preemptions(&expected), counts[1] + preemptions(&found)];
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "{} loads, mean responses over vidur's: {ratios:.3?}; preemptions {counts:?}",
        ratios.len()
    );
    assert!(ratios.len() >= 8 && counts[1] < counts[0], "{counts:?}");
    assert!(ratios.iter().all(|ratio| (0.5..1.0 + 1e-9).contains(ratio)), "{ratios:?}");
}
