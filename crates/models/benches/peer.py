"""Compares the speed of our networks with runtimes that people use instead:
`cargo xtask bench models --peer torch,onnxruntime,openvino`.

For each row, the sides take turns, three times each. The result of a turn is the median of its steps, and the
figure is the median of the turns. All sides compute in float32 on random data. Training is the forward pass,
cross-entropy, the backward pass and Adam on one batch, beside PyTorch as most people run it and beside its best.
Inference is the forward pass in evaluation mode: in PyTorch under `torch.inference_mode()`, in ONNX Runtime and
OpenVINO on the network that PyTorch exported. PyTorch's own counter counts the operations. `WATTLAB_LANES`
chooses our instruction set; with `avx2`, the libraries of the peers are limited to AVX2, too, where they have a
switch for it. Prints a section of Markdown.

    peer.py WATTLAB PEERS [SECONDS PER TURN] [NETWORK]...
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

AVX2 = os.environ.get("WATTLAB_LANES") == "avx2"
if AVX2:
    # Read when the libraries are loaded. ONNX Runtime has no such switch.
    os.environ["ATEN_CPU_CAPABILITY"] = "avx2"
    os.environ["MKL_ENABLE_INSTRUCTIONS"] = "AVX2"
    os.environ["ONEDNN_MAX_CPU_ISA"] = "AVX2"

import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

WATTLAB = sys.argv[1]
PEERS = sys.argv[2].split(",")
SECONDS = float(sys.argv[3]) if len(sys.argv) > 3 else 1.0
# All networks if none is named.
NETWORKS = sys.argv[4:]
TURNS = 3
BATCH = 512

# Network, channels, side, convolution blocks, linear layers, the target ratio.
TRAINING = [
    ("simple_cnn", 1, 28, 2, 3, 3.0),
    ("simple_cnn", 1, 28, 4, 7, 3.0),
    ("simple_cnn", 3, 32, 2, 3, 2.2),
    ("simple_cnn", 3, 32, 4, 7, 2.2),
    ("dense_poly", 1, 28, 0, 3, 1.1),
    ("dense_poly", 3, 32, 0, 3, 1.1),
]
INFERENCE = [
    "shufflenet_v2_x0_5",
    "mobilenet_v2",
    "densenet121",
    "alexnet",
    "resnet18",
    "vit_b_16",
    "convnext_base",
]
# The speed that we want to reach at least, as a ratio to PyTorch's best training, with and without convolutions.
BEST_CONV, BEST_DENSE = 1.2, 1.0
# The speed that we want to reach at least, as a ratio to the fastest peer.
TARGET = 1.0
NAMES = {"torch": "PyTorch", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}


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


def turns(steps, flags):
    """Our time, the time of each peer's step, and our peak memory."""
    mine, theirs, memory, guess = [], [[] for _ in steps], [], SECONDS
    for _ in range(TURNS):
        guess, peak = ours(flags, guess)
        if not mine and guess < SECONDS / 2:
            # The first call only estimates how many steps fit into a turn.
            guess, peak = ours(flags, guess)
        mine.append(guess)
        memory.append(peak)
        for times, step in zip(theirs, steps):
            times.append(seconds(step))
    return statistics.median(mine), [statistics.median(times) for times in theirs], max(memory)


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


def exported(model, images, folder):
    path = os.path.join(folder, "network.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, images, path, dynamo=False, opset_version=17, input_names=["x"])
    return path


def onnxruntime_step(path, images, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    values = images.numpy()
    return lambda: session.run(None, {"x": values})


def openvino_step(path, images, threads):
    import openvino

    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    request = openvino.Core().compile_model(path, "CPU", settings).create_infer_request()
    values = images.numpy()
    return lambda: request.infer({0: values})


def versions():
    found = [("PyTorch", torch.__version__), ("torchvision", torchvision.__version__)]
    if "onnxruntime" in PEERS:
        import onnxruntime

        found.append(("ONNX Runtime", onnxruntime.__version__))
    if "openvino" in PEERS:
        import openvino

        found.append(("OpenVINO", openvino.__version__))
    return ", ".join(f"{name} {version.split('+')[0].split('-')[0]}" for name, version in found)


def chosen(network):
    return not NETWORKS or network in NETWORKS


def main():
    cores = os.cpu_count() or 1
    counts = sorted({1, min(2, cores)})
    peaks = {threads: peak(threads) for threads in counts}
    wattlab = subprocess.run([WATTLAB, "--version"], capture_output=True, text=True, check=True)
    probe = [WATTLAB, "model", "bench", "--net", "dense_poly", "--steps", "1", "--json"]
    instructions = json.loads(subprocess.run(probe, stdout=subprocess.PIPE, check=True).stdout)["instructions"]
    print(f"## {processor()}, {instructions}\n")
    print(
        f"The sides took turns on one machine; the figures are medians of {TURNS} turns of {SECONDS:g} s.\n"
        f"Versions: {wattlab.stdout.strip()}, {versions()}.\n"
        f"Machine: {cores} cores, whose peak is "
        + " and ".join(f"{peaks[n]:.0f} GFLOP/s on {n} thread{'s' * (n > 1)}" for n in counts)
        + " (PyTorch's SGEMM, the best of four sizes).\n"
        "A ratio is our speed divided by the peer's; ratios below their target are bold."
        + (" PyTorch and OpenVINO were limited to AVX2; ONNX Runtime was not." if AVX2 else "")
    )
    if any(chosen(row[0]) for row in TRAINING):
        training(counts, peaks)
    if any(chosen(arch) for arch in INFERENCE):
        inference(counts, peaks)


def training_step(model, images, labels, fused=False):
    adam = torch.optim.Adam(model.parameters(), lr=1e-4, fused=fused)
    criterion = nn.CrossEntropyLoss()

    def step():
        adam.zero_grad(set_to_none=True)
        criterion(model(images), labels).backward()
        adam.step()

    return step


def fastest_step(build, images, labels):
    """The fastest of the ways in which PyTorch's own documentation speeds up training on a CPU, and its name."""

    def compiled():
        torch._dynamo.reset()
        return training_step(torch.compile(build()), images, labels, fused=True)

    def last():
        model = build().to(memory_format=torch.channels_last)
        return training_step(model, images.contiguous(memory_format=torch.channels_last), labels, fused=True)

    ways = {"fused Adam": lambda: training_step(build(), images, labels, fused=True), "compiled": compiled}
    if any(isinstance(layer, nn.Conv2d) for layer in build()):
        ways["channels last"] = last
    found = {}
    for name, make in ways.items():
        step = make()
        found[name] = (seconds(step), step)
    name = min(found, key=lambda name: found[name][0])
    return name, found[name][1]


def training(counts, peaks):
    print(
        f"\n### Training, batch {BATCH}\n\n"
        "PyTorch's best is the fastest of fused Adam, fused Adam with the channels last, and fused Adam with "
        "`torch.compile`.\n"
    )
    print(
        "| network | threads | MFLOP per image | ours (images/s) | PyTorch (images/s) | ratio | target "
        "| PyTorch's best (images/s) | ratio | target | our share of the peak | PyTorch's | our peak memory (MB) |\n"
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    )
    for net, channels, side, conv, linear, target in TRAINING:
        if not chosen(net):
            continue

        def build():
            torch.manual_seed(0)
            return study(net, channels, side, conv, linear)

        images = torch.rand(BATCH, channels, side, side)
        labels = torch.arange(BATCH) % 10
        step = training_step(build(), images, labels)
        flops = operations(step) / BATCH
        for threads in counts:
            torch.set_num_threads(threads)
            flags = ["--net", net, "--channels", str(channels), "--side", str(side), "--linear", str(linear)]
            flags += ["--conv", str(conv)] if conv else []
            flags += ["--batch", str(BATCH), "--threads", str(threads)]
            way, best = fastest_step(build, images, labels)
            mine, (theirs, least), memory = turns([step, best], flags)
            share = [100 * flops * BATCH / it / 1e9 / peaks[threads] for it in (mine, min(theirs, least))]
            name = f"{net} {channels}×{side}×{side}" + (f", {conv} conv" if conv else "") + f", {linear} linear"
            lowest = BEST_CONV if conv else BEST_DENSE
            print(
                f"| {name} | {threads} | {flops / 1e6:.2f} | {BATCH / mine:,.0f} | {BATCH / theirs:,.0f} "
                f"| {verdict(theirs / mine, target)} | {target:g} | {BATCH / least:,.0f} ({way}) "
                f"| {verdict(least / mine, lowest)} | {lowest:g} "
                f"| {share[0]:.0f} % | {share[1]:.0f} % | {memory:.0f} |",
                flush=True,
            )


def inference(counts, peaks):
    print(f"\n### Inference, 3×224×224, target {TARGET:g} × every peer\n")
    names = [NAMES[peer] for peer in PEERS]
    print(
        "| network | batch | threads | GFLOP per image | ours (ms) | our share of the peak | "
        + " | ".join(f"{name} (ms) | ratio" for name in names)
        + " |\n|---|--:|--:|--:|--:|--:|"
        + "--:|--:|" * len(names)
    )
    for arch in filter(chosen, INFERENCE):
        model = torchvision.models.get_model(arch, weights=None).eval()
        for batch in (1, 8, 32):
            images = torch.randn(batch, 3, 224, 224)

            def step():
                with torch.inference_mode():
                    model(images)

            flops = operations(step)
            with tempfile.TemporaryDirectory() as folder:
                path = exported(model, images, folder)
                for threads in counts:
                    torch.set_num_threads(threads)
                    makers = {
                        "torch": lambda: step,
                        "onnxruntime": lambda: onnxruntime_step(path, images, threads),
                        "openvino": lambda: openvino_step(path, images, threads),
                    }
                    flags = ["--arch", arch, "--batch", str(batch), "--threads", str(threads)]
                    mine, theirs, _ = turns([makers[peer]() for peer in PEERS], flags)
                    share = 100 * flops / mine / 1e9 / peaks[threads]
                    print(
                        f"| {arch} | {batch} | {threads} | {flops / batch / 1e9:.2f} | {mine * 1e3:.1f} | {share:.0f} % | "
                        + " | ".join(f"{it * 1e3:.1f} | {verdict(it / mine, TARGET)}" for it in theirs)
                        + " |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
