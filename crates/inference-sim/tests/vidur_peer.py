"""Runs vidur's simulator on generated loads and on its own trace of conversations, and writes when each request was
answered.

    python crates/inference-sim/tests/vidur_peer.py VIDUR crates/inference-sim/tests/data/vidur.json

VIDUR is a copy of https://github.com/microsoft/vidur (MIT; commit 7d47513). Its events, its entities and its Sarathi
scheduler (chunked prefill) are used as they are. Only the time of a step is given: it is the law of `steps` below in
place of vidur's forests, so that the test `tests/it/vidur.rs` can compare times exactly. What draws figures is not
needed and replaced by nothing.
"""

import csv
import json
import logging
import random
import sys
from pathlib import Path
from unittest.mock import MagicMock

for name in [
    "wandb", "plotly_express", "plotly", "plotly.express", "kaleido", "ddsketch", "ddsketch.ddsketch", "matplotlib",
    "matplotlib.pyplot", "seaborn", "fasteners",
]:
    try:
        __import__(name)
    except ImportError:
        sys.modules[name] = MagicMock()
sys.path.insert(0, sys.argv[1])

import vidur.scheduler.global_scheduler.base_global_scheduler as global_scheduler
import vidur.simulator as simulator
from vidur.config import SimulationConfig
from vidur.entities import Replica, Request
from vidur.execution_time_predictor.base_execution_time_predictor import BaseExecutionTimePredictor

logging.disable(logging.CRITICAL)

# Seconds of a step, of each token, sequence, token in the cache, and pair of tokens in attention.
LAWS = [
    {"base_s": 0.007, "per_token_s": 8e-5, "per_sequence_s": 0.0, "per_context_s": 0.0, "per_pair_s": 0.0},
    {"base_s": 0.02, "per_token_s": 3e-5, "per_sequence_s": 1e-4, "per_context_s": 2e-7, "per_pair_s": 1e-9},
]


class Law(BaseExecutionTimePredictor):
    """A law of steps, all of whose time is that of the scheduler; vidur counts milliseconds."""

    def _get_schedule_time(self, batch):
        seconds = self.law["base_s"]
        for request, tokens in zip(batch.requests, batch.num_tokens):
            # vidur counts the token that a prefill generates as processed; it is computed in the next step.
            before = request.num_processed_tokens - (1 if request.is_prefill_complete else 0)
            seconds += self.law["per_sequence_s"] + self.law["per_token_s"] * tokens
            seconds += self.law["per_context_s"] * (before + tokens)
            seconds += self.law["per_pair_s"] * (tokens * before + tokens * (tokens + 1) / 2)
        return seconds * 1e3


def nothing(self, batch):
    return 0.0


for method in BaseExecutionTimePredictor.__abstractmethods__ - {"_get_schedule_time"}:
    setattr(Law, method, nothing)
Law.__abstractmethods__ = frozenset()


def run(load):
    config = SimulationConfig.__new__(SimulationConfig)
    for name, field in SimulationConfig.__dataclass_fields__.items():
        setattr(config, name, field.default if not callable(field.default_factory) else field.default_factory())
    scheduler = config.cluster_config.replica_scheduler_config
    scheduler.batch_size_cap = load["max_num_seqs"]
    scheduler.chunk_size = load["max_num_batched_tokens"]
    scheduler.block_size = load["block_size"]
    scheduler.num_blocks = load["blocks"]
    scheduler.watermark_blocks_fraction = 0.0
    law = type("LawOfLoad", (Law,), {"law": LAWS[load["law"]]})
    # Requests of vidur count their restarts in their tokens; `tokens` keeps what was asked for.
    requests = [Request(arrival, prompt, output) for arrival, prompt, output in load["requests"]]
    generator = MagicMock()
    generator.generate.return_value = requests
    simulator.MetricsStore = MagicMock()
    simulator.RequestGeneratorRegistry = MagicMock()
    simulator.RequestGeneratorRegistry.get.return_value = generator
    global_scheduler.ExecutionTimePredictorRegistry = MagicMock()
    global_scheduler.ExecutionTimePredictorRegistry.get.side_effect = lambda kind, **kwargs: law(**kwargs)
    # A process of vidur runs one simulation, whose replica has the number 0.
    Replica._id = -1
    simulator.Simulator(config).run()
    return [
        [one._scheduled_at, one._prefill_completed_at, one._completed_at, one._num_restarts] for one in requests
    ]


def generated(seed, tight):
    numbers = random.Random(seed)
    longest = numbers.choice([100, 500, 2000])
    rate = numbers.choice([2.0, 5.0, 10.0])
    time, requests = 0.0, []
    for _ in range(80):
        time += numbers.expovariate(rate)
        requests.append([round(time, 6), numbers.randint(1, longest), numbers.randint(2, 300)])
    requests[0][0] = 0.0
    block_size = numbers.choice([1, 16])
    most = max(prompt + output for _, prompt, output in requests)
    blocks = -(-most // block_size) * numbers.choice([2, 3]) if tight else 1_000_000
    return {
        "law": seed % 2,
        "max_num_seqs": numbers.choice([8, 32, 128]),
        "max_num_batched_tokens": numbers.choice([128, 512, 2048]),
        "block_size": block_size,
        "blocks": blocks,
        "requests": requests,
    }


def conversations(count):
    path = Path(sys.argv[1]) / "data/processed_traces/splitwise_conv.csv"
    with open(path, encoding="utf-8") as file:
        rows = [row for row, _ in zip(csv.reader(file), range(count + 1))][1:]
    return {
        "law": 1, "max_num_seqs": 128, "max_num_batched_tokens": 512, "block_size": 16, "blocks": 1_000_000,
        "requests": [[float(arrival), int(prompt), int(output)] for arrival, prompt, output in rows],
    }


def main():
    loads = [generated(seed, False) for seed in range(30)] + [generated(seed, True) for seed in range(100, 110)]
    loads.append(conversations(2000))
    for load in loads:
        load["answers"] = [[round(x, 9) for x in answer[:3]] + answer[3:] for answer in run(load)]
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write('{"vidur": "7d47513", "laws": %s, "loads": [\n' % json.dumps(LAWS))
        file.write(",\n".join(json.dumps(load, separators=(",", ":")) for load in loads))
        file.write("\n]}\n")
    restarts = sum(answer[3] for load in loads for answer in load["answers"])
    print(f"{len(loads)} loads, {sum(len(load['requests']) for load in loads)} requests, {restarts} restarts")


main()
