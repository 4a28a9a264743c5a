//! A workload's share of the machine's CPU time, and of an energy.

use units::{Energy, Joules, Origin, Seconds};

use crate::workload::CpuAccounting;

/// CPU time of a workload beside that of the whole machine.
///
/// An energy divides by it only under an assumption: how much more or less energy a CPU second of
/// the workload costs than one of the other processes. Nobody measures that while both run, so
/// [`CpuShare::interval`] takes it as a range. The more of the machine the workload uses, the less
/// the assumption matters: alone on a machine, its share is 1 whatever a CPU second costs.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct CpuShare {
    /// CPU time of the workload.
    pub workload: Seconds,
    /// CPU time of the whole machine; at least that of the workload.
    pub machine: Seconds,
    /// How the workload's CPU time was counted.
    pub accounting: CpuAccounting,
    /// Error of each of the two times: a tick at each end.
    pub(crate) error: Seconds,
}

impl CpuShare {
    /// A CPU second of any process costs between half of and twice as much energy of the processor
    /// as one of any other. An assumption: on one machine, the power of a busy core changes by up to
    /// that much with instructions, clock frequency and hyper-threads.
    pub const PROCESSOR: f64 = 2.0;

    /// The same for everything else that is divided by CPU time, such as memory or the power of a
    /// whole machine, where CPU time says less.
    pub const OTHER: f64 = 4.0;

    /// CPU times without an error.
    #[must_use]
    pub fn new(workload: Seconds, machine: Seconds, accounting: CpuAccounting) -> Self {
        let workload = Seconds(workload.0.max(0.0));
        // Ticks are coarse, but the machine was never less busy than a process on it.
        let machine = Seconds(machine.0.max(workload.0));
        Self { workload, machine, accounting, error: Seconds(0.0) }
    }

    /// The share, if a CPU second costs the same in all processes. 0 on an idle machine.
    #[must_use]
    pub fn value(&self) -> f64 {
        if self.machine.0 > 0.0 { (self.workload.0 / self.machine.0).min(1.0) } else { 0.0 }
    }

    /// The lowest and the highest share, if a CPU second of the workload costs between `1 / ratio` and
    /// `ratio` times one of the other processes.
    #[must_use]
    pub fn interval(&self, ratio: f64) -> (f64, f64) {
        let (own, others) = (self.workload.0, (self.machine - self.workload).0.max(0.0));
        let error = self.error.0;
        let share = |own: f64, others: f64, empty: f64| {
            if own + others > 0.0 { own / (own + others) } else { empty }
        };
        let low = share((own - error).max(0.0) / ratio, others + error, 0.0);
        let high = share((own + error) * ratio, (others - error).max(0.0), 1.0);
        (low.min(self.value()), high.max(self.value()))
    }

    /// The workload's part of an energy. It is an estimate, whose interval includes that of the
    /// energy and [`CpuShare::interval`].
    #[must_use]
    pub fn of(&self, energy: &Energy, ratio: f64) -> Energy {
        let (low, high) = self.interval(ratio);
        let value = self.value();
        let spread = energy.joules * (high - value).max(value - low);
        Energy {
            joules: energy.joules * value,
            uncertainty: energy.uncertainty * high + Joules(spread.0.abs()),
            origin: Origin::Estimated,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn share(workload: f64, machine: f64) -> CpuShare {
        CpuShare::new(Seconds(workload), Seconds(machine), CpuAccounting::CgroupV2)
    }

    #[test]
    fn two_jobs_that_share_a_node_do_not_both_get_all_of_it() {
        let node =
            Energy { joules: Joules(900.0), uncertainty: Joules(9.0), origin: Origin::Measured };
        let (one, two) = (share(30.0, 90.0), share(60.0, 90.0));
        let (first, second) = (one.of(&node, 2.0), two.of(&node, 2.0));
        assert_eq!((first.joules, second.joules), (Joules(300.0), Joules(600.0)));
        assert_eq!(first.origin, Origin::Estimated);
        // 30/2 of 30/2 + 60, and 30·2 of 30·2 + 60.
        assert_eq!(one.interval(2.0), (0.2, 0.5));
        assert!(first.uncertainty.0 >= 900.0 * (0.5 - 1.0 / 3.0));
        // Alone on the node, its energy is the node's, as far as ticks can tell.
        let alone = share(90.0, 90.0);
        assert_eq!(
            (alone.interval(2.0), alone.of(&node, 2.0).uncertainty),
            ((1.0, 1.0), Joules(9.0))
        );
    }

    proptest! {
        #[test]
        fn the_interval_includes_the_share_and_shares_sum_to_one(
            own in 0.0..1e5_f64,
            others in 0.0..1e5_f64,
            error in 0.0..1.0_f64,
            ratio in 1.0..8.0_f64,
            truth in 0.0..1.0_f64,
        ) {
            let blurred = |own: f64| CpuShare { error: Seconds(error), ..share(own, own + others) };
            let this = blurred(own);
            let (low, high) = this.interval(ratio);
            prop_assert!(0.0 <= low && low <= this.value() && this.value() <= high && high <= 1.0);
            if own + others > 0.0 {
                let rest = share(others, own + others);
                prop_assert!((this.value() + rest.value() - 1.0).abs() < 1e-9);
                // A CPU second that costs anything in the assumed range leads to a share inside.
                let cost = ratio.powf(2.0 * truth - 1.0);
                let true_share = own * cost / (own * cost + others);
                prop_assert!(low - 1e-9 <= true_share && true_share <= high + 1e-9);
            }
        }
    }
}
