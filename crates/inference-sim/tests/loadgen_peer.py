"""Runs MLPerf's LoadGen 200 times on generated servers and writes what it decided.

    python crates/inference-sim/tests/loadgen_peer.py crates/inference-sim/tests/data/loadgen.json

Needs `pip install mlcommons-loadgen`. A run lasts about half a second. Its scenario, its settings and the times of its
server follow from a seed; the latencies that LoadGen measured are kept, because they depend on the machine too.
The test `tests/it/loadgen.rs` gives the same latencies to `judge_scenario` and expects the same decisions.
"""

import json
import os
import queue
import random
import sys
import tempfile
import threading
import time

import mlperf_loadgen as lg

RUNS = 200
SCENARIOS = ["SingleStream", "MultiStream", "Server", "Offline"]


def wait(seconds):
    """Busy below a tenth of a millisecond, because a sleep takes longer."""
    end = time.perf_counter() + seconds
    if seconds > 1e-4:
        time.sleep(seconds - 1e-4)
    while time.perf_counter() < end:
        pass


def service(random_numbers, law, mean):
    if law == "deterministic":
        return mean
    if law == "exponential":
        return random_numbers.expovariate(1 / mean)
    if law == "lognormal":
        return mean * random_numbers.lognormvariate(-0.32, 0.8)
    return mean * (8 if random_numbers.random() < 0.012 else 1)  # "rare": one in 80 takes 8 times as long


def settings(seed):
    """The scenario and the settings of a run."""
    numbers = random.Random(seed)
    scenario = SCENARIOS[seed % 4]
    run = {"seed": seed, "scenario": scenario, "law": numbers.choice(["deterministic", "exponential", "lognormal", "rare"])}
    run["mean_s"] = numbers.choice([5e-5, 1e-4, 2e-4])
    run["min_duration_ms"] = numbers.choice([0, 0, 50, 200])
    if scenario == "SingleStream":
        run["min_queries"] = numbers.choice([20, 43, 60, 63, 64, 65, 80, 100, 150, 300, 661, 662, 700])
    elif scenario == "MultiStream":
        run["samples"] = numbers.choice([1, 2, 3])
        run["min_queries"] = numbers.choice([100, 400, 600, 661, 662, 663, 700, 837, 838, 900])
    elif scenario == "Server":
        run["min_queries"] = numbers.choice([300, 458, 459, 460, 500, 662, 700, 850])
        run["rate"] = numbers.choice([0.2, 0.4, 0.6]) / run["mean_s"] / 2
        run["bound_ns"] = int(numbers.choice([2, 4, 8, 16, 40]) * run["mean_s"] * 1e9)
        run["min_duration_ms"] = min(run["min_duration_ms"], 50)
    else:
        run["min_queries"] = numbers.choice([10, 100, 300])
        run["rate"] = numbers.choice([0.3, 0.9, 1.5]) / run["mean_s"] / 4
    return run


def serve(run, folder):
    """Runs LoadGen and returns the lines of its trace and of its detailed log."""
    numbers = random.Random(run["seed"] + 1_000_000)
    waiting = queue.SimpleQueue()

    def work():
        while (sample := waiting.get()) is not None:
            wait(service(numbers, run["law"], run["mean_s"]))
            lg.QuerySamplesComplete([lg.QuerySampleResponse(sample, 0, 0)])

    worker = threading.Thread(target=work)
    worker.start()
    test = lg.TestSettings()
    test.scenario = getattr(lg.TestScenario, run["scenario"])
    test.mode = lg.TestMode.PerformanceOnly
    test.min_query_count = run["min_queries"]
    test.min_duration_ms = run["min_duration_ms"]
    test.schedule_rng_seed = run["seed"]
    expected_ns = int(run["mean_s"] * 1e9)
    test.single_stream_expected_latency_ns = expected_ns
    test.multi_stream_expected_latency_ns = expected_ns
    test.multi_stream_samples_per_query = run.get("samples", 8)
    test.server_target_qps = run.get("rate", 1)
    test.server_target_latency_ns = run.get("bound_ns", 1)
    test.offline_expected_qps = run.get("rate", 1)
    output = lg.LogOutputSettings()
    output.outdir = folder
    logs = lg.LogSettings()
    logs.log_output = output
    logs.enable_trace = True
    sut = lg.ConstructSUT(lambda samples: [waiting.put(sample.id) for sample in samples], lambda: None)
    samples = lg.ConstructQSL(64, 64, lambda loaded: None, lambda unloaded: None)
    lg.StartTestWithLogSettings(sut, samples, test, logs)
    lg.DestroyQSL(samples)
    lg.DestroySUT(sut)
    waiting.put(None)
    worker.join()
    with open(os.path.join(folder, "mlperf_log_trace.json")) as trace:
        # Not every line of the file is JSON.
        events = [json.loads(line.strip().rstrip(",")) for line in trace if '"ph":"b"' in line and '"sample_seq"' in line]
    with open(os.path.join(folder, "mlperf_log_detail.txt")) as detail:
        entries = [json.loads(line.removeprefix(":::MLLOG ")) for line in detail if line.startswith(":::MLLOG ")]
    return events, {entry["key"]: entry["value"] for entry in entries}


def outcome(run, events, log):
    """The latencies of the queries, sorted, and what LoadGen made of them."""
    by_query = {}
    issued_us = []
    for event in events:
        number = event["args"]["sample_seq"] if run["scenario"] == "Offline" else event["args"]["query_seq"]
        by_query[number] = max(by_query.get(number, 0), event["args"]["complete_ns"])
        late_ns = 0 if run["scenario"] == "Server" else event["args"]["issue_start_ns"]
        issued_us.append(event["ts"] + late_ns / 1e3)
    latencies = sorted(by_query.values())
    deltas = [after - before for before, after in zip([0] + latencies, latencies)]
    kind = "per_query_" if run["scenario"] == "MultiStream" else ""
    percentiles = {
        share: log[f"result_{share}.00_percentile_{kind}latency_ns"] for share in ("50", "90", "95", "97", "99")
    }
    # 0 stands for none.
    estimate = log.get("early_stopping_latency_ss" if run["scenario"] == "SingleStream" else "early_stopping_latency_ms")
    return {
        **run,
        "last_issued_s": (max(issued_us) - min(issued_us)) / 1e6 if issued_us else 0,
        "latency_deltas_ns": deltas,
        "loadgen": {
            "valid": log["result_validity"] == "VALID",
            "min_duration_met": log["result_min_duration_met"],
            "min_queries_met": log["result_min_queries_met"],
            "early_stopping_met": log.get("early_stopping_met", True),
            "early_stopping_ns": estimate or None,
            "percentiles_ns": percentiles,
        },
    }


def main():
    runs = []
    for seed in range(RUNS):
        run = settings(seed)
        with tempfile.TemporaryDirectory() as folder:
            runs.append(outcome(run, *serve(run, folder)))
        print(seed, run["scenario"], runs[-1]["loadgen"], file=sys.stderr)
    version = __import__("importlib.metadata").metadata.version("mlcommons-loadgen")
    with open(sys.argv[1], "w") as out:
        out.write('{"loadgen": "%s", "runs": [\n' % version)
        out.write(",\n".join(json.dumps(run, separators=(",", ":")) for run in runs))
        out.write("\n]}\n")


main()
