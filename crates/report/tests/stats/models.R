# Writes models.json: data sets of R's packages and the results of aov, car, lme4, lmerTest and emmeans for them.
# Run by `Rscript models.R > models.json` with the packages emmeans, lme4, lmerTest, nlme, car and jsonlite.
suppressMessages({library(emmeans); library(lme4); library(lmerTest); library(nlme); library(car); library(jsonlite)})
options(contrasts = c("contr.sum", "contr.poly"))
columns <- function(data) lapply(as.list(data), function(x) if (is.numeric(x)) x else as.character(x))
# Type I by aov, type II and III by car::Anova.
fixed <- function(name, data, formula, factors) {
  for (f in factors) data[[f]] <- factor(data[[f]])
  text <- gsub("factor\\((\\w+)\\)", "\\1", formula)
  model <- lm(as.formula(text), data)
  one <- anova(model)
  rows <- function(table, terms) lapply(terms, function(t) list(term = t, ss = table[t, "Sum Sq"], df = table[t, "Df"], f = table[t, "F value"], p = table[t, "Pr(>F)"]))
  terms <- setdiff(rownames(one), "Residuals")
  if (any(is.na(coef(model)))) model <- update(model, paste("~", paste(terms, collapse = "+")))
  types <- list(`1` = rows(one, terms))
  if (!any(is.na(coef(model)))) {
    types[["2"]] <- rows(Anova(model, type = 2), terms)
    types[["3"]] <- rows(Anova(model, type = 3), terms)
  }
  list(name = name, formula = formula, factors = factors, data = columns(data[all.vars(as.formula(text))]),
       residual = list(ss = one["Residuals", "Sum Sq"], df = one["Residuals", "Df"]), types = types)
}
# Satterthwaite's tests by lmerTest.
mixed <- function(name, data, formula, factors) {
  for (f in factors) data[[f]] <- factor(data[[f]])
  control <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5))
  model <- suppressMessages(lmerTest::lmer(as.formula(formula), data, control = control))
  test <- anova(model)
  coefs <- coef(summary(model))
  covs <- as.data.frame(VarCorr(model))
  sds <- covs[is.na(covs$var2) & covs$grp != "Residual", ]
  list(name = name, formula = formula, factors = factors, data = columns(data[all.vars(as.formula(formula))]),
       criterion = as.numeric(REMLcrit(model)), residual_sd = sigma(model),
       terms = lapply(rownames(test), function(t) list(term = t, df = test[t, "NumDF"], den_df = test[t, "DenDF"], f = test[t, "F value"], p = test[t, "Pr(>F)"])),
       coefficients = lapply(rownames(coefs), function(t) list(estimate = coefs[t, "Estimate"], se = coefs[t, "Std. Error"], df = coefs[t, "df"])),
       sds = lapply(seq_len(nrow(sds)), function(i) list(group = sds$grp[i], effect = sds$var1[i], sd = sds$sdcor[i])))
}
# Tukey's comparisons by emmeans.
pairs_of <- function(name, data, formula, factors, of, random = FALSE) {
  for (f in factors) data[[f]] <- factor(data[[f]])
  model <- if (random) suppressMessages(lmerTest::lmer(as.formula(formula), data)) else lm(as.formula(formula), data)
  means <- emmeans(model, as.formula(paste("~", of)), lmer.df = "satterthwaite")
  table <- as.data.frame(contrast(means, "pairwise", adjust = "tukey"))
  list(name = name, formula = formula, factors = factors, of = of, data = columns(data[all.vars(as.formula(formula))]),
       pairs = lapply(seq_len(nrow(table)), function(i) as.list(table[i, c("estimate", "SE", "df", "p.value")])))
}
# Repeated measures by car::Anova of the multivariate model, whose univariate tests are type III.
repeated <- function(name, wide, columns, idata, idesign, between, formula, within) {
  model <- lm(as.formula(paste("cbind(", paste(columns, collapse = ","), ") ~", between)), wide)
  result <- summary(Anova(model, idata = idata, idesign = as.formula(idesign), type = 3), multivariate = FALSE)
  tests <- result$univariate.tests; correction <- result$pval.adjustments; mauchly <- result$sphericity.tests
  rows <- setdiff(rownames(tests), "(Intercept)")
  long <- do.call(rbind, lapply(seq_along(columns), function(i) cbind(wide[setdiff(names(wide), columns)], idata[rep(i, nrow(wide)), , drop = FALSE], y = wide[[columns[i]]])))
  factors <- setdiff(names(long), "y")
  list(name = name, formula = formula, factors = factors, data = lapply(as.list(long), function(x) if (is.numeric(x)) x else as.character(x)),
       terms = lapply(rows, function(t) c(list(term = t, ss = tests[t, "Sum Sq"], df = tests[t, "num Df"], error_ss = tests[t, "Error SS"], error_df = tests[t, "den Df"], f = tests[t, "F value"], p = tests[t, "Pr(>F)"]),
         if (t %in% rownames(correction)) list(gg = correction[t, "GG eps"], gg_p = correction[t, "Pr(>F[GG])"], hf = min(1, correction[t, "HF eps"]), w = mauchly[t, "Test statistic"], w_p = mauchly[t, "p-value"]))))
}
obk <- OBrienKaiser; obk$subject <- paste0("s", seq_len(nrow(obk)))
phases <- data.frame(phase = factor(rep(c("pre", "post", "fup"), each = 5)), hour = factor(rep(paste0("h", 1:5), 3)))
set.seed(7)
unbalanced <- expand.grid(a = c("x", "y", "z"), b = c("p", "q"), r = 1:4)[-c(1, 8, 9, 17, 20), ]
unbalanced$x <- round(rnorm(nrow(unbalanced), 10, 3), 2)
unbalanced$y <- round(5 + 2 * (unbalanced$a == "y") + 0.3 * unbalanced$x + rnorm(nrow(unbalanced)), 3)
nested <- expand.grid(r = 1:3, run = 1:2, day = 1:5)[-c(4, 11), ]
nested$y <- round(20 + nested$day / 2 + 0.7 * nested$run * (nested$day %% 2) + rnorm(nrow(nested), 0, 0.4), 3)
nested$label <- paste0(nested$day, "_", nested$run)
crossed <- expand.grid(subject = paste0("s", 1:9), item = paste0("i", 1:7), condition = c("u", "v"))[-(1:11), ]
crossed$y <- round(3 + rnorm(9)[as.integer(crossed$subject)] + 0.6 * rnorm(7)[as.integer(crossed$item)] + 0.5 * (crossed$condition == "v") + rnorm(nrow(crossed), 0, 0.8), 3)
few <- subset(as.data.frame(Machines), !(Worker == "6" & Machine == "B"))
few <- few[-c(2, 9, 17), ]
out <- list(
  fixed = list(
    fixed("npk", npk, "yield ~ block + N*P*K", c("block", "N", "P", "K")),
    fixed("warpbreaks", warpbreaks, "breaks ~ wool*tension", c("wool", "tension")),
    fixed("covariate", unbalanced, "y ~ a*b + x", c("a", "b")),
    fixed("slopes", unbalanced, "y ~ a*x + b", c("a", "b")),
    fixed("selected", unbalanced, "y ~ a + b + a:b", c("a", "b")),
    fixed("nested", nested, "y ~ day/run", c("day", "run")),
    fixed("labels", nested, "y ~ day/label", c("day", "label"))
  ),
  mixed = list(
    mixed("sleepstudy", sleepstudy, "Reaction ~ Days + (Days|Subject)", "Subject"),
    mixed("sleepstudy, uncorrelated", sleepstudy, "Reaction ~ Days + (Days||Subject)", "Subject"),
    mixed("sleepstudy, intercepts", sleepstudy, "Reaction ~ Days + (1|Subject)", "Subject"),
    mixed("Machines", as.data.frame(Machines), "score ~ Machine + (1|Worker/Machine)", c("Worker", "Machine")),
    mixed("Machines, slopes", as.data.frame(Machines), "score ~ Machine + (0 + Machine|Worker)", c("Worker", "Machine")),
    mixed("Machines, incomplete", few, "score ~ Machine + (1|Worker/Machine)", c("Worker", "Machine")),
    mixed("crossed", crossed, "y ~ condition + (1|subject) + (1|item)", c("subject", "item", "condition")),
    mixed("npk", npk, "yield ~ N*P*K + (1|block)", c("block", "N", "P", "K"))
  ),
  repeated = list(
    repeated("O'Brien and Kaiser", obk, names(OBrienKaiser)[3:17], phases, "~ phase*hour", "treatment*gender",
             "y ~ treatment*gender*phase*hour + Error(subject/(phase*hour))"),
    repeated("one factor", obk[c(4:8, 18)], names(OBrienKaiser)[4:8], data.frame(hour = factor(paste0("h", 1:5))), "~ hour", "1",
             "y ~ hour + Error(subject/hour)")
  ),
  pairs = list(
    pairs_of("warpbreaks", warpbreaks, "breaks ~ wool + tension", c("wool", "tension"), "tension"),
    pairs_of("warpbreaks, cells", warpbreaks, "breaks ~ wool*tension", c("wool", "tension"), "wool:tension"),
    pairs_of("covariate", unbalanced, "y ~ a*b + x", c("a", "b"), "a"),
    pairs_of("Machines, incomplete", few, "score ~ Machine + (1|Worker/Machine)", c("Worker", "Machine"), "Machine", TRUE)
  )
)
cat(toJSON(out, auto_unbox = TRUE, digits = 12))
