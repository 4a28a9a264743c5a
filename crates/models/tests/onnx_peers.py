"""Compares `wattlab model forward` with ONNX Runtime for ONNX files that people have.

The files are the 22 networks of `wattlab model list`, exported by torchvision and PyTorch in both forms of
`torch.onnx.export`, the nine light models inside the PyPI package `onnx`, and any other files given. The script
prints the largest difference of a network's outputs, relative to its largest output, and exits with 1 if one is
above 1e-4.

    pip install torch torchvision onnx onnxscript onnxruntime safetensors
    python crates/models/tests/onnx_peers.py --program target/release/wattlab [FILE.onnx ...]
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import warnings

import numpy
import onnx
import onnxruntime
from safetensors.numpy import save_file

NETWORKS = """alexnet vgg11 vgg16 googlenet inception_v3 resnet18 resnet50 resnet152 squeezenet1_1 densenet121
mobilenet_v2 shufflenet_v2_x0_5 shufflenet_v2_x1_0 mnasnet1_0 mobilenet_v3_large efficientnet_b0 efficientnet_b7
regnet_y_8gf vit_b_16 swin_t efficientnet_v2_s convnext_base""".split()
LIMIT = 1e-4


def export(name, dynamo, path):
    """Exports a network of torchvision with random weights, and statistics that are not 0 and 1."""
    import torch
    import torchvision

    warnings.filterwarnings("ignore")
    torch.manual_seed(0)
    extra = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
    network = getattr(torchvision.models, name)(weights=None, **extra).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.data.uniform_(0.8, 1.2)
            module.bias.data.uniform_(-0.1, 0.1)
        # torchvision starts some heads with zeros.
        if isinstance(module, torch.nn.Linear) and not module.weight.data.any():
            module.weight.data.normal_(0, 0.02)
    side = 299 if name == "inception_v3" else 224
    images = torch.randn(2, 3, side, side)
    part = path.with_suffix(".part")
    if dynamo:
        shapes = ({0: torch.export.Dim("n")},)
        torch.onnx.export(
            network, (images,), part, dynamo=True, dynamic_shapes=shapes, external_data=False, verbose=False
        )
    else:
        torch.onnx.export(
            network, images, part, dynamo=False, input_names=["x"], output_names=["y"],
            dynamic_axes={"x": {0: "n"}, "y": {0: "n"}},
        )
    part.rename(path)


def compare(program, path, folder):
    """The largest relative difference of a file's outputs, and the times of ONNX Runtime and of the whole command."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    takes = session.get_inputs()[0]
    sizes = [size if isinstance(size, int) and size > 0 else usual for size, usual in zip(takes.shape, (2, 3, 224, 224))]
    images = numpy.random.default_rng(0).standard_normal(sizes).astype(numpy.float32)
    expected = session.run(None, {takes.name: images})[0]
    file = folder / "images.safetensors"
    save_file({"images": images}, file)
    start = time.monotonic()
    command = [program, "model", "forward", "--arch", path, "--input", file, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    took = time.monotonic() - start
    if done.returncode != 0:
        return None, done.stderr.strip(), took
    found = numpy.array(json.loads(done.stdout)["logits"], dtype=numpy.float32).reshape(expected.shape)
    return float(numpy.abs(found - expected).max() / numpy.abs(expected).max()), "", took


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="target/release/wattlab", help="the program")
    parser.add_argument("--folder", type=pathlib.Path, help="keep exported files here (6 GB)")
    parser.add_argument("--networks", nargs="*", default=NETWORKS, help="networks of torchvision")
    parser.add_argument("files", nargs="*", type=pathlib.Path, help="other ONNX files")
    args = parser.parse_args()
    worst = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        folder = args.folder or scratch
        folder.mkdir(parents=True, exist_ok=True)

        def report(name, path):
            nonlocal worst
            difference, error, took = compare(args.program, path, scratch)
            opset = {own.domain: own.version for own in onnx.load(path, load_external_data=False).opset_import}[""]
            text = error if difference is None else f"{difference:.1e}"
            print(f"| {name} | {opset} | {text} |", flush=True)
            worst = max(worst, float("inf") if difference is None else difference)

        print("| file | opset | largest relative difference |\n|---|---|---|")
        for name in args.networks:
            for form in ("torchscript", "dynamo"):
                path = folder / f"{name}-{form}.onnx"
                if not path.exists():
                    export(name, form == "dynamo", path)
                report(f"{name}, {form}", path)
                if not args.folder:
                    path.unlink()
        light = pathlib.Path(onnx.__file__).parent / "backend/test/data/light"
        for path in sorted(light.glob("*.onnx")) + args.files:
            report(path.stem, path)
    sys.exit(0 if worst <= LIMIT else 1)


if __name__ == "__main__":
    main()
