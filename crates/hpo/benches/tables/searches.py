"""The optimizers. Each is a generator of points that is sent the value of each one."""

import json
import subprocess


def wattlab(kind):
    """`wattlab tune serve` with one of its samplers."""

    def search(table, seed, program):
        command = [program, "tune", "serve"]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

        def request(**fields):
            process.stdin.write(json.dumps(fields) + "\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            if "error" in answer:
                raise RuntimeError(f"wattlab tune serve: {answer['error']}")
            return answer

        def parameter(name, count, ordinal):
            if ordinal:
                return {"name": name, "kind": "int", "low": 0, "high": count - 1}
            return {"name": name, "kind": "categorical", "choices": [str(i) for i in range(count)]}

        space = [parameter(*each) for each in table.space]
        sampler = {"kind": kind}
        try:
            request(op="study", seed=seed, direction=table.direction, sampler=sampler, space=space)
            while True:
                asked = request(op="ask")
                point = [int(asked["params"][name]) for name, _, _ in table.space]
                value = yield point
                request(op="tell", trial=asked["trial"], value=value)
        finally:
            process.stdin.close()
            process.wait()

    return search


def optuna(make):
    """A sampler of Optuna."""

    def search(table, seed, _program):
        import warnings

        import optuna

        warnings.simplefilter("ignore")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(direction=table.direction, sampler=make(optuna.samplers, seed))

        def suggested(trial, name, count, ordinal):
            if ordinal:
                return trial.suggest_int(name, 0, count - 1)
            return int(trial.suggest_categorical(name, [str(i) for i in range(count)]))

        while True:
            trial = study.ask()
            value = yield [suggested(trial, *each) for each in table.space]
            study.tell(trial, value)

    return search


def botorch(table, seed, _program):
    """BoTorch: a Gaussian process with a kernel for choices, log noisy expected improvement, and a local search
    over the values, after ten quasi-random points."""
    import warnings

    import torch
    from botorch.acquisition import qLogNoisyExpectedImprovement
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import MixedSingleTaskGP, SingleTaskGP
    from botorch.optim import optimize_acqf_discrete_local_search
    from gpytorch.mlls import ExactMarginalLogLikelihood

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    counts = [count for _, count, _ in table.space]
    choices = [
        torch.linspace(0, 1, count).double() if ordinal else torch.arange(count).double()
        for _, count, ordinal in table.space
    ]
    categorical = [axis for axis, (_, _, ordinal) in enumerate(table.space) if not ordinal]
    sobol = torch.quasirandom.SobolEngine(len(counts), scramble=True, seed=seed)
    sign = 1.0 if table.direction == "maximize" else -1.0
    points, values = [], []
    while True:
        if len(points) < 10:
            draw = sobol.draw(1)[0].tolist()
            point = [min(int(u * count), count - 1) for u, count in zip(draw, counts)]
        else:
            rows = [[float(choice[i]) for choice, i in zip(choices, point)] for point in points]
            x = torch.tensor(rows, dtype=torch.double)
            y = torch.tensor(values, dtype=torch.double)[:, None]
            y = (y - y.mean()) / y.std().clamp_min(1e-12)
            model = MixedSingleTaskGP(x, y, categorical) if categorical else SingleTaskGP(x, y)
            fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
            acquisition = qLogNoisyExpectedImprovement(model, x)
            best, _ = optimize_acqf_discrete_local_search(
                acquisition, choices, q=1, num_restarts=8, raw_samples=256, X_avoid=x
            )
            best = best[0]
            point = [int((choice - best[axis]).abs().argmin()) for axis, choice in enumerate(choices)]
        value = yield point
        points.append(point)
        values.append(sign * value)


def smac(table, seed, _program):
    """SMAC: random forest and expected improvement, with the settings of its facade for hyper-parameters."""
    import logging
    import tempfile

    from ConfigSpace import CategoricalHyperparameter, ConfigurationSpace, UniformIntegerHyperparameter
    from smac import HyperparameterOptimizationFacade, Scenario
    from smac.runhistory import TrialValue

    logging.disable(logging.CRITICAL)
    space = ConfigurationSpace(seed=seed)
    for name, count, ordinal in table.space:
        if ordinal:
            space.add(UniformIntegerHyperparameter(name, 0, count - 1))
        else:
            space.add(CategoricalHyperparameter(name, [str(i) for i in range(count)]))
    with tempfile.TemporaryDirectory() as folder:
        scenario = Scenario(space, deterministic=True, n_trials=64, seed=seed, output_directory=folder)
        facade = HyperparameterOptimizationFacade(
            scenario, lambda config, seed: 0.0, overwrite=True, logging_level=False
        )
        sign = -1.0 if table.direction == "maximize" else 1.0
        while True:
            asked = facade.ask()
            value = yield [int(asked.config[name]) for name, _, _ in table.space]
            facade.tell(asked, TrialValue(cost=sign * value))


# Name, search, the package whose version is recorded, and the number of seeds: fewer for slow ones, but at least six,
# with which a paired difference can be significant.
SEARCHES = {
    "wattlab GP": (wattlab("gp"), None, 30),
    "wattlab TPE": (wattlab("tpe"), None, 30),
    # Optuna 5's default is multivariate in these spaces: with `multivariate=True, group=True` all 300 studies of 20 seeds
    # were the same.
    "Optuna TPE": (optuna(lambda all, seed: all.TPESampler(seed=seed)), "optuna", 30),
    "Optuna TPE univariate": (
        optuna(lambda all, seed: all.TPESampler(seed=seed, multivariate=False)),
        "optuna",
        30,
    ),
    "Optuna GP": (optuna(lambda all, seed: all.GPSampler(seed=seed)), "optuna", 10),
    "SMAC": (smac, "smac", 10),
    "BoTorch": (botorch, "botorch", 6),
    "random": (optuna(lambda all, seed: all.RandomSampler(seed=seed)), "optuna", 30),
}
