//! The family over simulated processes, whose CPU time is known.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const US: u32 = 1000;
const INIT: u32 = 1;
const MS: u64 = 1_000_000;

/// Processes as a kernel keeps them.
struct Simulated {
    all: BTreeMap<u32, Process>,
    next: u32,
    waited_for_ns: u64,
    /// Whether orphans become our children.
    adopts: bool,
    /// CPU time that all processes have used so far.
    used_ns: u64,
}

impl Simulated {
    fn new(adopts: bool) -> Self {
        Self { all: BTreeMap::new(), next: US, waited_for_ns: 0, adopts, used_ns: 0 }
    }

    fn start(&mut self, parent: u32) -> u32 {
        self.next += 1;
        let started = u64::from(self.next);
        let process = Process { parent, started, ended: false, own_ns: 0, waited_for_ns: 0 };
        self.all.insert(self.next, process);
        self.next
    }

    fn work(&mut self, pid: u32, ns: u64) {
        self.all.get_mut(&pid).unwrap().own_ns += ns;
        self.used_ns += ns;
    }

    /// A process ends: its children get another parent, and it waits to be asked for.
    fn end(&mut self, pid: u32) {
        let heir = if self.adopts { US } else { INIT };
        for child in self.all.values_mut().filter(|child| child.parent == pid) {
            child.parent = heir;
        }
        self.all.get_mut(&pid).unwrap().ended = true;
    }

    /// Its parent asks for it, or, if the parent ignores `SIGCHLD`, nobody does.
    fn remove(&mut self, pid: u32, ignored: bool) {
        let process = self.all.remove(&pid).unwrap();
        if ignored {
            return;
        }
        match self.all.get_mut(&process.parent) {
            Some(parent) => parent.waited_for_ns += process.total_ns(),
            None if process.parent == US => self.waited_for_ns += process.total_ns(),
            None => {}
        }
    }
}

impl Processes for Simulated {
    fn us(&self) -> u32 {
        US
    }

    fn waited_for_by_us_ns(&self) -> u64 {
        self.waited_for_ns
    }

    fn children(&self, pid: u32) -> Vec<u32> {
        self.all.iter().filter(|(_, child)| child.parent == pid).map(|(pid, _)| *pid).collect()
    }

    fn process(&self, pid: u32) -> Option<Process> {
        self.all.get(&pid).copied()
    }
}

/// `(setsid worker &); sleep 3`: the shell between ends at once, and the worker runs on.
#[test]
fn a_daemon_counts_and_hides_no_later_work() {
    for adopts in [true, false] {
        let mut machine = Simulated::new(adopts);
        let mut family = Family::default();
        let shell = machine.start(US);
        let between = machine.start(shell);
        let worker = machine.start(between);
        machine.work(worker, 10 * MS);
        assert_eq!(family.cpu_ns(&mut machine), 10 * MS);
        machine.end(between);
        machine.remove(between, false);
        machine.work(worker, 1_490 * MS);
        assert_eq!(family.cpu_ns(&mut machine), 1_500 * MS, "adopts: {adopts}");
        machine.end(worker);
        assert_eq!(family.cpu_ns(&mut machine), 1_500 * MS);
        machine.remove(worker, false);
        // The daemon is gone. A running maximum would hide the next second and a half of work.
        machine.work(shell, 300 * MS);
        assert_eq!(family.cpu_ns(&mut machine), 1_800 * MS, "adopts: {adopts}");
        machine.end(shell);
        machine.remove(shell, false);
        assert_eq!(family.cpu_ns(&mut machine), 1_800 * MS);
    }
}

#[test]
fn a_process_that_nobody_waits_for_is_kept_as_it_was_last_seen() {
    let mut machine = Simulated::new(true);
    let mut family = Family::default();
    let shell = machine.start(US);
    let ignored = machine.start(shell);
    machine.work(ignored, 700 * MS);
    assert_eq!(family.cpu_ns(&mut machine), 700 * MS);
    machine.end(ignored);
    machine.remove(ignored, true);
    machine.work(shell, 50 * MS);
    assert_eq!(family.cpu_ns(&mut machine), 750 * MS);
    let next = machine.start(shell);
    machine.work(next, 20 * MS);
    assert_eq!(family.cpu_ns(&mut machine), 770 * MS);
}

#[test]
fn a_helper_does_not_count() {
    let mut machine = Simulated::new(true);
    let mut family = Family::default();
    let plugin = machine.start(US);
    machine.work(plugin, 5 * MS);
    family.exclude_running(&mut machine);
    let command = machine.start(US);
    machine.work(command, 7 * MS);
    machine.work(plugin, 9 * MS);
    assert_eq!(family.cpu_ns(&mut machine), 7 * MS);
    assert_eq!(family.running().collect::<Vec<_>>(), [command]);
}

#[test]
fn an_id_that_is_used_again_is_another_process() {
    let mut machine = Simulated::new(true);
    let mut family = Family::default();
    let first = machine.start(US);
    machine.work(first, 40 * MS);
    assert_eq!(family.cpu_ns(&mut machine), 40 * MS);
    machine.end(first);
    machine.remove(first, false);
    machine.next = first - 1;
    let started = 999_999;
    let second = machine.start(US);
    assert_eq!(second, first);
    machine.all.get_mut(&second).unwrap().started = started;
    machine.work(second, 3 * MS);
    assert_eq!(family.cpu_ns(&mut machine), 43 * MS);
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Start(usize),
    Work(usize, u64),
    End(usize),
    Remove(usize, bool),
    Read,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => any::<usize>().prop_map(Act::Start),
        4 => (any::<usize>(), 0..1_000_u64).prop_map(|(who, ms)| Act::Work(who, ms * MS)),
        2 => any::<usize>().prop_map(Act::End),
        2 => (any::<usize>(), prop::bool::weighted(0.2)).prop_map(|(who, lost)| Act::Remove(who, lost)),
        3 => Just(Act::Read),
    ]
}

proptest! {
    /// Whatever processes do, no time is counted twice and none decreases. If somebody waits for
    /// each of them and orphans come to us, nothing is lost either.
    #[test]
    fn no_time_is_lost_or_counted_twice(
        acts in prop::collection::vec(act(), 1..120),
        adopts in any::<bool>(),
    ) {
        let mut machine = Simulated::new(adopts);
        let mut family = Family::default();
        let (mut before, mut complete) = (0, adopts);
        for act in acts {
            let alive: Vec<u32> =
                machine.all.iter().filter(|(_, process)| !process.ended).map(|(pid, _)| *pid).collect();
            let pick = |who: usize| alive.get(who % alive.len().max(1)).copied();
            match act {
                Act::Start(who) => {
                    machine.start(pick(who).filter(|_| who % 3 > 0).unwrap_or(US));
                }
                Act::Work(who, ns) => pick(who).into_iter().for_each(|pid| machine.work(pid, ns)),
                Act::End(who) => pick(who).into_iter().for_each(|pid| machine.end(pid)),
                Act::Remove(who, ignored) => {
                    let ended: Vec<u32> = machine
                        .all
                        .iter()
                        .filter(|(_, process)| process.ended)
                        .map(|(pid, _)| *pid)
                        .collect();
                    if let Some(pid) = ended.get(who % ended.len().max(1)) {
                        complete &= !ignored;
                        machine.remove(*pid, ignored);
                    }
                }
                Act::Read => {
                    let now = family.cpu_ns(&mut machine);
                    prop_assert!(now >= before, "{before} {now}");
                    prop_assert!(now <= machine.used_ns, "{now} {}", machine.used_ns);
                    if complete {
                        prop_assert_eq!(now, machine.used_ns);
                    }
                    before = now;
                }
            }
        }
    }
}
