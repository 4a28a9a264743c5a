"""Times the peers' counterparts on the data that come as JSON on standard input: median seconds of each."""

import json
import sys
import time
import warnings

import numpy
import pandas
import scipy.stats
import statsmodels
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

warnings.filterwarnings("ignore")
data = json.load(sys.stdin)
frame = pandas.DataFrame(data["factors"]).assign(y=data["response"])
formula = "y ~ C(conv, Sum) * C(linear, Sum) * C(relu, Sum)"
model = ols(formula, frame).fit()
cells = [part.y.to_numpy() for _, part in frame.groupby(["conv", "linear", "relu"])]
few = numpy.array(data["response"][:384])


def tukey():
    found = scipy.stats.tukey_hsd(*cells)
    return found.confidence_interval(0.95)


def bca():
    return scipy.stats.bootstrap((few,), numpy.mean, n_resamples=2000, method="BCa", rng=1)


CASES = {
    "anova_II": ("statsmodels ols, anova_lm", lambda: anova_lm(ols(formula, frame).fit(), typ=2)),
    "anova_III": ("statsmodels ols, anova_lm", lambda: anova_lm(ols(formula, frame).fit(), typ=3)),
    "tukey": ("scipy.stats.tukey_hsd", tukey),
    "shapiro": ("scipy.stats.shapiro", lambda: scipy.stats.shapiro(model.resid)),
    "bca": ("scipy.stats.bootstrap", bca),
}
VERSIONS = {"statsmodels": statsmodels.__version__, "scipy": scipy.__version__}

answer = {}
for case, (call, function) in CASES.items():
    function()
    seconds = []
    begin = time.perf_counter()
    while len(seconds) < 5 or (time.perf_counter() - begin < 2 and len(seconds) < 200):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    package = call.split(".")[0].split(" ")[0]
    answer[case] = {"call": f"{call} ({package} {VERSIONS[package]})", "seconds": numpy.median(seconds)}
json.dump(answer, sys.stdout)
