//! `--compare`: two commands in pairs, in random order, until their ratio is known well enough.

mod doubts;
mod ratio;
mod show;
mod warnings;

use std::time::{Duration, Instant};

use record::Warning;

pub(super) use self::doubts::doubts;
use self::ratio::{Ratio, RatioSequence};
use super::{
    child::MeasuredCommand,
    program::Program,
    repeat::{Session, Stop},
    summary::Summary,
};
use crate::{progress, seed};

/// Rounds in a row without a ratio after which more make no sense.
const HOPELESS: u32 = 10;

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Width of the ratio's interval that is narrow enough.
    pub(super) precision: f64,
    /// Runs of each command.
    pub(super) runs: u32,
    pub(super) time: Duration,
}

/// Why a comparison ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Precise,
    Runs,
    Time,
    /// The energies have no ratio.
    NoEnergy,
    /// Interrupted, or a command failed.
    Early,
}

/// A finished comparison.
pub(super) struct Comparison {
    names: [String; 2],
    runs: [Vec<MeasuredCommand>; 2],
    pub(super) summaries: [Summary; 2],
    energy: Option<Ratio>,
    time: Option<Ratio>,
    /// Which command was first in each round: 0 or 1.
    first: Vec<usize>,
    end: End,
    limits: Limits,
    seed: u64,
    warnings: Vec<Warning>,
}

/// The command that runs first in a round. Two rounds that follow one another have both orders, of which
/// chance decides, so that what grows steadily with time falls on both commands alike.
fn first(seed: u64, round: u32) -> usize {
    let coin = seed::derive(seed, &format!("order of rounds {}", round / 2)) % 2;
    usize::from((coin == 1) != (round % 2 == 1))
}

impl Comparison {
    /// Runs both commands; also returns why they stopped early, if they did.
    pub(super) fn measure(
        session: &mut Session<'_>,
        programs: &[Program; 2],
        warmup: u32,
        limits: Limits,
        seed: u64,
    ) -> (Self, Option<Stop>) {
        let start = Instant::now();
        let mut this = Self {
            names: programs.each_ref().map(Program::text),
            runs: [Vec::new(), Vec::new()],
            summaries: [Summary::of(&[]), Summary::of(&[])],
            energy: None,
            time: None,
            first: Vec::new(),
            end: End::Early,
            limits,
            seed,
            warnings: Vec::new(),
        };
        let warmed = programs.iter().try_for_each(|program| session.warm_up(program, warmup));
        let stop = warmed.and_then(|()| this.rounds(session, programs, start)).err();
        this.summaries = this.runs.each_ref().map(|runs| Summary::of(runs));
        this.warnings = this.warnings(session, stop.as_ref());
        (this, stop)
    }

    fn rounds(
        &mut self,
        session: &mut Session<'_>,
        programs: &[Program; 2],
        start: Instant,
    ) -> Result<(), Stop> {
        let (mut energy, mut time) = (RatioSequence::default(), RatioSequence::default());
        let mut without = 0;
        for round in 0.. {
            let first = first(self.seed, round);
            let one = session.measure(&programs[first])?;
            let other = session.measure(&programs[1 - first])?;
            let [a, b] = if first == 0 { [one, other] } else { [other, one] };
            let joules =
                |run: &MeasuredCommand| run.report.total.map_or(0.0, |total| total.joules.0);
            without = if energy.push(joules(&a), joules(&b)) { 0 } else { without + 1 };
            time.push(a.report.duration.0, b.report.duration.0);
            self.runs[0].push(a);
            self.runs[1].push(b);
            self.first.push(first);
            (self.energy, self.time) = (energy.ratio(), time.ratio());
            progress::line(&self.line());
            if self.energy.is_some_and(|ratio| ratio.is_precise(self.limits.precision)) {
                self.end = End::Precise;
            } else if without >= HOPELESS {
                self.end = End::NoEnergy;
            } else if round + 1 >= self.limits.runs {
                self.end = End::Runs;
            } else if start.elapsed() >= self.limits.time {
                self.end = End::Time;
            } else {
                continue;
            }
            break;
        }
        Ok(())
    }

    /// The two commands as text.
    pub(super) fn names(&self) -> &[String; 2] {
        &self.names
    }

    /// The energy of A divided by that of B, and its 95 % interval.
    pub(super) fn relative(&self) -> Option<(f64, Option<[f64; 2]>)> {
        self.energy.map(|ratio| (ratio.ratio, ratio.ci95))
    }
}

impl End {
    /// The name in a document.
    fn word(self) -> &'static str {
        match self {
            Self::Precise => "precise",
            Self::Runs => "max-runs",
            Self::Time => "max-time",
            Self::NoEnergy => "no-energy",
            Self::Early => "early",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_appear_equally_often_and_by_chance() {
        let firsts: Vec<usize> = (0..400).map(|round| first(1, round)).collect();
        assert_eq!(firsts.iter().sum::<usize>(), 200);
        assert!(firsts.chunks(2).all(|pair| pair[0] != pair[1]));
        let begins = firsts.chunks(2).filter(|pair| pair[0] == 0).count();
        assert!((70..130).contains(&begins), "{begins}");
        assert_ne!(firsts, (0..400).map(|round| first(2, round)).collect::<Vec<_>>());
    }
}
