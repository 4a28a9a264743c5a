"""Compares the speed of our networks with runtimes that people use instead:
`cargo xtask bench models --peer torch,onnxruntime,openvino`.

For each row, the sides take turns, three times each. The result of a turn is the median of its steps, and the
figure is the median of the turns. All sides compute in float32 on random data, unless int8 is asked for. Training is the forward pass,
cross-entropy, the backward pass and Adam on one batch, beside PyTorch as most people run it and beside its best.
Inference is the forward pass in evaluation mode: in PyTorch under `torch.inference_mode()`, in ONNX Runtime and
OpenVINO on the network that PyTorch exported. PyTorch's own counter counts the operations. `WATTLAB_LANES`
chooses our instruction set; with `avx2`, the libraries of the peers are limited to AVX2, too, where they have a
switch for it. Prints a section of Markdown.

With `int8`, all sides compute with 8-bit integers: signed weights with a scale for each output channel, unsigned
activations with one for each tensor, calibrated on the same random images. ONNX Runtime quantizes statically (QDQ), and
OpenVINO by NNCF. PyTorch is left out, because it has no quantization of exported networks on x86 besides these.

    peer.py WATTLAB PEERS [SECONDS PER TURN] [float32|int8] [NETWORK]...
"""

import contextlib
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
INT8 = len(sys.argv) > 4 and sys.argv[4] == "int8"
# All networks if none is named.
NETWORKS = sys.argv[5:]
if INT8:
    PEERS = [peer for peer in PEERS if peer != "torch"]
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
# Network of int8, side of its images; the files of CIFAR ResNets are below this repository's folder.
INT8_INFERENCE = [
    ("resnet18", 224),
    ("mobilenet_v2", 224),
    *((f"configs/networks/cifar-resnet{depth}.toml", 32) for depth in (20, 32, 44, 56)),
]
# The speed that we want to reach at least with int8, as a ratio to our float32.
OWN_TARGET = 1.5
# Images for the calibration of int8.
CALIBRATION = 100
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


def turns(steps, flags, other=None):
    """Our time, the time of each peer's step, and our peak memory. The flags `other` are ours, too; their time comes
    before those of the peers."""
    mine, theirs, memory, guess = [], [[] for _ in steps], [], SECONDS
    more, last = [], SECONDS
    for _ in range(TURNS):
        guess, peak = ours(flags, guess)
        if not mine and guess < SECONDS / 2:
            # The first call only estimates how many steps fit into a turn.
            guess, peak = ours(flags, guess)
        mine.append(guess)
        memory.append(peak)
        if other:
            last, _ = ours(other, last)
            if not more and last < SECONDS / 2:
                last, _ = ours(other, last)
            more.append(last)
        for times, step in zip(theirs, steps):
            times.append(seconds(step))
    theirs = [statistics.median(times) for times in ([more] if other else []) + theirs]
    return statistics.median(mine), theirs, max(memory)


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
        if INT8:
            import nncf

            found.append(("NNCF", nncf.__version__))
    return ", ".join(f"{name} {version.split('+')[0].split('-')[0]}" for name, version in found)


def chosen(network):
    return not NETWORKS or network in NETWORKS


def main():
    cores = os.cpu_count() or 1
    counts = sorted({1, min(2, cores)})
    peaks = {threads: peak(threads) for threads in counts}
    wattlab = subprocess.run([WATTLAB, "--version"], capture_output=True, text=True, check=True)
    probe = [WATTLAB, "model", "bench", "--steps", "1", "--json"]
    probe += ["--arch", INT8_INFERENCE[-1][0], "--precision", "int8"] if INT8 else ["--net", "dense_poly"]
    instructions = json.loads(subprocess.run(probe, stdout=subprocess.PIPE, check=True).stdout)["instructions"]
    print(f"## {processor()}, {instructions}{', int8' if INT8 else ''}\n")
    print(
        f"The sides took turns on one machine; the figures are medians of {TURNS} turns of {SECONDS:g} s.\n"
        f"Versions: {wattlab.stdout.strip()}, {versions()}.\n"
        f"Machine: {cores} cores, whose peak is "
        + " and ".join(f"{peaks[n]:.0f} GFLOP/s on {n} thread{'s' * (n > 1)}" for n in counts)
        + " (PyTorch's SGEMM, the best of four sizes).\n"
        "A ratio is our speed divided by the peer's; ratios below their target are bold."
        + (" PyTorch and OpenVINO were limited to AVX2; ONNX Runtime was not." if AVX2 else "")
    )
    if INT8:
        int8_inference(counts)
        return
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


class CifarResNet(nn.Module):
    """ResNet for CIFAR (He et al. 2015, section 4.2) with shortcuts without parameters, as in our files."""

    class Block(nn.Module):
        def __init__(self, width, out, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(width, out, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(out)
            self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(out)
            self.stride, self.more = stride, (out - width) // 2

        def forward(self, x):
            kept = x
            if self.stride > 1:
                kept = nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.more, self.more))
            x = torch.relu(self.bn1(self.conv1(x)))
            return torch.relu(self.bn2(self.conv2(x)) + kept)

    def __init__(self, depth):
        super().__init__()
        layers, width = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
        for out in (16, 32, 64):
            for block in range((depth - 2) // 6):
                layers.append(self.Block(width, out, 2 if out > width else 1))
                width = out
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))

    def forward(self, x):
        return self.layers(x)


def built(network):
    torch.manual_seed(0)
    if network.endswith(".toml"):
        return CifarResNet(int("".join(it for it in os.path.basename(network) if it.isdigit()))).eval()
    return torchvision.models.get_model(network, weights=None).eval()


def quantized_for_onnxruntime(path, images, folder):
    """A network with the operations of static quantization, as ONNX Runtime's own documentation makes it."""
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(quantization.CalibrationDataReader):
        def __init__(self):
            self.left = iter([{"x": images[at : at + 1].numpy()} for at in range(len(images))])

        def get_next(self):
            return next(self.left, None)

    prepared, out = os.path.join(folder, "prepared.onnx"), os.path.join(folder, "int8.onnx")
    quant_pre_process(path, prepared)
    quantization.quantize_static(
        prepared,
        out,
        Reader(),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
    )
    return out


def quantized_for_openvino(path, images):
    import nncf
    import openvino

    return nncf.quantize(
        openvino.Core().read_model(path),
        nncf.Dataset([images[at : at + 1].numpy() for at in range(len(images))]),
        subset_size=len(images),
    )


def openvino_int8_step(model, images, threads):
    import openvino

    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
    values = images.numpy()
    return lambda: request.infer({0: values})


def dynamic(model, images, folder):
    """The network in ONNX for batches of any size, so that it can be calibrated image by image."""
    path = os.path.join(folder, "network.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, images, path, dynamo=False, opset_version=17, input_names=["x"], dynamic_axes={"x": {0: "n"}}
        )
    return path


def int8_inference(counts):
    import logging

    logging.disable(logging.WARNING)
    names = [NAMES[peer] for peer in PEERS]
    print(
        f"\n### Inference in int8, target {TARGET:g} × every peer and {OWN_TARGET:g} × our float32\n\n"
        f"Calibrated on {CALIBRATION} random images; ours on 4, which changes no time.\n\n"
        "| network | batch | threads | ours, float32 (ms) | ours, int8 (ms) | ratio | "
        + " | ".join(f"{name} int8 (ms) | ratio" for name in names)
        + " |\n|---|--:|--:|--:|--:|--:|"
        + "--:|--:|" * len(names)
    )
    for network, side in INT8_INFERENCE:
        if not chosen(network):
            continue
        model = built(network)
        calibration = torch.randn(CALIBRATION, 3, side, side)
        with tempfile.TemporaryDirectory() as folder:
            # They show their progress, which is no part of the section.
            with contextlib.redirect_stdout(sys.stderr):
                path = dynamic(model, calibration[:1], folder)
                onnx = quantized_for_onnxruntime(path, calibration, folder) if "onnxruntime" in PEERS else None
                ir = quantized_for_openvino(path, calibration) if "openvino" in PEERS else None
            for batch in (1, 8, 32):
                images = torch.randn(batch, 3, side, side)
                for threads in counts:
                    makers = {
                        "onnxruntime": lambda: onnxruntime_step(onnx, images, threads),
                        "openvino": lambda: openvino_int8_step(ir, images, threads),
                    }
                    flags = ["--arch", network, "--batch", str(batch), "--threads", str(threads)]
                    steps = [makers[peer]() for peer in PEERS]
                    mine, theirs, _ = turns(steps, [*flags, "--precision", "int8"], flags)
                    single, theirs = theirs[0], theirs[1:]
                    name = os.path.basename(network).removesuffix(".toml")
                    print(
                        f"| {name} | {batch} | {threads} | {single * 1e3:.2f} | {mine * 1e3:.2f} "
                        f"| {verdict(single / mine, OWN_TARGET)} | "
                        + " | ".join(f"{it * 1e3:.2f} | {verdict(it / mine, TARGET)}" for it in theirs)
                        + " |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
