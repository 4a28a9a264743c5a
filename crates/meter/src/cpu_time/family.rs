//! CPU time of all that this process has started, whatever becomes of it.
//!
//! The kernel adds the CPU time of a process that ends to the process that waits for it. Two kinds
//! of processes escape this: those whose parent ends first, which then belong to another process
//! ("daemons"), and those that nobody waits for, because their parent ignores `SIGCHLD`. So each
//! process is followed by its id and its start time, also when it has another parent by now, and
//! the time of one that has disappeared is kept unless it was added to a process that is still here.

use std::collections::{HashMap, HashSet};

use super::processes::{Process, Processes};

/// A process, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id {
    started: u64,
    pub(crate) pid: u32,
}

/// Who gets the CPU time of a process that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Heir {
    /// This process.
    Us,
    /// One that is followed.
    Member(Id),
    /// One that is not.
    Elsewhere,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    process: Process,
    heir: Heir,
}

/// The processes that this one has started, and the CPU time of those that have ended.
#[derive(Debug, Default)]
pub(crate) struct Family {
    waited_for_by_us_ns: u64,
    members: HashMap<Id, Member>,
    /// CPU time of processes that have disappeared and were not added to their heir when it was
    /// read. It may have been read just before.
    missing_ns: HashMap<Heir, u64>,
    /// CPU time of processes that nobody has waited for.
    kept_ns: u64,
    /// Processes that do not belong to the work, with all that they start.
    helpers: HashSet<Id>,
    highest_ns: u64,
}

impl Family {
    /// CPU time of the family up to now, in nanoseconds. It never decreases.
    pub(crate) fn cpu_ns(&mut self, processes: &mut impl Processes) -> u64 {
        self.walk(processes);
        if !self.missing_ns.is_empty() {
            self.walk(processes);
        }
        let members: u64 = self.members.values().map(|member| member.process.total_ns()).sum();
        let missing: u64 = self.missing_ns.values().sum();
        let all = self.waited_for_by_us_ns + members + self.kept_ns + missing;
        // Only rounding to ticks could decrease it.
        self.highest_ns = self.highest_ns.max(all);
        self.highest_ns
    }

    /// The children of this process that run now do not count from here on.
    pub(crate) fn exclude_running(&mut self, processes: &mut impl Processes) {
        processes.refresh();
        for pid in processes.children(processes.us()) {
            if let Some(process) = processes.process(pid) {
                self.helpers.insert(Id { pid, started: process.started });
            }
        }
        let helpers = &self.helpers;
        self.members.retain(|id, _| !helpers.contains(id));
    }

    /// The members that have not ended.
    pub(crate) fn running(&self) -> impl Iterator<Item = u32> {
        self.members.iter().filter(|(_, member)| !member.process.ended).map(|(id, _)| id.pid)
    }

    /// The children of this process that have ended and wait for this process to ask for them.
    pub(crate) fn ended_children(&self) -> impl Iterator<Item = Id> {
        let of_us = self.members.iter().filter(|(_, member)| member.heir == Heir::Us);
        of_us.filter(|(_, member)| member.process.ended).map(|(id, _)| *id)
    }

    /// Reads all members. A process is read before its children, so what it has waited for includes
    /// none that is found alive afterwards.
    fn walk(&mut self, processes: &mut impl Processes) {
        processes.refresh();
        let us = processes.us();
        let waited_for_by_us_ns = processes.waited_for_by_us_ns();
        let mut found: HashMap<Id, Process> = HashMap::with_capacity(self.members.len());
        for pid in processes.children(us) {
            visit(processes, &self.helpers, pid, &mut found);
        }
        // The others may have got another parent. Older ones first: they may be parents of the rest.
        let mut others: Vec<Id> =
            self.members.keys().filter(|id| !found.contains_key(id)).copied().collect();
        others.sort_unstable();
        for id in others {
            if processes.process(id.pid).is_some_and(|process| process.started == id.started) {
                visit(processes, &self.helpers, id.pid, &mut found);
            }
        }
        let members = with_heirs(us, found);
        self.settle(waited_for_by_us_ns, &members);
        self.waited_for_by_us_ns = waited_for_by_us_ns;
        self.members = members;
    }

    /// Keeps the time of those that have disappeared and were not added to their heirs.
    fn settle(&mut self, waited_for_by_us_ns: u64, now: &HashMap<Id, Member>) {
        let mut gone_ns: HashMap<Heir, u64> = HashMap::new();
        for (id, member) in &self.members {
            if !now.contains_key(id) {
                *gone_ns.entry(self.living_heir(member, now)).or_default() +=
                    member.process.total_ns();
            }
        }
        let growth = |heir: &Heir| match heir {
            Heir::Us => waited_for_by_us_ns.saturating_sub(self.waited_for_by_us_ns),
            Heir::Member(id) => match (self.members.get(id), now.get(id)) {
                (Some(before), Some(now)) => {
                    now.process.waited_for_ns.saturating_sub(before.process.waited_for_ns)
                }
                _ => 0,
            },
            Heir::Elsewhere => 0,
        };
        let before = std::mem::take(&mut self.missing_ns);
        let heirs: HashSet<Heir> =
            before.keys().chain(gone_ns.keys()).chain(&[Heir::Us]).copied().collect();
        let (mut lost, mut spare) = (0_u64, 0_u64);
        for heir in heirs {
            let mut added = growth(&heir);
            let missing = before.get(&heir).copied().unwrap_or(0);
            let gone = gone_ns.get(&heir).copied().unwrap_or(0);
            // An heir that has itself disappeared was added, with its inheritance, to its own heir.
            let vanished = matches!(heir, Heir::Member(id) if !now.contains_key(&id));
            if !vanished {
                lost += missing.saturating_sub(added);
            }
            added = added.saturating_sub(missing);
            if gone > added {
                self.missing_ns.insert(heir, gone - added);
            }
            if heir == Heir::Us {
                spare = added.saturating_sub(gone);
            }
        }
        // What was added to us beyond our own children belonged to others' children that came to us.
        let covered = lost.min(spare);
        self.kept_ns += lost - covered;
        spare -= covered;
        self.missing_ns.retain(|_, missing| {
            let covered = (*missing).min(spare);
            *missing -= covered;
            spare -= covered;
            *missing > 0
        });
    }

    /// The nearest process above a member that has disappeared that is still there.
    fn living_heir(&self, member: &Member, now: &HashMap<Id, Member>) -> Heir {
        let mut heir = member.heir;
        for _ in 0..=self.members.len() {
            match heir {
                Heir::Member(id) if !now.contains_key(&id) => {
                    heir = self.members.get(&id).map_or(Heir::Elsewhere, |above| above.heir);
                }
                _ => return heir,
            }
        }
        Heir::Elsewhere
    }
}

/// Adds a process and its descendants.
fn visit(
    processes: &impl Processes,
    helpers: &HashSet<Id>,
    pid: u32,
    found: &mut HashMap<Id, Process>,
) {
    let mut next = vec![pid];
    while let Some(pid) = next.pop() {
        let Some(process) = processes.process(pid) else { continue };
        let id = Id { pid, started: process.started };
        if helpers.contains(&id) || found.contains_key(&id) {
            continue;
        }
        found.insert(id, process);
        next.extend(processes.children(pid));
    }
}

fn with_heirs(us: u32, found: HashMap<Id, Process>) -> HashMap<Id, Member> {
    let by_pid: HashMap<u32, Id> = found.keys().map(|id| (id.pid, *id)).collect();
    let heir = |process: &Process| match by_pid.get(&process.parent) {
        _ if process.parent == us => Heir::Us,
        Some(parent) => Heir::Member(*parent),
        None => Heir::Elsewhere,
    };
    found
        .iter()
        .map(|(id, process)| (*id, Member { process: *process, heir: heir(process) }))
        .collect()
}

#[cfg(test)]
mod tests;
