"""Cells of the chapter "Elsewhere", recomputed with NumPy and SciPy alone.

    python3 crates/report/tests/evidence/expected.py FOLDER > crates/report/tests/evidence/expected.json

FOLDER holds the published files as `NAME/FILE`. Nothing here uses wattlab.
"""

import collections
import csv
import gzip
import json
import math
import pathlib
import sys

import numpy as np
from scipy import optimize, stats

FOLDER = pathlib.Path(sys.argv[1])


def rows(name, file):
    path = FOLDER / name / file
    path = path if path.exists() else path.with_name(path.name + ".gz")
    opened = gzip.open(path, "rt") if path.suffix == ".gz" else open(path)
    with opened as table:
        return list(csv.DictReader(table))


def least_squares(columns, y):
    x = np.column_stack(columns)
    beta, _, rank, _ = np.linalg.lstsq(x, y, rcond=None)
    rest = y - x @ beta
    df = len(y) - rank
    covariance = np.linalg.pinv(x.T @ x) * (rest @ rest) / df
    return beta, covariance, df, rest @ rest


def batches(y, log2_batch, network, block):
    """Slopes of log joules per doubling of the batch, by network, with blocks."""
    networks, blocks = sorted(set(network)), sorted(set(block))
    is_network = [np.array([n == name for n in network], float) for name in networks]
    is_block = [np.array([b == name for b in block], float) for name in blocks[1:]]
    x = np.array(log2_batch)
    k = len(networks)
    beta, covariance, df, rest = least_squares(is_network + is_block + [x * i for i in is_network], y)
    slopes = beta[-k:]
    weights = np.zeros(len(beta))
    weights[-k:] = 1 / k
    mean, se = slopes.mean(), math.sqrt(weights @ covariance @ weights)
    t = stats.t.ppf(0.975, df)
    _, _, df_common, rest_common = least_squares(is_network + is_block + [x], y)
    f = (rest_common - rest) / (df_common - df) / (rest / df)
    low, high = slopes.argmin(), slopes.argmax()
    spread = [sum((x[i == 1] - x[i == 1].mean()) ** 2) for i in is_network]
    q = stats.studentized_range.ppf(0.95, k, df)
    margin = q / math.sqrt(2) * math.sqrt(rest / df * (1 / spread[low] + 1 / spread[high]))
    widest = slopes[high] - slopes[low]
    return {
        "matters": {
            "effect": math.expm1(mean),
            "ci95": [math.expm1(mean - t * se), math.expm1(mean + t * se)],
            "p": 2 * stats.t.sf(abs(mean / se), df),
        },
        "depends": {
            "effect": math.expm1(widest),
            "ci95": [math.expm1(widest - margin), math.expm1(widest + margin)],
            "p": stats.f.sf(f, df_common - df, df),
        },
    }


def elasticity(networks):
    """`networks` maps a name to pairs of accuracy and joules."""
    x = np.log([np.mean([j for _, j in runs]) for runs in networks.values()])
    y = np.log([np.mean([a for a, _ in runs]) for runs in networks.values()])
    line = stats.linregress(x, y)
    df = len(x) - 2
    t = stats.t.ppf(0.975, df)
    return {
        "effect": line.slope,
        "ci95": [line.slope - t * line.stderr, line.slope + t * line.stderr],
        "p": 2 * stats.t.sf(abs((line.slope - 0.25) / line.stderr), df),
        "se": line.stderr,
    }


def saving(networks):
    """Of the networks with repeats, if there are any."""
    repeated = {n: r for n, r in networks.items() if len(r) > 1} or networks
    points = [(np.mean([a for a, _ in r]), np.mean([j for _, j in r])) for r in repeated.values()]
    best = max(points)
    return 1 - min(j for a, j in points if a >= best[0] - 0.01) / best[1]


def growth(joules_by_network, years):
    names = [name for name in joules_by_network if name in years]
    x = [years[name] for name in names]
    y = [math.log(np.mean(joules_by_network[name])) for name in names]
    return math.expm1(stats.theilslopes(y, x).slope)


def reml(y, v):
    """Random-effects mean with tau² by maximizing the restricted likelihood, and Hartung-Knapp."""
    y, v = np.array(y), np.array(v)

    def minus_log_likelihood(tau2):
        w = 1 / (v + tau2)
        mean = (w * y).sum() / w.sum()
        return 0.5 * (np.log(v + tau2).sum() + math.log(w.sum()) + (w * (y - mean) ** 2).sum())

    top = 10 * y.var() + 1e-12
    found = optimize.minimize_scalar(minus_log_likelihood, bounds=(0, top), method="bounded",
                                     options={"xatol": 1e-14})
    tau2 = found.x if found.fun < minus_log_likelihood(0) else 0.0
    w = 1 / (v + tau2)
    mean = (w * y).sum() / w.sum()
    se = math.sqrt((w * (y - mean) ** 2).sum() / (len(y) - 1) / w.sum())
    t = stats.t.ppf(0.975, len(y) - 1)
    return {"mean": mean, "ci95": [mean - t * se, mean + t * se], "tau_squared": tau2}


def of_runs(table, network, accuracy, joules):
    networks = collections.defaultdict(list)
    for row in table:
        networks[row[network]].append((float(row[accuracy]), joules(row)))
    return networks


expected = {}

ec_nas = of_runs(rows("ec-nas", "ec-nas.csv"), "arch", "test_accuracy", lambda r: float(r["gpu_j"]))
elasticities = [elasticity(ec_nas)]
expected["ec-nas, Quadro RTX 6000"] = {
    "rq3-diminishing-returns": elasticities[0],
    "rq3-halved-by-smaller-network": {"effect": saving(ec_nas)},
}

YEARS = {"vgg16": 2014, "resnet50": 2015, "xception": 2016, "nasnet_mobile": 2017, "mobilenet_v2": 2018}
training = [r for r in rows("training-2023", "training.csv") if float(r["accuracy"]) >= 0.9]
for gpu in ["NVIDIA GeForce RTX 3090", "NVIDIA GeForce RTX 3070"]:
    of_gpu = [r for r in training if r["gpu"] == gpu]
    runs = of_runs(of_gpu, "architecture", "accuracy", lambda r: float(r["gpu_j"]))
    per_image = collections.defaultdict(list)
    for r in of_gpu:
        per_image[r["architecture"]].append(float(r["gpu_j"]) / float(r["images_seen"]))
    elasticities.append(elasticity(runs))
    expected["training-2023, " + gpu] = {
        "rq3-diminishing-returns": elasticities[-1],
        "rq3-halved-by-smaller-network": {"effect": saving(runs)},
        "rq5-energy-rises": {"effect": growth(per_image, YEARS)},
    }

for name, gpu in [("V100", "v100"), ("A40", "a40"), ("Quadro RTX 6000", "rtx6000"), ("P100", "p100")]:
    table = rows("zeus-traces", f"summary_power_{gpu}.csv")
    highest = max(float(r["power_limit"]) for r in table)
    table = [r for r in table if float(r["power_limit"]) == highest]
    table = [r for r in table if not (r["dataset"] == "cifar100" and r["optimizer"] == "adam")]
    joules = [float(r["time_per_epoch"]) * float(r["average_power"]) for r in table]
    found = batches(np.log(joules), [math.log2(float(r["batch_size"])) for r in table],
                    [r["dataset"] for r in table], [""] * len(table))
    expected["zeus-traces, " + name] = {
        "rq4-batching-matters": found["matters"],
        "rq4-model-dependent": found["depends"],
    }

expected["synthesis"] = {
    "rq3-diminishing-returns": reml([e["effect"] for e in elasticities],
                                    [e["se"] ** 2 for e in elasticities]),
}

# Numbers computed from rows without a licence may be quoted; the rows themselves are not here.
if (FOLDER / "wall-meter-2025").exists():
    table = rows("wall-meter-2025", "imagenet.csv")
    for device in ["NVIDIA GeForce RTX 4090", "13th Gen Intel(R) Core(TM) i9-13900K"]:
        of_device = [r for r in table if r["device"] == device]
        joules = np.array([float(r["wall_j"]) / float(r["images"]) for r in of_device])
        found = batches(np.log(joules), [math.log2(float(r["batch"])) for r in of_device],
                        [r["network"] for r in of_device], [r["session"] for r in of_device])
        large = of_runs([r for r in of_device if r["batch"] == "16"], "network", "accuracy",
                        lambda r: float(r["wall_j"]) / float(r["images"]))
        logs = collections.defaultdict(list)
        for r in of_device:
            logs[r["network"]].append(math.log(float(r["codecarbon_j"]) / float(r["wall_j"])))
        expected["wall-meter-2025, " + device] = {
            "rq3-diminishing-returns": elasticity(large),
            "rq3-halved-by-smaller-network": {"effect": saving(large)},
            "rq4-batching-matters": found["matters"],
            "rq4-model-dependent": found["depends"],
            "estimator": {"ratio": math.exp(np.mean([np.mean(v) for v in logs.values()]))},
        }

json.dump(expected, sys.stdout, indent=1)
print()
