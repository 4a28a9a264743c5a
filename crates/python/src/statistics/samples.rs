//! Statistics of samples.

use report::stats::{self, Bootstrap, BootstrapMethod, Center, Factor, StatsError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer;
use crate::fault::Fault;

#[derive(Deserialize)]
pub(super) struct One {
    values: Vec<f64>,
}

#[derive(Deserialize)]
pub(super) struct Mean {
    values: Vec<f64>,
    mean: f64,
}

#[derive(Deserialize)]
pub(super) struct Two {
    a: Vec<f64>,
    b: Vec<f64>,
    #[serde(default = "usual")]
    confidence: f64,
}

#[derive(Deserialize)]
pub(super) struct Comparison {
    a: Vec<f64>,
    b: Vec<f64>,
    paired: bool,
    confidence: f64,
    seed: u64,
}

#[derive(Deserialize)]
pub(super) struct Groups {
    groups: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
pub(super) struct Levels {
    response: Vec<f64>,
    levels: Vec<String>,
    #[serde(default = "usual")]
    confidence: f64,
}

#[derive(Deserialize)]
pub(super) struct Line {
    predictors: Vec<Vec<f64>>,
    y: Vec<f64>,
}

fn usual() -> f64 {
    0.95
}

type Found = Result<Value, Fault>;

fn found<T>(result: Result<T, StatsError>, answer: impl FnOnce(&T) -> Value) -> Found {
    Ok(answer(&result.map_err(Fault::input)?))
}

impl One {
    pub(super) fn describe(&self) -> Found {
        found(stats::describe(&self.values), |found| {
            json!({
                "n": found.n, "mean": found.mean, "sd": found.sd, "min": found.min, "q1": found.q1,
                "median": found.median, "q3": found.q3, "max": found.max,
            })
        })
    }

    pub(super) fn shapiro_wilk(&self) -> Found {
        found(stats::shapiro_wilk(&self.values), answer::normality)
    }

    pub(super) fn wilcoxon(&self) -> Found {
        found(stats::wilcoxon_signed_rank(&self.values), answer::rank_test)
    }

    pub(super) fn holm(&self) -> Found {
        found(stats::holm(&self.values), |adjusted| json!(adjusted))
    }
}

impl Mean {
    pub(super) fn compute(&self) -> Found {
        found(stats::one_sample_t(&self.values, self.mean), answer::t_test)
    }
}

impl Two {
    pub(super) fn welch_t(&self) -> Found {
        found(stats::welch_t(&self.a, &self.b), answer::t_test)
    }

    pub(super) fn paired_t(&self) -> Found {
        found(stats::paired_t(&self.a, &self.b), answer::t_test)
    }

    pub(super) fn mann_whitney(&self) -> Found {
        found(stats::mann_whitney(&self.a, &self.b), answer::rank_test)
    }

    pub(super) fn spearman(&self) -> Found {
        found(stats::spearman(&self.a, &self.b), |found| json!({ "rho": found.rho, "p": found.p }))
    }

    pub(super) fn theil_sen(&self) -> Found {
        found(stats::theil_sen_within(&self.a, &self.b, self.confidence), |found| {
            json!({
                "slope": found.slope, "intercept": found.intercept,
                "interval": answer::interval(found.interval),
            })
        })
    }

    pub(super) fn cohens_d(&self) -> Found {
        found(stats::cohens_d(&self.a, &self.b, self.confidence), answer::effect)
    }

    pub(super) fn hedges_g(&self) -> Found {
        found(stats::hedges_g(&self.a, &self.b, self.confidence), answer::effect)
    }

    pub(super) fn cliffs_delta(&self) -> Found {
        found(stats::cliffs_delta(&self.a, &self.b, self.confidence), answer::effect)
    }
}

impl Comparison {
    pub(super) fn compute(&self) -> Found {
        let (confidence, seed) = (self.confidence, self.seed);
        let bootstrap =
            Bootstrap { resamples: 10_000, confidence, seed, method: BootstrapMethod::Bca };
        let compare = if self.paired { stats::compare_paired } else { stats::compare };
        found(compare(&self.a, &self.b, &bootstrap), |found| {
            let choice = found.choose(self.a.len().min(self.b.len()));
            json!({
                "difference": found.difference,
                "bootstrap": found.bootstrap.as_ref().map(answer::bootstrap),
                "normality": found.normality.iter()
                    .map(|test| test.as_ref().map(answer::normality)).collect::<Vec<_>>(),
                "t_test": found.t_test.as_ref().map(answer::t_test),
                "rank_test": found.rank_test.as_ref().map(answer::rank_test),
                "cliffs_delta": answer::effect(&found.cliffs_delta),
                "hedges_g": found.hedges_g.as_ref().map(answer::effect),
                "choice": choice.test.word(), "because": choice.because,
            })
        })
    }
}

impl Groups {
    fn slices(&self) -> Vec<&[f64]> {
        self.groups.iter().map(Vec::as_slice).collect()
    }

    pub(super) fn kruskal_wallis(&self) -> Found {
        found(
            stats::kruskal_wallis(&self.slices()),
            |found| json!({ "h": found.h, "df": found.df, "p": found.p, "epsilon_sq": found.epsilon_sq }),
        )
    }

    pub(super) fn friedman(&self) -> Found {
        found(stats::friedman(&self.slices()), |found| {
            json!({
                "statistic": found.statistic, "df": found.df, "p": found.p,
                "kendall_w": found.kendall_w,
            })
        })
    }

    pub(super) fn levene(&self) -> Found {
        found(
            stats::levene(&self.slices(), Center::Median),
            |found| json!({ "f": found.f, "df1": found.df1, "df2": found.df2, "p": found.p }),
        )
    }
}

impl Levels {
    fn factor(&self) -> Factor {
        Factor::new("group", self.levels.iter().cloned()).sorted()
    }

    pub(super) fn tukey(&self) -> Found {
        let pairs = stats::tukey_hsd(&self.response, &self.factor(), self.confidence);
        found(pairs, |pairs| answer::pairs(pairs))
    }

    pub(super) fn games_howell(&self) -> Found {
        let pairs = stats::games_howell(&self.response, &self.factor(), self.confidence);
        found(pairs, |pairs| answer::pairs(pairs))
    }

    pub(super) fn dunn(&self) -> Found {
        found(stats::dunn(&self.response, &self.factor()), |pairs| answer::pairs(pairs))
    }
}

impl Line {
    pub(super) fn compute(&self) -> Found {
        let predictors: Vec<&[f64]> = self.predictors.iter().map(Vec::as_slice).collect();
        found(stats::linear_regression(&predictors, &self.y), |fit| {
            let coefficients = fit.coefficients.iter().map(|found| {
                json!({
                    "estimate": found.estimate, "se": found.se, "t": found.t, "df": found.df,
                    "p": found.p,
                })
            });
            json!({
                "coefficients": coefficients.collect::<Vec<_>>(), "r_squared": fit.r_squared,
                "adjusted_r_squared": fit.adjusted_r_squared, "residual_sd": fit.residual_sd,
                "df": fit.df,
            })
        })
    }
}
