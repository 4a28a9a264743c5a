"""The comparison as a section of Markdown."""

import statistics

from runs import TRIALS
from searches import SEARCHES
from table import NAMES, TUNING, Table

OURS = ["wattlab GP", "wattlab TPE"]
# With fewer pairs no exchange of signs is significant at 95 %.
LEAST_PAIRS = 6


def sign_flips(differences, draws=20_000):
    """Two-sided p-value that paired differences have the mean 0, by exchanging the sides of pairs: exactly if there
    are few, otherwise from draws."""
    import numpy as np

    differences = np.asarray([each for each in differences if each != 0.0])
    if len(differences) == 0:
        return 1.0
    sizes, observed = np.abs(differences), abs(differences.sum())
    if len(sizes) <= 14:
        signs = 1 - 2 * ((np.arange(2 ** len(sizes))[:, None] >> np.arange(len(sizes))) & 1)
    else:
        signs = np.random.default_rng(0).choice([-1, 1], size=(draws, len(sizes)))
    sums = np.abs(signs @ sizes)
    return float((sums >= observed * (1 - 1e-12)).mean())


def verdict(ours, theirs):
    """`worse`, `better` or `even`: the mean regret of the same seeds, with 95 % confidence; `few` if there are too few
    seeds to tell."""
    seeds = sorted(ours.keys() & theirs.keys())
    differences = [ours[seed] - theirs[seed] for seed in seeds]
    if len(differences) < LEAST_PAIRS:
        return "few"
    if sign_flips(differences) > 0.05:
        return "even"
    return "worse" if sum(differences) > 0 else "better"


def at(runs, place):
    return {seed: regrets[place] for seed, regrets in runs.items()}


def judged(results, name, own, peers, place):
    """How one of ours does on a table: against each peer, and whether no peer is significantly better."""
    ours = at(results[name, own], place)
    return {peer: verdict(ours, at(results[name, peer], place)) for peer in peers}


def cell(results, name, strategy):
    medians = [statistics.median(at(results[name, strategy], place).values()) for place in range(2)]
    means = [statistics.mean(at(results[name, strategy], place).values()) for place in range(2)]
    return f"{medians[0]:.2f} / {medians[1]:.2f} ({means[0]:.2f} / {means[1]:.2f})"


def seeds_of(results, names, strategy):
    """Numbers of seeds, which differ where a run was interrupted."""
    counts = {len(results[name, strategy]) for name in names}
    return str(min(counts)) if len(counts) == 1 else f"{min(counts)} to {max(counts)}"


def gaps(results, versions, names):
    """What a reader could miss: optimizers without results, and those with so few seeds that they say little."""
    missing = [strategy for strategy in SEARCHES if strategy not in versions]
    few = [s for s in versions if min(len(results[name, s]) for name in names) < 10]
    text = f" Not measured: {', '.join(missing)}." if missing else ""
    if few:
        text += (
            f" {', '.join(few)} has fewer than ten seeds: with six pairs, only a difference with the same sign in all of "
            "them is significant, so no mark beside it is no sign of equality."
        )
    return text


def section(results, versions, names, processor):
    strategies = list(versions)
    peers = [strategy for strategy in strategies if strategy not in OURS]
    own = [strategy for strategy in strategies if strategy in OURS]
    seeds = {s: seeds_of(results, names, s) for s in strategies}
    packages = sorted({f"{s.split()[0]} {versions[s]}" for s in peers if s != "random"})
    lines = [
        "## Tables of real trainings",
        "",
        "Regret of the trial with the best observed value after 32 / 64 trials: median, and the mean in brackets. It is the "
        "distance of the mean of all trainings of that configuration from the best configuration's, in points of accuracy, "
        "and on HPOLib in percent of the lowest loss. Ours run in `wattlab tune serve`. Beside "
        f"{', '.join(packages)}; {processor}. Seeds are in brackets.{gaps(results, versions, names)} Settings were chosen on the "
        f"tables that are not marked as held out.",
        "",
        "| table | " + " | ".join(f"{s} ({seeds[s]})" for s in strategies) + " |",
        "|---|" + "---|" * len(strategies),
    ]
    for name in names:
        family = Table(name).family
        mark = "" if name in TUNING else " (held out)"
        cells = [cell(results, name, strategy) for strategy in strategies]
        lines.append(f"| {family} {name}{mark} | " + " | ".join(cells) + " |")
    if not own or not peers:
        return "\n".join(lines) + "\n"
    lines += [
        "",
        "Tables on which ours has a significantly larger (✗) or smaller (✓) mean regret than a peer with the same seeds "
        "(exchanged signs of paired differences, 95 %, not corrected for the number of comparisons), of the tables on which there "
        f"are at least {LEAST_PAIRS} pairs. Where there is no mark, these seeds do not tell which is better:",
        "",
        "| strategy | trials | tables where no peer is shown to be better | "
        + " | ".join(peers)
        + " |",
        "|---|---|---|" + "---|" * len(peers),
    ]
    for strategy in own:
        for place, trials in enumerate(TRIALS):
            all = {name: judged(results, name, strategy, peers, place) for name in names}
            good = sum("worse" not in each.values() for each in all.values())
            counts = [
                "{} ✓ {} ✗ of {}".format(
                    sum(each[peer] == "better" for each in all.values()),
                    sum(each[peer] == "worse" for each in all.values()),
                    sum(each[peer] != "few" for each in all.values()),
                )
                for peer in peers
            ]
            lines.append(f"| {strategy} | {trials} | {good} of {len(names)} | " + " | ".join(counts) + " |")
    lines.append("")
    for strategy in own:
        for place, trials in enumerate(TRIALS):
            lost = {
                name: [p for p, word in judged(results, name, strategy, peers, place).items() if word == "worse"]
                for name in names
            }
            lost = [f"{name} ({', '.join(by)})" for name, by in lost.items() if by]
            if lost:
                lines.append(f"{strategy} loses at {trials} trials on {'; '.join(lost)}.")
    return "\n".join(lines) + "\n"
