#!/usr/bin/env python3
"""A stand-in for a training that `wattlab tune run` tunes: reads its parameters and prints its loss."""

import math
import os
import sys

rate = math.log10(float(os.environ["WATTLAB_RATE"]))
layers = int(os.environ["WATTLAB_LAYERS"])
width = int(os.environ["WATTLAB_WIDTH"])
# Set only with the optimizer sgd.
momentum = float(os.environ.get("WATTLAB_MOMENTUM", "0.9"))

if rate > -1.2:
    sys.exit("diverged")  # a trial that fails counts as a bad one
loss = 0.2 + 0.05 * (rate + 3) ** 2 + 0.3 / layers + 2 / width + 0.1 * abs(momentum - 0.9)
if os.environ["WATTLAB_OPTIMIZER"] == "sgd":
    loss += 0.02
print(f"loss: {loss:.5f}")
