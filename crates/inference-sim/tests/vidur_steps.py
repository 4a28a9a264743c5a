"""Writes measured steps of a generative model from the kernels that vidur's authors profiled.

    git -C VIDUR show e2d00e9:data/profiling/a100/attention.csv > attention.csv
    git -C VIDUR show e2d00e9:data/profiling/a100/mlp.csv > mlp.csv
    python crates/inference-sim/tests/vidur_steps.py attention.csv mlp.csv crates/inference-sim/tests/data/vidur_steps.csv

VIDUR is a copy of https://github.com/microsoft/vidur (MIT). The tables are of one of two A100 that run layers of
Llama-2-70B. A step is 80 layers, and the time of a layer is the sum of the medians of its kernels, as vidur adds them
up; communication and the work of the processor are not in the tables. Every sixth row is kept.
"""

import sys

import numpy as np
import pandas as pd

LAYERS = 80
attention, mlp = pd.read_csv(sys.argv[1]), pd.read_csv(sys.argv[2])
kernels = [name for name in mlp.columns if name.endswith(".median") and ".emb." not in name]
of_tokens = mlp.groupby("num_tokens")[kernels].mean().sum(axis=1)
known = np.array(of_tokens.index)

steps = []
for row in attention.iloc[::6].itertuples(index=False):
    row = dict(zip(attention.columns, row))
    cached = row["kv_cache_size"]
    if row["is_prefill"]:
        kernel, tokens, sequences = "attn_prefill", row["prefill_chunk_size"], 1
        context, pairs = cached + tokens, tokens * cached + tokens * (tokens + 1) // 2
    else:
        kernel, tokens, sequences = "attn_decode", row["batch_size"], row["batch_size"]
        context = pairs = tokens * (cached + 1)
    # Tokens between two measured numbers take as long as the larger one, as in vidur.
    place = min(np.searchsorted(known, tokens), len(known) - 1)
    layer = of_tokens.iloc[place]
    for part in [kernel, "attn_input_reshape", "attn_output_reshape"]:
        layer += row[f"time_stats.{part}.median"]
    steps.append(f"{tokens},{sequences},{context},{pairs},{LAYERS * layer / 1e3:.6f}\n")
with open(sys.argv[3], "w", encoding="utf-8") as file:
    file.write("tokens,sequences,context,pairs,seconds\n")
    file.writelines(steps)
print(f"{len(steps)} steps")
