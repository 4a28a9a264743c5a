"""Writes data/efficientnet-lite.json: logits of EfficientNet-Lite in PyTorch, with weights and an image by a formula.

    pip install torch efficientnet_lite_pytorch && python efficientnet_lite.py
"""

import json
import os

import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet

MASK = (1 << 64) - 1


def uniform(name, count):
    """As `formula::uniform`."""
    base = 0xCBF29CE484222325
    for byte in name.encode():
        base = ((base ^ byte) * 0x100000001B3) & MASK
    with np.errstate(over="ignore"):
        z = np.uint64(base) + np.arange(count, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float32) / np.float32(1 << 23) - np.float32(1)


def fill(name, shape):
    """As `formula::fill`."""
    values = uniform(name, int(np.prod(shape)))
    if name.endswith("running_mean"):
        values = np.float32(0.1) * values
    elif name.endswith("running_var"):
        values = np.float32(1) + np.float32(0.5) * np.abs(values)
    elif len(shape) < 2:
        weight = name.endswith("weight")
        values = np.float32(1 if weight else 0) + np.float32(0.1) * values
    else:
        gain = 6.0 if len(shape) == 4 else 3.0
        values = values * np.float32((gain / np.prod(shape[1:])) ** 0.5)
    return torch.from_numpy(values.astype(np.float32)).reshape(list(shape))


expected = {}
for number, side in [(0, 224), (1, 240), (2, 260)]:
    network = EfficientNet.from_name(f"efficientnet-lite{number}").eval()
    state = network.state_dict()
    for name, tensor in state.items():
        if not name.endswith("num_batches_tracked"):
            state[name] = fill(name, tensor.shape)
    network.load_state_dict(state)
    image = torch.from_numpy(uniform("image", 3 * side * side)).reshape(1, 3, side, side)
    with torch.inference_mode():
        logits = network(image)[0]
    parameters = sum(value.numel() for value in network.parameters())
    expected[f"efficientnet_lite{number}"] = {
        "parameters": parameters,
        "largest": float(logits.abs().max()),
        "logits": [float(logit) for logit in logits[::50]],
    }
folder = os.path.join(os.path.dirname(__file__), "data")
with open(os.path.join(folder, "efficientnet-lite.json"), "w") as file:
    json.dump(expected, file, indent=1)
    file.write("\n")
