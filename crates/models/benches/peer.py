"""Compares the speed of our networks with PyTorch's: `cargo xtask bench models --peer torch`.

For each row, the two sides take turns, three times each. The result of a turn is the median of its steps, and
the figure is the median of the turns. Both sides compute in float32 on random data. Training is the forward
pass, cross-entropy, the backward pass and Adam on one batch. Inference is the forward pass in evaluation mode,
in PyTorch under `torch.inference_mode()`. PyTorch's own counter counts the operations. Prints Markdown.

    peer.py WATTLAB [SECONDS PER TURN]
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import time

import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

WATTLAB = sys.argv[1]
SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
TURNS = 3
BATCH = 512

# Network, channels, side, convolution blocks, linear layers, the target ratio.
TRAINING = [
    ("simple_cnn", 1, 28, 2, 3, 2.5),
    ("simple_cnn", 1, 28, 4, 7, 2.5),
    ("simple_cnn", 3, 32, 2, 3, 2.0),
    ("simple_cnn", 3, 32, 4, 7, 2.0),
    ("dense_poly", 1, 28, 0, 3, 1.0),
    ("dense_poly", 3, 32, 0, 3, 1.0),
]
INFERENCE = [
    ("shufflenet_v2_x0_5", 1.0),
    ("mobilenet_v2", 1.0),
    ("densenet121", 1.0),
    ("alexnet", 0.8),
    ("resnet18", 0.8),
    ("vit_b_16", 0.8),
    ("convnext_base", 0.8),
]


def study(net, channels, side, conv, linear):
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
    return nn.Sequential(*layers, nn.Linear(features, 10))


def seconds(step):
    """Median time of the steps of a turn, at least one step."""
    end = time.perf_counter() + SECONDS
    for _ in range(2):
        step()
        if time.perf_counter() > end:
            break
    times, end = [], time.perf_counter() + SECONDS
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def ours(flags, guess):
    """Median step time of `wattlab model bench`, and its peak memory in MB."""
    steps = max(1, min(2000, int(SECONDS / guess)))
    command = [WATTLAB, "model", "bench", *flags, "--steps", str(steps), "--json"]
    told = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return told["step_s"]["median"], told["peak_memory_mb"] or float("nan")


def turns(step, flags):
    mine, theirs, memory, guess = [], [], [], SECONDS
    for _ in range(TURNS):
        guess, peak = ours(flags, guess)
        if not mine and guess < SECONDS / 2:
            # The first call only estimates how many steps fit into a turn.
            guess, peak = ours(flags, guess)
        mine.append(guess)
        memory.append(peak)
        theirs.append(seconds(step))
    return statistics.median(mine), statistics.median(theirs), max(memory)


def operations(step):
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


def peak(threads):
    """GFLOP/s of PyTorch's matrix product, the best of several sizes."""
    torch.set_num_threads(threads)
    best = 0.0
    for size in (768, 1024, 1536, 2048):
        a, b = torch.randn(size, size), torch.randn(size, size)
        best = max(best, 2 * size**3 / seconds(lambda: torch.mm(a, b)) / 1e9)
    return best


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.processor()


def verdict(ratio, target):
    return f"{ratio:.2f}" if ratio >= target else f"**{ratio:.2f}**"


def main():
    cores = os.cpu_count() or 1
    counts = sorted({1, min(2, cores)})
    peaks = {threads: peak(threads) for threads in counts}
    wattlab = subprocess.run([WATTLAB, "--version"], capture_output=True, text=True, check=True)
    print("# Speed compared with PyTorch\n")
    print(
        "This file is written by `cargo xtask bench models --peer torch`.\n"
        f"The two sides took turns on one machine; the figures are medians of {TURNS} turns of {SECONDS:g} s.\n"
        f"Versions: {wattlab.stdout.strip()}, PyTorch {torch.__version__.split('+')[0]}, "
        f"torchvision {torchvision.__version__.split('+')[0]}.\n"
        f"Machine: {processor()}, {cores} cores, whose peak is "
        + " and ".join(f"{peaks[n]:.0f} GFLOP/s on {n} thread{'s' * (n > 1)}" for n in counts)
        + " (PyTorch's SGEMM, the best of four sizes).\n"
        "A ratio is our speed divided by PyTorch's; ratios below their target are bold.\n"
    )
    print(f"## Training, batch {BATCH}\n")
    print(
        "| network | threads | MFLOP per image | ours (images/s) | PyTorch (images/s) | ratio | target "
        "| our share of the peak | PyTorch's | our peak memory (MB) |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    )
    for net, channels, side, conv, linear, target in TRAINING:
        torch.manual_seed(0)
        model = study(net, channels, side, conv, linear)
        adam = torch.optim.Adam(model.parameters(), lr=1e-4)
        criterion = nn.CrossEntropyLoss()
        images = torch.rand(BATCH, channels, side, side)
        labels = torch.arange(BATCH) % 10

        def step():
            adam.zero_grad(set_to_none=True)
            criterion(model(images), labels).backward()
            adam.step()

        flops = operations(step) / BATCH
        for threads in counts:
            torch.set_num_threads(threads)
            flags = ["--net", net, "--channels", str(channels), "--side", str(side), "--linear", str(linear)]
            flags += ["--conv", str(conv)] if conv else []
            flags += ["--batch", str(BATCH), "--threads", str(threads)]
            mine, theirs, memory = turns(step, flags)
            share = [100 * flops * BATCH / it / 1e9 / peaks[threads] for it in (mine, theirs)]
            name = f"{net} {channels}×{side}×{side}" + (f", {conv} conv" if conv else "") + f", {linear} linear"
            print(
                f"| {name} | {threads} | {flops / 1e6:.2f} | {BATCH / mine:,.0f} | {BATCH / theirs:,.0f} "
                f"| {verdict(theirs / mine, target)} | {target:g} | {share[0]:.0f} % | {share[1]:.0f} % | {memory:.0f} |",
                flush=True,
            )
    print("\n## Inference, 3×224×224\n")
    print(
        "| network | batch | threads | GFLOP per image | ours (ms) | PyTorch (ms) | ratio | target "
        "| our share of the peak | PyTorch's |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    )
    for arch, target in INFERENCE:
        model = torchvision.models.get_model(arch, weights=None).eval()
        for batch in (1, 8, 32):
            images = torch.randn(batch, 3, 224, 224)

            def step():
                with torch.inference_mode():
                    model(images)

            flops = operations(step)
            for threads in counts:
                torch.set_num_threads(threads)
                flags = ["--arch", arch, "--batch", str(batch), "--threads", str(threads)]
                mine, theirs, _ = turns(step, flags)
                share = [100 * flops / it / 1e9 / peaks[threads] for it in (mine, theirs)]
                print(
                    f"| {arch} | {batch} | {threads} | {flops / batch / 1e9:.2f} | {mine * 1e3:.1f} "
                    f"| {theirs * 1e3:.1f} | {verdict(theirs / mine, target)} | {target:g} "
                    f"| {share[0]:.0f} % | {share[1]:.0f} % |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
