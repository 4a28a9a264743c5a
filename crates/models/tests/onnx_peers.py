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


def export(name, dynamo, path, opset=None):
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
            network, (images,), part, dynamo=True, dynamic_shapes=shapes, external_data=False, verbose=False,
            opset_version=opset,
        )
    else:
        torch.onnx.export(
            network, images, part, dynamo=False, input_names=["x"], output_names=["y"],
            dynamic_axes={"x": {0: "n"}, "y": {0: "n"}}, opset_version=opset,
        )
    part.rename(path)


def compare(program, path, folder, usual=(2, 3, 224, 224)):
    """The largest relative difference of a file's outputs, and the times of ONNX Runtime and of the whole command."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    takes = session.get_inputs()[0]
    sizes = [size if isinstance(size, int) and size > 0 else other for size, other in zip(takes.shape, usual)]
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


def operators():
    """Small models with one operator each, with the attributes in which exporters differ."""
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    random = numpy.random.default_rng(1)

    def weight(*shape):
        return random.standard_normal(shape).astype(numpy.float32)

    def model(operator, constants=(), opset=17, before=(), **attributes):
        """The operator for `x` `[n][4][7][7]` and some constants."""
        tensors, names = [], []
        for index, constant in enumerate(constants):
            names.append("" if constant is None else f"k{index}")
            if constant is not None:
                tensors.append(numpy_helper.from_array(numpy.asarray(constant), names[-1]))
        nodes = [*before, helper.make_node(operator, ["v" if before else "x", *names], ["y"], **attributes)]
        floats = onnx.TensorProto.FLOAT
        takes = helper.make_tensor_value_info("x", floats, ["n", 4, 7, 7])
        gives = helper.make_tensor_value_info("y", floats, None)
        graph = helper.make_graph(nodes, "one", [takes], [gives], tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)

    def turned(**perm):
        return [helper.make_node("Transpose", ["x"], ["v"], **perm)]

    last = turned(perm=[0, 2, 3, 1])
    integers = numpy.int64
    for name in ("Relu", "Sigmoid", "Tanh", "Erf", "Exp", "HardSwish", "HardSigmoid", "Elu", "Selu", "LeakyRelu",
                 "Softplus", "Softsign", "Abs", "Neg", "Sign", "Floor", "Ceil", "Round", "Sin", "Cos", "Softmax",
                 "LogSoftmax", "GlobalAveragePool", "GlobalMaxPool", "Identity"):
        yield name, model(name)
    yield "Gelu", model("Gelu", opset=20)
    yield "Gelu, tanh", model("Gelu", opset=20, approximate="tanh")
    yield "Mish", model("Mish", opset=18)
    yield "Clip", model("Clip", [numpy.float32(-0.5), numpy.float32(0.5)])
    yield "Clip, opset 7", model("Clip", opset=7, min=-0.5, max=6.0)
    yield "Softmax, opset 11", model("Softmax", opset=11, axis=2)
    yield "Softmax, channels", model("Softmax", axis=1)
    for name in ("Add", "Sub", "Mul", "Div", "Max", "Min", "PRelu"):
        for shape in ((4, 1, 1), (7,), (1,), (1, 4, 7, 1), (2, 4, 7, 7)):
            if name != "PRelu" or len(shape) == 3:
                yield f"{name} {shape}", model(name, [weight(*shape) + 3.0])
    yield "Pow", model("Pow", [numpy.float32(3.0)])
    for extra in ({}, {"pads": [1, 1, 1, 1]}, {"pads": [0, 1, 2, 1]}, {"strides": [2, 2]}, {"strides": [1, 2]},
                  {"dilations": [2, 1]}, {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
                  {"auto_pad": "SAME_LOWER", "strides": [2, 2]}):
        yield f"Conv {extra}", model("Conv", [weight(8, 4, 3, 3), weight(8)], **extra)
        yield f"Conv, groups {extra}", model("Conv", [weight(8, 2, 3, 3)], group=2, **extra)
        yield f"Conv, depthwise {extra}", model("Conv", [weight(4, 1, 3, 3), weight(4)], group=4, **extra)
        yield f"MaxPool {extra}", model("MaxPool", kernel_shape=[3, 3], **extra)
        if "dilations" not in extra:
            yield f"AveragePool {extra}", model("AveragePool", kernel_shape=[3, 3], **extra)
            yield f"AveragePool, padding counts {extra}", model(
                "AveragePool", kernel_shape=[3, 3], count_include_pad=1, **extra
            )
    for name in ("MaxPool", "AveragePool"):
        yield f"{name}, ceil", model(name, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
        yield f"{name}, ceil and pads", model(
            name, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, pads=[1, 1, 1, 1]
        )
    yield "Conv, large", model("Conv", [weight(300, 4, 3, 3)], pads=[1, 1, 1, 1])
    for extra in ({}, {"strides": [2, 2]}, {"strides": [2, 3], "pads": [1, 0, 0, 1], "output_padding": [1, 1]}):
        yield f"ConvTranspose {extra}", model("ConvTranspose", [weight(4, 5, 3, 3), weight(5)], **extra)
    yield "BatchNormalization", model(
        "BatchNormalization", [weight(4), weight(4), weight(4), numpy.abs(weight(4)) + 0.5]
    )
    yield "InstanceNormalization", model("InstanceNormalization", [weight(4), weight(4)])
    yield "LayerNormalization", model("LayerNormalization", [weight(7), weight(7)])
    yield "LayerNormalization, 3 axes", model("LayerNormalization", [weight(4, 7, 7)], axis=1)
    yield "LayerNormalization, channels last", model("LayerNormalization", [weight(4), weight(4)], before=last)
    for size in (1, 3, 5):
        yield f"LRN {size}", model("LRN", size=size, alpha=0.1, beta=0.75, bias=2.0)
    yield "MatMul", model("MatMul", [weight(7, 5)])
    yield "MatMul, stack", model("MatMul", [weight(4, 7, 5)])
    yield "MatMul, channels last", model("MatMul", [weight(4, 40)], before=last)
    flat = [helper.make_node("Flatten", ["x"], ["v"])]
    yield "Gemm", model("Gemm", [weight(196, 10), weight(10)], before=flat, alpha=0.5, beta=2.0)
    yield "Gemm, transposed", model("Gemm", [weight(10, 196), weight(1, 10)], before=flat, transB=1)
    for name in ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
                 "ReduceSumSquare"):
        yield f"{name}, opset 11", model(name, opset=11, axes=[2, -1], keepdims=0)
        yield f"{name}, opset 18", model(name, [numpy.array([1, 3], integers)], opset=18)
    yield "Flatten", model("Flatten", axis=2)
    yield "Reshape", model("Reshape", [numpy.array([0, 2, -1, 7], integers)])
    yield "Reshape, channels last", model("Reshape", [numpy.array([0, -1, 4], integers)], before=last)
    yield "Transpose", model("Transpose", perm=[3, 1, 0, 2])
    yield "Unsqueeze, opset 11", model("Unsqueeze", opset=11, axes=[1, -1])
    yield "Unsqueeze", model("Unsqueeze", [numpy.array([0, 3], integers)])
    yield "Expand", model("Expand", [numpy.array([3, 1, 1, 1, 1], integers)])
    yield "Tile", model("Tile", [numpy.array([1, 2, 1, 3], integers)])
    yield "Concat", model("Concat", [weight(2, 3, 7, 7)], axis=1)
    yield "Slice", model("Slice", [numpy.array(v, integers) for v in ([1, 6], [4, -9], [1, 3], [2, -2])])
    yield "Slice, opset 9", model("Slice", opset=9, starts=[1, -3], ends=[100, 100], axes=[2, 3])
    yield "Gather", model("Gather", [numpy.array([[0, -1], [2, 1]], integers)], axis=1)
    yield "Gather, one", model("Gather", [numpy.array(-2, integers)], axis=2)
    yield "GatherElements", model("GatherElements", [random.integers(-7, 7, (2, 4, 3, 7))], axis=2)
    yield "GatherND", model("GatherND", [random.integers(0, 2, (3, 5, 2))])
    yield "ScatterND", model("ScatterND", [numpy.array([[0, 1], [1, 2]], integers), weight(2, 7, 7)])
    for mode in ("constant", "reflect", "edge"):
        pads = numpy.array([0, 1, 2, 3, 0, 0, 1, 2], integers)
        yield f"Pad, {mode}", model("Pad", [pads], mode=mode)
    yield "Pad, negative", model("Pad", [numpy.array([0, 0, -1, 1, 0, 0, -2, 0], integers), numpy.float32(2.0)])
    yield "Pad, opset 9", model("Pad", opset=9, pads=[0, 0, 1, 1, 0, 0, 1, 1], value=0.5)
    yield "DepthToSpace", model("DepthToSpace", blocksize=2)
    yield "DepthToSpace, CRD", model("DepthToSpace", blocksize=2, mode="CRD")
    for places in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"):
        for mode in ("nearest", "linear"):
            for factor in (2.0, 1.5, 0.6):
                scales = numpy.array([1, 1, factor, factor], numpy.float32)
                yield f"Resize, {places}, {mode}, {factor}", model(
                    "Resize", [None, scales], mode=mode, coordinate_transformation_mode=places
                )
    yield "Resize to a size", model("Resize", [None, None, numpy.array([2, 4, 10, 5], integers)], mode="linear")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="target/release/wattlab", help="the program")
    parser.add_argument("--folder", type=pathlib.Path, help="keep exported files here (6 GB)")
    parser.add_argument("--networks", default=",".join(NETWORKS), help="networks of torchvision, with commas")
    parser.add_argument("--opset", type=int, help="export for this opset; PyTorch's two forms support 7 to 20 and 18 up")
    parser.add_argument("--forms", default="torchscript,dynamo", help="forms of the export, with commas")
    parser.add_argument("--operators", action="store_true", help="compare small models of one operator each")
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

        if args.operators:
            models = list(operators())
            for name, small in models:
                path = scratch / "small.onnx"
                onnx.save(small, path)
                difference, error, _ = compare(args.program, path, scratch)
                if difference is None or difference > LIMIT:
                    print(f"{name}: {error or difference}", flush=True)
                    worst = max(worst, difference or float("inf"))
            print(f"{len(models)} models of one operator compared")
            sys.exit(0 if worst <= LIMIT else 1)
        print("| file | opset | largest relative difference |\n|---|---|---|")
        for name in filter(None, args.networks.split(",")):
            for form in args.forms.split(","):
                path = folder / f"{name}-{form}-{args.opset or 'usual'}.onnx"
                if not path.exists():
                    export(name, form == "dynamo", path, args.opset)
                report(f"{name}, {form}", path)
                if not args.folder:
                    path.unlink()
        light = pathlib.Path(onnx.__file__).parent / "backend/test/data/light"
        for path in sorted(light.glob("*.onnx")) + args.files:
            report(path.stem, path)
    sys.exit(0 if worst <= LIMIT else 1)


if __name__ == "__main__":
    main()
