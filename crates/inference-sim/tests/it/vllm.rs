//! Our schedules of 300 loads against those of vLLM's own scheduler, which `vllm_peer.py` wrote down.

use serde_json::Value;
use wattlab_inference_sim::{TokenLimits, TokenRequest, TokenScheduler};

const LOADS: &str = include_str!("../data/vllm.json");

fn number(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}

/// A step as in the file: `[[[request, tokens], ...], [preempted requests]]`.
type Step = (Vec<(usize, u32)>, Vec<usize>);

fn expected(load: &Value) -> Vec<Step> {
    let pair = |pair: &Value| (number(&pair[0]) as usize, number(&pair[1]));
    let step = |step: &Value| {
        let scheduled = step[0].as_array().unwrap().iter().map(pair).collect();
        let preempted = step[1].as_array().unwrap().iter().map(|name| number(name) as usize);
        (scheduled, preempted.collect())
    };
    load["steps"].as_array().unwrap().iter().map(step).collect()
}

fn found(load: &Value) -> Vec<Step> {
    let limit = |key: &str| number(&load[key]);
    let mut limits =
        TokenLimits::new(limit("max_num_seqs") as usize, limit("max_num_batched_tokens"))
            .with_cache(limit("block_size"), u64::from(limit("blocks")));
    limits.enable_chunked_prefill = load["enable_chunked_prefill"].as_bool().unwrap();
    limits.long_prefill_token_threshold = limit("long_prefill_token_threshold");
    limits.reserve_prompt = load["reserve_prompt"].as_bool().unwrap();
    let mut scheduler = TokenScheduler::new(limits);
    let requests = load["requests"].as_array().unwrap();
    let mut coming = requests.iter().enumerate().peekable();
    let mut steps = Vec::new();
    let mut preemptions = vec![0; requests.len()];
    while coming.peek().is_some() || !scheduler.is_idle() {
        while let Some((name, request)) =
            coming.next_if(|(_, request)| number(&request[0]) as usize <= steps.len())
        {
            let request = TokenRequest::new(number(&request[1]), number(&request[2]));
            assert!(scheduler.add(request, name));
        }
        scheduler.schedule();
        let scheduled = scheduler.scheduled().map(|one| (one.owned, one.scheduled)).collect();
        let mut preempted = Vec::new();
        for one in scheduler.waiting() {
            if one.preemptions > preemptions[one.owned] {
                preemptions[one.owned] = one.preemptions;
                preempted.push(one.owned);
            }
        }
        preempted.sort_unstable();
        steps.push((scheduled, preempted));
        scheduler.complete(|_| {}, |_| {});
    }
    steps
}

/// Who computes how many tokens, and who is preempted: equal in every step of every load.
#[test]
fn three_hundred_loads_are_scheduled_as_by_vllm() {
    let file: Value = serde_json::from_str(LOADS).unwrap();
    let loads = file["loads"].as_array().unwrap();
    assert_eq!(loads.len(), 300);
    let (mut steps, mut preemptions) = (0, 0);
    for (number, load) in loads.iter().enumerate() {
        let (expected, found) = (expected(load), found(load));
        if let Some(place) =
            (0..expected.len()).find(|&place| found.get(place) != expected.get(place))
        {
            let (load, expected, found) = (&load["requests"], &expected[place], found.get(place));
            panic!("load {number}, step {place} of {load}: {expected:?}, found {found:?}");
        }
        assert_eq!(expected.len(), found.len(), "load {number}");
        steps += expected.len();
        preemptions += expected.iter().map(|step| step.1.len()).sum::<usize>();
    }
    println!("{} equal steps with {preemptions} preemptions, vLLM {}", steps, file["vllm"]);
    assert!(steps > 10_000 && preemptions > 500, "{steps} steps, {preemptions} preemptions");
}
