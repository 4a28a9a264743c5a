"""Compares the speed of our networks on a GPU with PyTorch's, on the same GPU in the same run.

The two sides take turns, three times each (inference twice). The result of a turn is the median over stretches of
20 steps, which are submitted together and then waited for; the figure is the median of the turns. Data stays on
the device. Training is the forward pass, cross-entropy, the backward pass and Adam on one batch in float32
(PyTorch's convolutions may use TF32, which is their default; ours do not). PyTorch is measured in eager mode and
with the step recorded as a CUDA graph. Prints Markdown.

    peer_gpu.py WATTLAB [DEVICE] [SECONDS PER TURN]
"""

import json
import statistics
import subprocess
import sys
import time

import torch
import torchvision
from torch import nn

WATTLAB = sys.argv[1]
DEVICE = sys.argv[2] if len(sys.argv) > 2 else "cuda"
SECONDS = float(sys.argv[3]) if len(sys.argv) > 3 else 1.0
TURNS = 3
BATCH = 512
TOGETHER = 20
GPU = DEVICE.startswith("cuda")

# Network, channels, side, convolution blocks, linear layers.
TRAINING = [
    ("simple_cnn", 1, 28, 2, 3),
    ("simple_cnn", 1, 28, 4, 7),
    ("simple_cnn", 3, 32, 2, 3),
    ("simple_cnn", 3, 32, 4, 7),
    ("dense_poly", 1, 28, 0, 3),
    ("dense_poly", 3, 32, 0, 3),
]
INFERENCE = ["alexnet", "densenet121", "shufflenet_v2_x0_5", "vit_b_16", "convnext_base", "resnet50", "mobilenet_v2"]


def study(channels, side, conv, linear):
    """One of the training study's networks."""
    layers, width, pixels = [], channels, side
    for depth in range(conv):
        out = channels * 3 ** (depth + 1)
        layers += [nn.Conv2d(width, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)]
        width, pixels = out, pixels // 2
    layers.append(nn.Flatten())
    features = width * pixels**2
    for depth in range(linear - 1):
        out = max(channels * side**2 // 2 ** (depth + 1), channels)
        layers.append(nn.Linear(features, out))
        features = out
    return nn.Sequential(*layers, nn.Linear(features, 10)).to(DEVICE)


def wait():
    if GPU:
        torch.cuda.synchronize()


def seconds(step):
    """Median step time over the stretches of a turn, at least one stretch."""
    for _ in range(3):
        step()
    wait()
    times, end = [], time.perf_counter() + SECONDS
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(TOGETHER):
            step()
        wait()
        times.append((time.perf_counter() - start) / TOGETHER)
    return statistics.median(times)


def ours(flags, guess):
    """Median step time of `wattlab model bench`, and its other results."""
    steps = max(TOGETHER, min(200_000, int(SECONDS / guess)))
    command = [WATTLAB, "model", "bench", "--device", DEVICE, *flags, "--steps", str(steps), "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"<!-- {' '.join(flags)}: {done.stderr.strip()} -->", flush=True)
        return None
    return json.loads(done.stdout)


def graphed(step):
    """The step as a CUDA graph; None if it cannot be recorded."""
    if not GPU:
        return None
    try:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        return graph.replay
    except RuntimeError as error:
        print(f"<!-- not recorded: {error} -->", flush=True)
        return None


def turns(flags, *steps, count=TURNS):
    """Medians of our step and of PyTorch's steps; None for a step that does not exist."""
    told = ours(flags, SECONDS / TOGETHER)
    if told is None:
        return None
    guess = told["step_s"]["median"]
    mine, theirs = [], [[] for _ in steps]
    for _ in range(count):
        told = ours(flags, guess)
        mine.append(told["step_s"]["median"])
        for step, times in zip(steps, theirs):
            if step:
                times.append(seconds(step))
    median = lambda it: statistics.median(it) if it else None
    return told, median(mine), [median(it) for it in theirs]


def figures(batch, mine, theirs):
    shown = [f"{mine * 1e3:.3f}", f"{batch / mine:,.0f}"]
    for it in theirs:
        shown += [f"{batch / it:,.0f}", f"{it / mine:.2f}"] if it else ["–", "–"]
    return " | ".join(shown)


def training():
    print(f"## Training, batch {BATCH}, float32\n")
    print(
        "| network | a step of ours (ms) | ours (images/s) | PyTorch (images/s) | ratio "
        "| PyTorch, recorded (images/s) | ratio | ours recorded |\n|---|--:|--:|--:|--:|--:|--:|---|"
    )
    for net, channels, side, conv, linear in TRAINING:
        torch.manual_seed(0)
        model = study(channels, side, conv, linear)
        images = torch.rand(BATCH, channels, side, side, device=DEVICE)
        labels = torch.arange(BATCH, device=DEVICE) % 10
        criterion = nn.CrossEntropyLoss()

        def step_of(adam):
            def step():
                adam.zero_grad(set_to_none=True)
                criterion(model(images), labels).backward()
                adam.step()

            return step

        usual = step_of(torch.optim.Adam(model.parameters(), lr=1e-4))
        seconds(usual)
        recorded = graphed(step_of(torch.optim.Adam(model.parameters(), lr=1e-4, capturable=GPU)))
        flags = ["--net", net, "--channels", str(channels), "--side", str(side), "--linear", str(linear)]
        flags += ["--conv", str(conv)] if conv else []
        measured = turns([*flags, "--batch", str(BATCH)], usual, recorded)
        name = f"{net} {channels}×{side}×{side}" + (f", {conv} conv" if conv else "") + f", {linear} linear"
        if measured:
            told, mine, theirs = measured
            print(f"| {name} | {figures(BATCH, mine, theirs)} | {told.get('recorded')} |", flush=True)


def inference():
    print("\n## Inference, 3×224×224, products in TF32 on both sides or all in bfloat16\n")
    print(
        "| network | type | batch | ours (ms) | ours (images/s) | PyTorch (images/s) | ratio "
        "| PyTorch, recorded (images/s) | ratio |\n|---|---|--:|--:|--:|--:|--:|--:|--:|"
    )
    for arch in INFERENCE:
        for word, dtype in (("tf32", torch.float32), ("bf16", torch.bfloat16)):
            torch.backends.cuda.matmul.allow_tf32 = True
            model = torchvision.models.get_model(arch, weights=None).eval().to(DEVICE, dtype)
            for batch in (1, 64):
                images = torch.randn(batch, 3, 224, 224, device=DEVICE, dtype=dtype)

                def step():
                    with torch.inference_mode():
                        model(images)

                flags = ["--arch", arch, "--batch", str(batch), "--precision", word]
                measured = turns(flags, step, graphed(step), count=2)
                if measured is None:
                    return
                _, mine, theirs = measured
                print(f"| {arch} | {word} | {batch} | {figures(batch, mine, theirs)} |", flush=True)


def main():
    wattlab = subprocess.run([WATTLAB, "--version"], capture_output=True, text=True, check=True)
    where = torch.cuda.get_device_name() if GPU else "the CPU"
    torch.backends.cuda.matmul.allow_tf32 = False
    print("# Speed on a GPU compared with PyTorch\n")
    print(
        f"{wattlab.stdout.strip()}, PyTorch {torch.__version__}, torchvision {torchvision.__version__}; {where}. "
        f"The two sides took turns; the figures are medians of {TURNS} turns (inference: 2) of {SECONDS:g} s.\n"
    )
    training()
    inference()


if __name__ == "__main__":
    main()
