"""Runs vLLM's own scheduler on 300 generated loads and writes what it scheduled in every step.

    python crates/inference-sim/tests/vllm_peer.py crates/inference-sim/tests/data/vllm.json

Needs vLLM's Python files and what they import (`VLLM_TARGET_DEVICE=empty pip install --no-binary vllm vllm`), but no
accelerator and no model: the scheduler decides by numbers of tokens alone. The load follows from a seed. Requests come
between steps; every generated token is the same, so that an answer ends at its `max_tokens`.
The test `tests/it/vllm.rs` gives the same loads to `TokenScheduler` and expects the same steps.
"""

import json
import random
import sys
from types import SimpleNamespace
from unittest.mock import MagicMock

# Backends of structured output, which no request here asks for.
for name in ["xgrammar", "llguidance", "llguidance.hf", "llguidance.torch", "outlines_core"]:
    sys.modules.setdefault(name, MagicMock())

import torch
import vllm
from vllm.sampling_params import SamplingParams
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.kv_cache_interface import FullAttentionSpec, KVCacheConfig, KVCacheGroupSpec
from vllm.v1.outputs import ModelRunnerOutput
from vllm.v1.request import Request

LOADS = 300


class Settings(SimpleNamespace):
    """Settings of which all that are not named are off."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return None


def scheduler(load):
    settings = Settings(
        scheduler_config=Settings(
            max_num_seqs=load["max_num_seqs"],
            max_num_batched_tokens=load["max_num_batched_tokens"],
            max_num_scheduled_tokens=load["max_num_batched_tokens"],
            long_prefill_token_threshold=load["long_prefill_token_threshold"],
            enable_chunked_prefill=load["enable_chunked_prefill"],
            scheduler_reserve_full_isl=load["reserve_prompt"],
            policy="fcfs",
            async_scheduling=False,
            max_num_encoder_input_tokens=0,
            encoder_cache_size=0,
        ),
        model_config=Settings(max_model_len=100_000, is_encoder_decoder=False, enable_return_routed_experts=False),
        cache_config=Settings(num_gpu_blocks=load["blocks"] + 1, block_size=load["block_size"], enable_prefix_caching=False),
        parallel_config=Settings(
            pipeline_parallel_size=1, decode_context_parallel_size=1, prefill_context_parallel_size=1,
            data_parallel_index=0, data_parallel_rank=0,
        ),
        observability_config=Settings(kv_cache_metrics=False),
        num_speculative_tokens=0,
    )
    spec = FullAttentionSpec(block_size=load["block_size"], num_kv_heads=1, head_size=1, dtype=torch.float32)
    cache = KVCacheConfig(
        num_blocks=load["blocks"] + 1, kv_cache_tensors=[], kv_cache_groups=[KVCacheGroupSpec(["layer"], spec)]
    )
    registry = MagicMock()
    registry.supports_multimodal_inputs.return_value = False
    structured_output = MagicMock()
    structured_output.should_advance.return_value = False
    return Scheduler(
        vllm_config=settings, kv_cache_config=cache, structured_output_manager=structured_output,
        block_size=load["block_size"], mm_registry=registry, log_stats=False,
    )


def request(number, prompt, output):
    return Request(
        request_id=str(number), prompt_token_ids=[1] * prompt, pooling_params=None,
        sampling_params=SamplingParams(max_tokens=output, ignore_eos=True),
    )


def load(seed):
    numbers = random.Random(seed)
    block_size = numbers.choice([1, 2, 4, 16])
    longest = numbers.choice([30, 100, 400])
    requests = []
    step = 0
    for _ in range(numbers.randint(2, 12)):
        step += numbers.choice([0, 0, 0, 1, 2, 10])
        requests.append([step, numbers.randint(1, longest), numbers.randint(1, 24)])
    chunked = numbers.random() < 0.8
    most = max(prompt + output for _, prompt, output in requests)
    least_blocks = -(-most // block_size)
    return {
        "max_num_seqs": numbers.choice([1, 2, 4, 8, 16]),
        "max_num_batched_tokens": numbers.randint(8, 2 * longest) if chunked else most + numbers.randint(0, longest),
        "enable_chunked_prefill": chunked,
        "long_prefill_token_threshold": numbers.choice([0, 0, 0, 5, 50]) if chunked else 0,
        "block_size": block_size,
        "blocks": numbers.choice([least_blocks, least_blocks + numbers.randint(0, 2 * least_blocks), 10_000]),
        "reserve_prompt": numbers.random() < 0.5,
        "requests": requests,
    }


def run(load):
    server = scheduler(load)
    steps = []
    coming = list(enumerate(load["requests"]))
    known = {}
    number = 0
    while coming or server.get_num_unfinished_requests() > 0:
        while coming and coming[0][1][0] <= number:
            name, (_, prompt, output) = coming.pop(0)
            known[str(name)] = request(name, prompt, output)
            server.add_request(known[str(name)])
        number += 1
        before = {name: one.num_preemptions for name, one in known.items()}
        out = server.schedule()
        preempted = sorted(int(name) for name, one in known.items() if one.num_preemptions > before[name])
        names = list(out.num_scheduled_tokens)
        if not names:
            steps.append([[], preempted])
            continue
        steps.append([[[int(name), out.num_scheduled_tokens[name]] for name in names], preempted])
        sampled = [[7] if known[name].num_computed_tokens >= known[name].num_tokens else [] for name in names]
        server.update_from_output(out, ModelRunnerOutput(
            req_ids=names, req_id_to_index={name: place for place, name in enumerate(names)},
            sampled_token_ids=sampled, logprobs=None, prompt_logprobs_dict={}, pooler_output=[],
        ))
    return steps


def main():
    loads = []
    for seed in range(LOADS):
        one = load(seed)
        one["steps"] = run(one)
        loads.append(one)
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write('{"vllm": "%s", "loads": [\n' % vllm.__version__)
        file.write(",\n".join(json.dumps(one, separators=(",", ":")) for one in loads))
        file.write("\n]}\n")
    preempting = sum(any(preempted for _, preempted in one["steps"]) for one in loads)
    print(f"{sum(len(one['steps']) for one in loads)} steps, preemptions in {preempting} loads")


main()
