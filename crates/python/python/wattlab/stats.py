"""The statistics of wattlab's reports, on sequences of numbers and on tables.

A table is a pandas DataFrame, or a dictionary of columns. Results are dictionaries; tables in them are
DataFrames where the input was one, else lists of dictionaries. Too few or unfit values raise `InputError`.

>>> welch_t([1.0, 2.0, 3.0], [4.0, 5.0, 7.0])["df"] > 0
True
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from wattlab import _core
from wattlab._frames import frame, is_frame
from wattlab._json import dumps
from wattlab.errors import InputError

Table = Any
Numbers = Any

__all__ = [
    "anova",
    "cliffs_delta",
    "cohens_d",
    "compare",
    "describe",
    "dunn",
    "friedman",
    "games_howell",
    "hedges_g",
    "holm",
    "kruskal_wallis",
    "levene",
    "linear_regression",
    "mann_whitney",
    "mixed_model",
    "one_sample_t",
    "paired_t",
    "repeated_measures",
    "shapiro_wilk",
    "spearman",
    "theil_sen",
    "tukey",
    "tukey_hsd",
    "welch_t",
    "wilcoxon",
]


def anova(table: Table, formula: str, *, type: int = 3) -> dict[str, Any]:
    """Analysis of variance of fixed effects: `anova(df, "joules ~ batch*layers")`.

    type: of the sums of squares, 1, 2 or 3. A formula has R's notation; few different whole numbers are the
    levels of a factor, and `factor(x)` or `covariate(x)` decides it.

    Returns `terms` (ss, df, ms, f, p, effect sizes with the 95 % interval of the partial eta squared),
    `residual`, `n` and `aliased`. Equal to R's `aov` and `car::Anova` with sum contrasts.
    """
    found = _by_formula("anova", table, formula, kind=type)
    found["terms"] = _like(table, found["terms"])
    return found


def mixed_model(table: Table, formula: str) -> dict[str, Any]:
    """A mixed model by REML with Satterthwaite's degrees of freedom: `y ~ a + (1|run)`.

    Returns `terms`, `coefficients`, `random`, `residual_sd`, `n`, `singular`.
    """
    found = _by_formula("mixed_model", table, formula)
    found["terms"] = _like(table, found["terms"])
    found["coefficients"] = _like(table, found["coefficients"])
    return found


def repeated_measures(table: Table, formula: str) -> dict[str, Any]:
    """Repeated measures with tests of sphericity: `y ~ a*time + Error(id/time)`."""
    found = _by_formula("repeated_measures", table, formula)
    found["terms"] = _like(table, found["terms"])
    return found


def tukey(table: Table, formula: str, factors: str | Sequence[str], *, confidence: float = 0.95) -> Any:
    """Comparisons of all pairs of levels of factors, by Tukey and Kramer, in a model by formula."""
    of = [factors] if isinstance(factors, str) else list(factors)
    found = _by_formula("tukey_by_formula", table, formula, factors=of, confidence=confidence)
    return _like(table, found)


def describe(values: Numbers) -> dict[str, Any]:
    """Number, mean, standard deviation, minimum, quartiles, maximum."""
    return _ask("describe", values=_numbers("values", values))


def shapiro_wilk(values: Numbers) -> dict[str, float]:
    """Shapiro and Wilk's test of normality."""
    return _ask("shapiro_wilk", values=_numbers("values", values))


def one_sample_t(values: Numbers, mean: float = 0.0) -> dict[str, float]:
    """A t test of a mean."""
    return _ask("one_sample_t", values=_numbers("values", values), mean=mean)


def welch_t(a: Numbers, b: Numbers) -> dict[str, float]:
    """Welch's t test of two means."""
    return _two("welch_t", a, b)


def paired_t(a: Numbers, b: Numbers) -> dict[str, float]:
    """A t test of pairs."""
    return _two("paired_t", a, b)


def mann_whitney(a: Numbers, b: Numbers) -> dict[str, Any]:
    """Mann and Whitney's rank test of two samples, exact where that is possible."""
    return _two("mann_whitney", a, b)


def wilcoxon(differences: Numbers) -> dict[str, Any]:
    """Wilcoxon's signed-rank test of differences."""
    return _ask("wilcoxon", values=_numbers("differences", differences))


def spearman(x: Numbers, y: Numbers) -> dict[str, float]:
    """Spearman's rank correlation."""
    return _two("spearman", x, y)


def theil_sen(x: Numbers, y: Numbers, *, confidence: float = 0.95) -> dict[str, Any]:
    """The median slope of all pairs, with its interval."""
    return _two("theil_sen", x, y, confidence=confidence)


def cohens_d(a: Numbers, b: Numbers, *, confidence: float = 0.95) -> dict[str, float]:
    """Cohen's d with its interval."""
    return _two("cohens_d", a, b, confidence=confidence)


def hedges_g(a: Numbers, b: Numbers, *, confidence: float = 0.95) -> dict[str, float]:
    """Hedges' g with its interval."""
    return _two("hedges_g", a, b, confidence=confidence)


def cliffs_delta(a: Numbers, b: Numbers, *, confidence: float = 0.95) -> dict[str, float]:
    """Cliff's delta with its interval."""
    return _two("cliffs_delta", a, b, confidence=confidence)


def compare(a: Numbers, b: Numbers, *, paired: bool = False, confidence: float = 0.95, seed: int = 0) -> dict[str, Any]:
    """Two samples: bootstrap interval of the difference, t test, rank test, effect sizes, and which test fits."""
    return _two("compare", a, b, paired=paired, confidence=confidence, seed=seed)


def kruskal_wallis(*groups: Numbers) -> dict[str, float]:
    """Kruskal and Wallis' rank test of groups."""
    return _groups("kruskal_wallis", groups)


def friedman(*treatments: Numbers) -> dict[str, float]:
    """Friedman's rank test of treatments within blocks."""
    return _groups("friedman", treatments)


def levene(*groups: Numbers) -> dict[str, float]:
    """Levene's test of equal variances, about the medians (Brown and Forsythe)."""
    return _groups("levene", groups)


def tukey_hsd(response: Numbers, levels: Sequence[Any], *, confidence: float = 0.95) -> list[dict[str, Any]]:
    """Tukey's comparisons of all pairs of groups."""
    return _levels("tukey_hsd", response, levels, confidence=confidence)


def games_howell(response: Numbers, levels: Sequence[Any], *, confidence: float = 0.95) -> list[dict[str, Any]]:
    """Games and Howell's comparisons, for unequal variances."""
    return _levels("games_howell", response, levels, confidence=confidence)


def dunn(response: Numbers, levels: Sequence[Any]) -> list[dict[str, Any]]:
    """Dunn's comparisons by ranks, adjusted by Holm."""
    return _levels("dunn", response, levels)


def linear_regression(predictors: Sequence[Numbers], y: Numbers) -> dict[str, Any]:
    """Least squares on columns of predictors; the first coefficient is the intercept."""
    columns = [_numbers(f"predictor {at + 1}", column) for at, column in enumerate(predictors)]
    return _ask("linear_regression", predictors=columns, y=_numbers("y", y))


def holm(p: Numbers) -> list[float]:
    """P-values adjusted by Holm."""
    return _ask("holm", values=_numbers("p", p))


def _ask(of: str, **request: Any) -> Any:
    """The answer: a dictionary, or a list of dictionaries or numbers."""
    return json.loads(_core.statistic(dumps({"of": of, **request})))


def _two(of: str, a: Numbers, b: Numbers, **options: Any) -> Any:
    return _ask(of, a=_numbers("a", a), b=_numbers("b", b), **options)


def _groups(of: str, groups: Sequence[Numbers]) -> Any:
    return _ask(of, groups=[_numbers(f"group {at + 1}", group) for at, group in enumerate(groups)])


def _levels(of: str, response: Numbers, levels: Sequence[Any], **options: Any) -> Any:
    return _ask(of, response=_numbers("response", response), levels=[str(level) for level in levels], **options)


def _by_formula(of: str, table: Table, formula: str, **options: Any) -> Any:
    return _ask(of, formula=formula, columns=_columns(table, formula), **options)


def _columns(table: Table, formula: str) -> dict[str, list[Any]]:
    """The columns that a formula may name."""
    if is_frame(table):
        columns = {str(name): table[name].tolist() for name in table.columns}
    elif isinstance(table, Mapping):
        columns = {str(name): list(values) for name, values in table.items()}
    else:
        raise TypeError(f"`table` is a {type(table).__name__}; expected a DataFrame or a dictionary of columns")
    return {name: _column(name, values) for name, values in columns.items() if name in formula}


def _column(name: str, values: list[Any]) -> list[Any]:
    """Numbers, or texts for the levels of a factor."""
    if any(value is None or value != value for value in values):
        raise InputError(f"column `{name}` has missing values; leave out their rows: df.dropna(subset=[{name!r}])")
    if all(isinstance(value, bool) for value in values) or not all(hasattr(value, "__float__") for value in values):
        return [str(value) for value in values]
    return _numbers(name, values)


def _numbers(name: str, values: Numbers) -> list[float]:
    if hasattr(values, "tolist"):
        values = values.tolist()
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError) as error:
        raise InputError(f"`{name}` holds something that is no number: {error}") from error
    for at, number in enumerate(numbers):
        if number - number != 0.0:
            raise InputError(f"observation {at} of `{name}` is {number}, expected a finite number")
    return numbers


def _like(table: Table, rows: list[dict[str, Any]]) -> Any:
    return frame(rows) if is_frame(table) else rows
