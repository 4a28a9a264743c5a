#!/usr/bin/env python3
"""Tunes a PyTorch network with `wattlab tune serve`, counts joules, and stops bad trials early.

    python3 examples/tune_pytorch.py [--wattlab FILE] [--data-dir DIR] [--out DIR] [--legs N] [--joules J]

`--data-dir` is a folder with the four files of Fashion-MNIST (plain or .gz). Without it the networks
learn a made-up task: which of ten classes a random teacher network gives to 64 numbers. Run the script
again with the same `--out` to continue the study, even after it was killed.

A trial is trained in segments ("legs"). The study says up to which epoch a segment goes, sees the loss of
each epoch, and decides which trials go on. Each segment is a process of its own under `wattlab measure`,
so that its joules are known: measured if there is a sensor, otherwise estimated, and including the start
of PyTorch. It continues from the trial's checkpoint.
"""

import argparse
import gzip
import json
import math
import pathlib
import subprocess
import sys

SPACE = [
    {"name": "learning_rate", "kind": "float", "low": 1e-4, "high": 1.0, "log": True},
    {"name": "optimizer", "kind": "categorical", "choices": ["adam", "sgd"]},
    {"name": "momentum", "kind": "float", "low": 0.0, "high": 0.95, "only_if": {"optimizer": "sgd"}},
    {"name": "layers", "kind": "int", "low": 1, "high": 3},
    {"name": "width", "kind": "int", "low": 16, "high": 256, "log": True},
    {"name": "dropout", "kind": "float", "low": 0.0, "high": 0.5},
]
MINIBATCH = 64


class Study:
    """A study in a process of its own: one request and one answer per line."""

    def __init__(self, program, **study):
        command = [program, "tune", "serve"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        # Segments that were running when an earlier call was killed.
        self.left = self.request(op="study", **study).get("under_way", [])

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


def drive(args):
    """Asks for segments, has them trained and measured, and tells their losses and costs."""
    if args.data_dir is not None:
        # Check here that the files exist, instead of in every trial.
        for name in ["images-idx3", "labels-idx1"]:
            file_of(args.data_dir, name)
    args.out.mkdir(parents=True, exist_ok=True)
    study = Study(
        args.wattlab,
        seed=1,
        direction="minimize",
        space=SPACE,
        pruner={"kind": "posterior", "least": 1, "most": 9, "factor": 3},
        journal=str(args.out / "study.jsonl"),
        **({"budget_j": args.joules} if args.joules else {}),
    )
    spent = 0.0
    for _ in range(args.legs):
        leg = study.left.pop(0) if study.left else study.request(op="ask")
        joules, origin = run_leg(args, study, leg)
        spent += joules or 0.0
        cost = "no joules" if joules is None else f"{joules:.1f} J {origin}"
        print(f"trial {leg['trial']}, epochs {leg['from'] + 1} to {leg['until']}: {cost}", flush=True)
        if args.joules and spent >= args.joules:
            break
    try:
        best = study.request(op="best")
        print(f"best: trial {best['trial']}, loss {best['value']:.4f}, {best['params']}")
    except RuntimeError as error:
        print(f"best: {error}")
    return study.close()


def run_leg(args, study, leg):
    """Trains a segment; its last epoch is reported together with the cost."""
    trial, told = leg["trial"], None
    measured = args.out / f"trial-{trial}.json"
    train = [sys.executable, __file__, "--train", json.dumps(leg), "--out", str(args.out)]
    train += ["--data-dir", str(args.data_dir)] if args.data_dir else []
    command = [args.wattlab, "measure", "--output", str(measured), "--", *train]
    with open(args.out / f"trial-{trial}.log", "a") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        for line in process.stdout:
            if told:
                study.request(op="report", trial=trial, **told)
            told = json.loads(line)
        process.wait()
    energy = json.loads(measured.read_text())["total"] or {}
    joules = energy.get("joules")
    if process.returncode != 0 or told is None:
        # A failed trial counts, and so do its joules.
        print(f"trial {trial} failed; `{log.name}` says why", flush=True)
        study.request(op="tell", trial=trial, value=None, cost_j=joules)
    else:
        study.request(op="report", trial=trial, cost_j=joules, **told)
    return joules, energy.get("origin")


def train(args):
    """Trains one segment: prints `{"step": epoch, "value": loss}` after each epoch."""
    import torch

    leg = json.loads(args.train)
    params, trial = leg["params"], leg["trial"]
    torch.set_num_threads(1)
    torch.manual_seed(trial)
    images, labels, unseen, unseen_labels = data(torch, args.data_dir)

    sizes = [images.shape[1]] + [params["width"]] * params["layers"]
    layers = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
        layers += [torch.nn.Dropout(params["dropout"])]
    model = torch.nn.Sequential(*layers, torch.nn.Linear(sizes[-1], 10))
    if params["optimizer"] == "adam":
        optimizer = torch.optim.Adam(model.parameters(), lr=params["learning_rate"])
    else:
        optimizer = torch.optim.SGD(
            model.parameters(), lr=params["learning_rate"], momentum=params["momentum"]
        )
    checkpoint, losses = args.out / f"trial-{trial}.pt", []
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        losses = state["losses"]

    def tell(epoch):
        # A loss of NaN says that the trial failed.
        print(json.dumps({"step": epoch + 1, "value": losses[epoch]}), flush=True)

    # Epochs that were trained but not reported when an earlier call was killed.
    for epoch in range(leg["from"], min(leg["until"], len(losses))):
        tell(epoch)
    loss_of = torch.nn.CrossEntropyLoss()
    for epoch in range(len(losses), leg["until"]):
        # Order and dropout of an epoch depend on the trial and the epoch, not on the segments.
        torch.manual_seed(1000 * trial + epoch)
        model.train()
        for batch in torch.randperm(len(images)).split(MINIBATCH):
            optimizer.zero_grad()
            loss_of(model(images[batch]), labels[batch]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            losses.append(loss_of(model(unseen), unseen_labels).item())
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "losses": losses}
        part = checkpoint.with_suffix(".part")
        torch.save(state, part)
        part.replace(checkpoint)
        if epoch >= leg["from"]:
            tell(epoch)
        if not math.isfinite(losses[-1]):
            break
    return 0


def data(torch, folder):
    """Inputs and labels to train on, then those to validate with."""
    if folder is not None:
        images, labels = idx(torch, folder, "images-idx3"), idx(torch, folder, "labels-idx1")
        images = images.flatten(1).float() / 255.0 - 0.5
        return images[:16000], labels[:16000].long(), images[-4000:], labels[-4000:].long()
    generator = torch.Generator().manual_seed(7)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    inputs = normal(20000, 64)
    hidden = torch.relu(inputs @ normal(64, 32) / 8.0)
    labels = (hidden @ normal(32, 10) + 0.3 * normal(20000, 10)).argmax(1)
    return inputs[:16000], labels[:16000], inputs[16000:], labels[16000:]


def file_of(folder, name):
    path = next(iter(sorted(folder.glob(f"train-{name}-ubyte*"))), None)
    if path is None:
        sys.exit(f"`{folder}` has no `train-{name}-ubyte` or `.gz`; give another --data-dir, or leave it out")
    return path


def idx(torch, folder, name):
    """Reads a file in MNIST's format, such as `train-images-idx3-ubyte`, plain or compressed."""
    path = file_of(folder, name)
    content = path.read_bytes()
    content = gzip.decompress(content) if path.suffix == ".gz" else content
    dimensions = content[3]
    shape = [int.from_bytes(content[4 + 4 * at : 8 + 4 * at], "big") for at in range(dimensions)]
    flat = torch.frombuffer(bytearray(content[4 + 4 * dimensions :]), dtype=torch.uint8)
    return flat.reshape(shape)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wattlab", default="wattlab", help="path of the program wattlab")
    parser.add_argument("--data-dir", type=pathlib.Path, help="folder with Fashion-MNIST's files")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("tune-pytorch"))
    parser.add_argument("--legs", type=int, default=24, help="segments to train in this call")
    parser.add_argument("--joules", type=float, help="end after this many joules")
    parser.add_argument("--train", help=argparse.SUPPRESS)
    args = parser.parse_args()
    return train(args) if args.train else drive(args)


if __name__ == "__main__":
    sys.exit(main())
