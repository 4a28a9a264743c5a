#!/usr/bin/env python3
"""Tunes a function with `wattlab tune serve`; standard library only.

    python3 examples/tune_serve.py [WATTLAB]

Replace `train` by any function that returns a number, or NaN if the trial failed.
`tune_pytorch.py` trains networks, measures them and stops bad trials early.
"""

import json
import math
import subprocess
import sys


class Study:
    """A study in a process of its own: one request and one answer per line."""

    def __init__(self, program, **study):
        command = [program, "tune", "serve"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.request(op="study", **study)

    def request(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def close(self):
        self.process.stdin.close()
        return self.process.wait()


def train(params):
    """A stand-in for a training: returns its validation loss."""
    rate = math.log10(params["learning_rate"])
    if rate > -1.3:
        return math.nan  # diverged
    small = abs(math.log2(params["hidden"] / 128)) / 10
    return (rate + 2.8) ** 2 + (params["beta1"] - 0.88) ** 2 + small


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else "wattlab"
    study = Study(
        program,
        seed=1,
        direction="minimize",
        sampler={"kind": "gp"},
        space=[
            {"name": "learning_rate", "kind": "float", "low": 1e-5, "high": 1e-1, "log": True},
            {"name": "beta1", "kind": "float", "low": 0.1, "high": 0.999},
            {"name": "hidden", "kind": "int", "low": 16, "high": 1024, "log": True},
            {"name": "activation", "kind": "categorical", "choices": ["relu", "gelu"]},
        ],
        journal="tune-serve.jsonl",  # run it again to continue the study
    )
    for _ in range(30):
        asked = study.request(op="ask")
        value = train(asked["params"])
        # `cost_j` takes joules if you measured them, for example with `wattlab measure`.
        study.request(op="tell", trial=asked["trial"], value=value)
    best = study.request(op="best")
    print(f"best: trial {best['trial']}, loss {best['value']:.4f}, {best['params']}")
    return study.close()


if __name__ == "__main__":
    sys.exit(main())
