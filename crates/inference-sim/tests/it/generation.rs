//! Generative models: the scheduler against vLLM's own tests, the engine against closed forms.

use std::num::NonZeroUsize;

use proptest::prelude::*;
use wattlab_inference_sim::{
    CacheConfig, ContinuousConfig, CountConfig, GenerationConfig, GenerationObjectives,
    StepPowerConfig, StepsConfig, TokenLimits, TokenRequest, TokenScheduler, TokensConfig,
    simulate_generation, simulate_generation_observed, tune_batch_limit,
};

/// A description from TOML.
fn model(text: &str) -> GenerationConfig {
    toml::from_str(text).unwrap()
}

/// Tokens per request of a step: the number of the request, and its tokens.
fn step(scheduler: &mut TokenScheduler<usize>) -> Vec<(usize, u32)> {
    scheduler.schedule();
    scheduler.scheduled().map(|part| (part.owned, part.scheduled)).collect()
}

/// A scheduler in front of which requests with these prompts wait; their answers are long.
fn waiting(limits: TokenLimits, prompts: &[u32]) -> TokenScheduler<usize> {
    let mut scheduler = TokenScheduler::new(limits);
    for (number, &prompt) in prompts.iter().enumerate() {
        assert!(scheduler.add(TokenRequest::new(prompt, 16), number));
    }
    scheduler
}

fn complete(scheduler: &mut TokenScheduler<usize>) {
    scheduler.complete(|_| {}, |_| {});
}

/// Situations of `tests/v1/core/test_scheduler.py` of vLLM (commit 003df29), with the numbers that it
/// asserts.
mod vllm {
    use super::*;

    /// `test_schedule`
    #[test]
    fn all_prompts_fit_into_a_step() {
        let mut scheduler = waiting(TokenLimits::new(16, 8192), &[10; 10]);
        let expected: Vec<_> = (0..10).map(|number| (number, 10)).collect();
        assert_eq!(step(&mut scheduler), expected);
        assert_eq!((scheduler.waiting().len(), scheduler.running().len()), (0, 10));
    }

    /// `test_schedule_concurrent_partial_requests`: three prompts of 800, 400 tokens of each in a step.
    #[test]
    fn long_prompts_share_steps() {
        let mut limits = TokenLimits::new(16, 1024);
        limits.long_prefill_token_threshold = 400;
        let mut scheduler = waiting(limits, &[800; 3]);
        for expected in [
            [(0, 400), (1, 400), (2, 224)],
            [(0, 400), (1, 400), (2, 224)],
            [(0, 1), (1, 1), (2, 800 - 224 - 224)],
        ] {
            assert_eq!(step(&mut scheduler), expected);
            assert_eq!(scheduler.running().len(), 3);
            complete(&mut scheduler);
        }
    }

    /// `test_schedule_order`, with and without chunked prefill: a long prompt that does not fit is not
    /// overtaken by short ones.
    #[test]
    fn short_prompts_do_not_overtake() {
        for (chunked, admitted) in [(true, 2), (false, 1)] {
            let mut limits = TokenLimits::new(3, 1024);
            limits.enable_chunked_prefill = chunked;
            let mut scheduler = waiting(limits, &[800, 800, 10, 10]);
            assert_eq!(step(&mut scheduler).len(), admitted);
        }
    }

    /// `test_no_spec_tokens_scheduled_for_prefill_chunks` and `test_throttle_defers_inflight_prefill_chunk`
    /// (before their special parts): a prompt of 80 in steps of 50.
    #[test]
    fn a_prompt_is_computed_in_chunks() {
        let mut scheduler = waiting(TokenLimits::new(16, 50), &[80]);
        assert_eq!(step(&mut scheduler), [(0, 50)]);
        complete(&mut scheduler);
        assert_eq!(step(&mut scheduler), [(0, 30)]);
        complete(&mut scheduler);
        assert_eq!(step(&mut scheduler), [(0, 1)]);
    }

    /// `test_throttle_defers_inflight_prefill_chunk`: a request that generates goes on beside a prompt
    /// that is computed in chunks.
    #[test]
    fn a_running_request_goes_on_beside_a_long_prompt() {
        let mut scheduler = waiting(TokenLimits::new(16, 50), &[4]);
        assert_eq!(step(&mut scheduler), [(0, 4)]);
        complete(&mut scheduler);
        assert!(scheduler.add(TokenRequest::new(80, 16), 1));
        assert_eq!(step(&mut scheduler), [(0, 1), (1, 49)]);
        complete(&mut scheduler);
        assert_eq!(scheduler.running()[1].generated, 0, "still in its prompt");
        assert_eq!(step(&mut scheduler), [(0, 1), (1, 31)]);
    }

    /// `test_throttle_capacity_bound_guard_admits` (before its special part): the first of two prompts
    /// fills the step.
    #[test]
    fn a_full_step_admits_no_more() {
        let mut scheduler = waiting(TokenLimits::new(16, 200), &[200, 200]);
        assert_eq!(step(&mut scheduler), [(0, 200)]);
        complete(&mut scheduler);
        assert_eq!(step(&mut scheduler), [(0, 1), (1, 199)]);
    }

    /// `test_preempt_during_execution`: two prompts of 80 fill 10 blocks of 16, and the second is
    /// preempted when the first needs a block. vLLM schedules the second in a step of 100 tokens while the
    /// first step runs (pipelines); here both are in one step, of 160.
    #[test]
    fn the_last_request_is_preempted_for_the_first() {
        let mut scheduler = waiting(TokenLimits::new(16, 160).with_cache(16, 10), &[80, 80]);
        assert_eq!(step(&mut scheduler), [(0, 80), (1, 80)]);
        assert_eq!(scheduler.used_blocks(), 10);
        complete(&mut scheduler);
        assert_eq!(step(&mut scheduler), [(0, 1)]);
        let [first] = scheduler.running() else { panic!("one runs") };
        assert_eq!(first.owned, 0);
        let preempted: Vec<_> = scheduler.waiting().collect();
        assert_eq!((preempted[0].owned, preempted[0].preemptions), (1, 1));
        assert_eq!(preempted[0].generated, 1, "its token is kept");
    }

    /// `test_kv_connector_handles_preemption` (without its remote cache): blocks of 2, 6 of them; two
    /// prompts of 5 and answers of 4. Both get 2 tokens; the third needs a block and preempts the second,
    /// which comes again after the first has its 4 tokens.
    #[test]
    fn a_preempted_request_waits_until_its_tokens_fit() {
        let mut scheduler = TokenScheduler::new(TokenLimits::new(16, 8192).with_cache(2, 6));
        for number in [0, 1] {
            assert!(scheduler.add(TokenRequest::new(5, 4), number));
        }
        let mut seen = Vec::new();
        let mut running = Vec::new();
        while !scheduler.is_idle() {
            seen.push(step(&mut scheduler));
            complete(&mut scheduler);
            running.push((scheduler.running().len(), scheduler.waiting().len()));
        }
        assert_eq!(seen[..2], [vec![(0, 5), (1, 5)], vec![(0, 1), (1, 1)]]);
        assert_eq!(seen[2..4], [vec![(0, 1)], vec![(0, 1)]]);
        assert_eq!(running[..4], [(2, 0), (2, 0), (1, 1), (0, 1)]);
        // It computes its prompt and its two tokens again, and generates the other two.
        assert_eq!(seen[4..], [vec![(1, 7)], vec![(1, 1)]]);
    }

    /// `test_kv_connector_unable_to_allocate` (without its remote cache): blocks of 4, 9 of them; the
    /// second of two prompts of 24 waits until the first is done.
    #[test]
    fn a_prompt_waits_for_blocks() {
        let mut scheduler = TokenScheduler::new(TokenLimits::new(16, 8192).with_cache(4, 9));
        for number in [0, 1] {
            assert!(scheduler.add(TokenRequest::new(24, 2), number));
        }
        let mut seen = Vec::new();
        while !scheduler.is_idle() {
            seen.push(step(&mut scheduler));
            complete(&mut scheduler);
        }
        assert_eq!(seen, [vec![(0, 24)], vec![(0, 1)], vec![(1, 24)], vec![(1, 1)]]);
        assert_eq!(scheduler.used_blocks(), 0);
    }
}

/// M/G/1: with one sequence at a time, requests are served one after another.
#[test]
fn single_sequences_are_the_queue_m_g_1() {
    // Prompts of 100 tokens take one step of 0.2 s, each further token a step of 0.101 s.
    let text = r#"
        seed = 1
        requests = 400_000
        warmup = 10_000
        arrivals = { process = "poisson", rate = 0.55 }
        tokens = { prompt = { value = 100 }, output = { table = [[1, 1.0], [5, 1.0], [20, 1.0]] } }
        steps = { base_s = 0.1, per_token_s = 0.001 }
        batching = { policy = "continuous", max_num_seqs = 1, max_num_batched_tokens = 2048 }"#;
    let service = [1.0, 5.0, 20.0].map(|output: f64| 0.2 + (output - 1.0) * 0.101);
    let mean = service.iter().sum::<f64>() / 3.0;
    let square = service.iter().map(|time| time * time).sum::<f64>() / 3.0;
    let rate = 0.55;
    let wait = rate * square / (2.0 * (1.0 - rate * mean));
    let mut errors = Vec::new();
    let mut ttft = Vec::new();
    for seed in 1..=8 {
        let report = simulate_generation(&model(text).with_seed(seed)).unwrap();
        assert!(report.stable);
        errors.push(report.wait.mean.unwrap().0 / wait - 1.0);
        ttft.push(report.ttft.mean.unwrap().0 - report.wait.mean.unwrap().0);
        assert!((report.utilization / (rate * mean) - 1.0).abs() < 0.02);
    }
    let found = errors.iter().sum::<f64>() / 8.0;
    let variance = errors.iter().map(|error| (error - found).powi(2)).sum::<f64>() / 7.0;
    println!("wait {wait:.4} s, off by {found:.5}");
    assert!(found.abs() < 4.0 * (variance / 8.0).sqrt().max(1e-3), "{found} of {wait}");
    assert!(ttft.iter().all(|first| (first - 0.2).abs() < 1e-9), "{ttft:?}");
}

/// Clients that all send again at once: every step has the same sequences, so that all times and joules
/// are known.
#[test]
fn equal_requests_of_clients_have_known_times_and_joules() {
    let text = r#"
        seed = 1
        requests = 64
        arrivals = { process = "closed", clients = 8 }
        tokens = { prompt = { value = 100 }, output = { value = 11 } }
        steps = { base_s = 0.01, per_token_s = 0.0001, per_context_s = 1e-7 }
        batching = { policy = "continuous", max_num_seqs = 8, max_num_batched_tokens = 1000 }
        cache = { block_size = 10, blocks = 100 }
        power = { idle_w = 50.0, step_base_j = 2.0, step_per_token_j = 0.01 }"#;
    let report = simulate_generation(&model(text)).unwrap();
    let step = |tokens: f64, context: f64| 0.01 + 1e-4 * tokens + 1e-7 * context;
    let first = step(800.0, 800.0);
    let rest: f64 = (1..=10).map(|number| step(8.0, 8.0 * (100.0 + f64::from(number)))).sum();
    let near = |found: f64, expected: f64| {
        assert!((found / expected - 1.0).abs() < 1e-3, "{found} is not {expected}");
    };
    near(report.ttft.p50.unwrap().0, first);
    near(report.tpot.mean.unwrap().0, rest / 10.0);
    near(report.itl.mean.unwrap().0, rest / 10.0);
    near(report.response.p999.unwrap().0, first + rest);
    near(report.duration.0, 8.0 * (first + rest));
    near(report.energy.unwrap().0, 8.0 * (11.0 * 2.0 + 0.01 * (800.0 + 80.0)));
    near(report.energy_per_token.unwrap().0, (22.0 + 8.8) / 88.0);
    near(report.output_rate, 88.0 / (first + rest));
    near(report.cache_use_max.unwrap(), 0.88);
    assert_eq!((report.requests, report.output_tokens, report.preemptions), (64, 704, 0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Every request is answered with all its tokens, in any order of lengths, limits and caches; the
    /// cache never holds more than it has, and no step more than its budget.
    #[test]
    fn tokens_are_conserved_and_no_request_starves(
        requests in prop::collection::vec((1_u32..200, 1_u32..60), 1..60),
        seqs in 1_usize..12,
        budget in 1_u32..300,
        block in 1_u32..20,
        spare in 0_u64..20,
        threshold in prop::sample::select(vec![0_u32, 7]),
        (watermark, reserve) in (0.0..0.5_f64, any::<bool>()),
    ) {
        // At least one request must fit.
        let blocks = u64::from(260_u32.div_ceil(block)) + spare;
        let mut limits = TokenLimits::new(seqs, budget).with_cache(block, blocks);
        limits.long_prefill_token_threshold = threshold;
        limits.watermark = watermark;
        limits.reserve_prompt = reserve;
        let mut scheduler = TokenScheduler::new(limits);
        for (number, &(prompt, output)) in requests.iter().enumerate() {
            prop_assert!(scheduler.add(TokenRequest::new(prompt, output), number));
        }
        let mut generated = vec![0; requests.len()];
        let mut done = 0;
        let mut oldest = (usize::MAX, 0);
        let mut steps = 0;
        let (mut computed, mut lost) = (0, 0);
        while !scheduler.is_idle() {
            let step = scheduler.schedule();
            prop_assert!(step.tokens > 0 && step.tokens <= u64::from(budget));
            prop_assert!(scheduler.used_blocks() <= blocks);
            prop_assert!(scheduler.running().len() <= seqs);
            let held: u64 = scheduler
                .running()
                .iter()
                .map(|one| u64::from(one.computed.div_ceil(block)))
                .sum();
            prop_assert_eq!(held, scheduler.used_blocks());
            computed += step.tokens;
            lost += step.lost;
            // The first request goes on in every step, and is never preempted.
            let first = &scheduler.running()[0];
            prop_assert!(first.scheduled > 0);
            if oldest.0 == first.owned {
                prop_assert_eq!(oldest.1, first.preemptions);
            }
            oldest = (first.owned, first.preemptions);
            scheduler.complete(
                |one| generated[one.owned] += 1,
                |one| { done += usize::from(one.is_done()); },
            );
            steps += 1;
            prop_assert!(steps < 1_000_000);
        }
        prop_assert_eq!(done, requests.len());
        prop_assert_eq!(scheduler.used_blocks(), 0);
        let outputs: Vec<_> = requests.iter().map(|request| request.1).collect();
        prop_assert_eq!(generated, outputs);
        let needed: u64 = requests.iter().map(|&(prompt, output)| u64::from(prompt + output - 1)).sum();
        prop_assert_eq!(computed, needed + lost);
    }

    /// Bounds that hold for any load: no answer comes before its own steps could run alone, and joules
    /// are those of the steps.
    #[test]
    fn no_answer_is_faster_than_alone(
        seed in 0_u64..1000,
        rate in 0.1..50.0_f64,
        seqs in 1_usize..20,
        budget in 10_usize..500,
    ) {
        let model = GenerationConfig::new(
            wattlab_inference_sim::ArrivalConfig::poisson(rate),
            TokensConfig::new(CountConfig::geometric(40.0), CountConfig::lognormal(20.0, 1.0)),
            StepsConfig::linear(0.01, 0.0005),
            ContinuousConfig::new(seqs, budget),
        )
        .with_seed(seed)
        .with_requests(300, 0)
        .with_cache(CacheConfig::new(16, 500))
        .with_watts(50.0, 200.0);
        let mut worst = f64::INFINITY;
        let mut tokens = 0;
        let report = simulate_generation_observed(&model, |one| {
            let chunks = one.prompt.div_ceil(budget as u32);
            let steps = f64::from(chunks + one.output - 1);
            let alone = 0.01 * steps + 0.0005 * f64::from(one.prompt + one.output - 1);
            worst = worst.min((one.end_s - one.arrival_s) / alone);
            tokens += u64::from(one.output);
            assert!(one.arrival_s <= one.start_s && one.start_s < one.first_token_s);
        })
        .unwrap();
        prop_assert!(worst > 1.0 - 1e-9, "{worst}");
        prop_assert_eq!(report.output_tokens, tokens);
        prop_assert_eq!(report.requests + report.rejected, 300);
        let joules = 50.0 * report.duration.0 + 150.0 * report.utilization * report.duration.0;
        prop_assert!((report.energy.unwrap().0 / joules - 1.0).abs() < 1e-9);
    }
}

#[test]
fn the_batch_limit_with_the_fewest_joules_is_found() {
    let model = GenerationConfig::new(
        wattlab_inference_sim::ArrivalConfig::poisson(4.0),
        TokensConfig::new(CountConfig::fixed(100), CountConfig::fixed(50)),
        StepsConfig::linear(0.01, 0.0002),
        ContinuousConfig::new(64, 1024),
    )
    .with_requests(3_000, 200)
    .with_power(StepPowerConfig::linear(60.0, 2.0, 0.002));
    let threads = NonZeroUsize::MIN;
    let free = tune_batch_limit(&model, GenerationObjectives::default(), 64, threads).unwrap();
    assert_eq!(
        free.limits.iter().map(|one| one.max_num_seqs).collect::<Vec<_>>(),
        [1, 2, 4, 8, 16, 32, 64]
    );
    let joules: Vec<_> = free.limits.iter().map(|one| one.energy_j_per_token.unwrap()).collect();
    // Two at a time cannot keep up with 4 requests of 0.53 s per second.
    assert!(!free.limits[0].stable && free.limits[3].stable, "{:?}", free.limits);
    let best = free.best.unwrap();
    assert!(joules.iter().all(|&one| one >= best.energy_j_per_token.unwrap() - 1e-9
        || one < best.energy_j_per_token.unwrap()));
    let objectives = GenerationObjectives::new(Some(1e-6), None);
    assert_eq!(tune_batch_limit(&model, objectives, 64, threads).unwrap().best, None);
}

#[test]
fn wrong_descriptions_are_refused() {
    let good = r#"seed = 1
requests = 100
arrivals = { process = "poisson", rate = 1.0 }
tokens = { prompt = { value = 100 }, output = { value = 10 } }
steps = { base_s = 0.01 }
batching = { policy = "continuous", max_num_seqs = 8, max_num_batched_tokens = 1000 }
cache = { block_size = 16, blocks = 10 }
power = { idle_w = 50.0, busy_w = 100.0 }
"#;
    assert!(simulate_generation(&model(good)).is_ok());
    for (from, to, says) in [
        ("rate = 1.0", "rate = 0.0", "arrivals.rate"),
        ("rate = 1.0", "rate = nan", "arrivals.rate"),
        (
            "requests = 100
",
            "requests = 9223372036854775807
",
            "requests",
        ),
        (
            "requests = 100
",
            "requests = 100
warmup = 100
",
            "warmup",
        ),
        ("prompt = { value = 100 }", "prompt = { value = 0 }", "tokens.prompt"),
        ("prompt = { value = 100 }", "prompt = { value = 9223372036854775807 }", "tokens.prompt"),
        ("prompt = { value = 100 }", "prompt = { value = 160 }", "tokens.prompt"),
        ("prompt = { value = 100 }", "prompt = { mean = nan }", "tokens.prompt"),
        ("prompt = { value = 100 }", "prompt = { mean = 100.0, cv = -1.0 }", "tokens.prompt"),
        ("prompt = { value = 100 }, ", "", "tokens.prompt"),
        ("base_s = 0.01", "base_s = -0.01", "steps.base_s"),
        ("base_s = 0.01", "base_s = inf", "steps.base_s"),
        ("base_s = 0.01", "base_s = 0.0", "steps.base_s"),
        ("base_s = 0.01", "table = [[8, 0.1], [8, 0.2]]", "steps.table"),
        ("base_s = 0.01", "table = []", "steps.table"),
        ("max_num_seqs = 8", "max_num_seqs = 0", "batching.max_num_seqs"),
        ("max_num_seqs = 8", "max_num_seqs = 9223372036854775807", "batching.max_num_seqs"),
        (
            "max_num_batched_tokens = 1000",
            "max_num_batched_tokens = 0",
            "batching.max_num_batched_tokens",
        ),
        (
            "max_num_batched_tokens = 1000",
            "max_num_batched_tokens = 50, enable_chunked_prefill = false",
            "tokens.prompt",
        ),
        (
            "max_num_batched_tokens = 1000",
            "max_num_batched_tokens = 1000, max_model_len = 161",
            "batching.max_model_len",
        ),
        ("block_size = 16", "block_size = 0", "cache.block_size"),
        ("blocks = 10", "blocks = 0", "cache.blocks"),
        ("blocks = 10", "blocks = 10, watermark = 1.0", "cache.watermark"),
        ("blocks = 10", "blocks = 10, watermark = nan", "cache.watermark"),
        ("busy_w = 100.0", "busy_w = nan", "power.busy_w"),
        (", busy_w = 100.0", "", "power.busy_w"),
        ("busy_w = 100.0", "busy_w = 100.0, step_base_j = 1.0", "power.busy_w"),
        ("rate = 1.0", "rate = 1.0, size = { value = 2 }", "arrivals.size"),
    ] {
        let text = good.replace(from, to);
        assert_ne!(text, good, "{from}");
        let error = simulate_generation(&model(&text)).expect_err(to).to_string();
        assert!(error.contains(says), "{to}: {error}");
    }
}

/// Answers end at the limit of the model, and prompts beyond it are rejected, as in vLLM.
#[test]
fn long_answers_end_at_the_limit_and_long_prompts_are_rejected() {
    let text = r#"seed = 1
        requests = 1000
        arrivals = { process = "poisson", rate = 1.0 }
        tokens = { prompt = { table = [[50, 1.0], [128, 1.0]] }, output = { value = 100 } }
        steps = { base_s = 0.001 }
        batching = { policy = "continuous", max_num_seqs = 8, max_num_batched_tokens = 1000, max_model_len = 128 }"#;
    let report = simulate_generation(&model(text)).unwrap();
    assert_eq!(report.requests + report.rejected, 1000);
    assert!((400..600).contains(&report.rejected));
    assert_eq!(report.truncated, report.requests);
    assert_eq!(report.output_tokens, 78 * report.requests as u64);
}

/// The first requests of Azure's trace of a conversation service (AzurePublicDataset,
/// `AzureLLMInferenceTrace_conv.csv`), read with a map of its columns.
#[test]
fn a_trace_of_a_cloud_provider_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.csv");
    let rows = "TIMESTAMP,ContextTokens,GeneratedTokens\n\
                2023-11-16 18:15:46.6805900,374,44\n\
                2023-11-16 18:15:50.9951690,396,109\n\
                2023-11-16 18:15:51.2224670,879,55\n\
                2023-11-16 18:15:51.3910170,91,16\n";
    std::fs::write(&path, rows).unwrap();
    let text = r#"seed = 1
        requests = 4
        arrivals = { process = "trace", file = "trace.csv", columns = { arrival = "TIMESTAMP", prompt = "ContextTokens", output = "GeneratedTokens" } }
        tokens = {}
        steps = { base_s = 0.01 }
        batching = { policy = "continuous", max_num_seqs = 8, max_num_batched_tokens = 1000 }"#;
    let mut trace = model(text);
    trace.arrivals.file = Some(path.clone());
    let mut seen = Vec::new();
    let report = simulate_generation_observed(&trace, |one| {
        seen.push((one.number, one.prompt, one.output, one.arrival_s, one.end_s));
    })
    .unwrap();
    seen.sort_by_key(|one| one.0);
    let tokens: Vec<_> = seen.iter().map(|one| (one.1, one.2)).collect();
    assert_eq!(tokens, [(374, 44), (396, 109), (879, 55), (91, 16)]);
    assert!((seen[1].3 - 4.314_579).abs() < 1e-6, "{seen:?}");
    // A step of 10 ms for each token.
    assert!((seen[0].4 - 0.44).abs() < 1e-9 && report.output_tokens == 224);
    // Lengths from a law take the place of the columns; without either, the key is named.
    trace.tokens.output = Some(CountConfig::fixed(5));
    assert_eq!(simulate_generation(&trace).unwrap().output_tokens, 20);
    let columns = "arrival_s\n0.0\n1.0\n2.0\n3.0\n";
    std::fs::write(&path, columns).unwrap();
    trace.arrivals.columns = None;
    let error = simulate_generation(&trace).unwrap_err().to_string();
    assert!(error.contains("`tokens.prompt` is missing"), "{error}");
    // A queue of images does not ignore tokens.
    std::fs::write(&path, "arrival_s,prompt_tokens\n0.0,5\n").unwrap();
    let queue = wattlab_inference_sim::SimulationConfig::new(
        wattlab_inference_sim::ArrivalConfig::trace(&path),
        wattlab_inference_sim::ServiceConfig::deterministic(0.1, 0.0),
        wattlab_inference_sim::BatchingConfig::fixed(1),
    )
    .with_requests(1, 0);
    let error = wattlab_inference_sim::simulate(&queue).unwrap_err().to_string();
    assert!(error.contains("`[tokens]`"), "{error}");
}
