//! The evidence: which voters are gone with their data, and who is left that may hold any.
//!
//! Silence proves nothing. A voter is gone when its pod is gone and its node cannot be running it,
//! when its node is gone, or when its guard found the data missing. Whoever else may hold data is a
//! survivor, members without a vote and pods that the record does not know included: the record
//! may be a few steps behind.

use std::cmp::Reverse;

use crate::{Desired, NodeState, Observed, Pod, PodState, quorum};

/// What is left of a cluster whose quorum does not answer.
pub(crate) struct Loss {
    /// How many voters there were at the last linearizable read.
    pub(crate) voters: usize,
    /// Those that are gone with their data.
    pub(crate) gone: Vec<u32>,
    /// Those that are not known to be.
    pub(crate) left: Vec<u32>,
    /// Some of those that are gone vanished from nodes that cannot be read.
    pub(crate) is_presumed: bool,
    /// Everybody that may hold data.
    pub(crate) survivors: Vec<Survivor>,
}

/// Somebody that may hold data.
#[derive(Clone, Copy)]
pub(crate) struct Survivor {
    pub(crate) number: u32,
    /// How far its data goes; none if it does not tell.
    pub(crate) revision: Option<i64>,
    /// It had a vote.
    is_voter: bool,
}

/// What became of a member's data.
#[derive(PartialEq, Eq)]
enum Fate {
    Left,
    Gone,
    /// Its pod is gone, and its node cannot be read.
    Presumed,
}

impl Loss {
    /// Looks at the members in the record and at all pods below `first`.
    pub(crate) fn of(observed: &Observed, first: u32) -> Self {
        let mut loss = Self {
            voters: 0,
            gone: Vec::new(),
            left: Vec::new(),
            is_presumed: false,
            survivors: Vec::new(),
        };
        for (&number, seen) in &observed.record.members {
            let pod = observed.pods.get(&number);
            let fate = fate(pod, &seen.node);
            if seen.voter {
                loss.voters += 1;
                loss.is_presumed |= fate == Fate::Presumed;
                let list = if fate == Fate::Left { &mut loss.left } else { &mut loss.gone };
                list.push(number);
            }
            // Who has a vote was marked before; a learner that is not has not started.
            let has_run = seen.voter || pod.is_none_or(may_hold_data);
            if fate == Fate::Left && has_run {
                loss.survives(observed, number, seen.voter);
            }
        }
        let unknown = |number: &u32| !observed.record.members.contains_key(number);
        for (&number, pod) in observed.pods.range(..first).filter(|(number, _)| unknown(number)) {
            if may_hold_data(pod) {
                loss.survives(observed, number, false);
            }
        }
        loss
    }

    fn survives(&mut self, observed: &Observed, number: u32, is_voter: bool) {
        let revision = observed.stranded.get(&number).copied();
        self.survivors.push(Survivor { number, revision, is_voter });
    }

    /// Whether the quorum cannot come back: a majority of the voters is gone.
    pub(crate) fn is_lost(&self) -> bool {
        self.voters > 0 && self.left.len() < quorum(self.voters)
    }

    /// The survivor with the most data: at the same revision one that had a vote, then the lowest
    /// number. Only once everybody has told is it known who that is.
    pub(crate) fn fullest(&self) -> Option<&Survivor> {
        self.survivors.iter().max_by_key(|s| (s.revision, s.is_voter, Reverse(s.number)))
    }

    /// Survivors that do not tell how far their data goes.
    pub(crate) fn silent(&self) -> impl Iterator<Item = u32> {
        self.survivors.iter().filter(|s| s.revision.is_none()).map(|s| s.number)
    }

    /// What a person approves: the loss of just these members. Numbers are never used twice, so no
    /// later loss bears the same name.
    pub(crate) fn identity(&self, desired: &Desired) -> String {
        let names: Vec<String> = self.gone.iter().map(|n| desired.cluster.member(*n)).collect();
        names.join(",")
    }

    /// What happened, in words.
    pub(crate) fn told(&self, desired: &Desired) -> String {
        format!(
            "quorum is lost: {} of {} voters are gone with their data ({})",
            self.gone.len(),
            self.voters,
            self.identity(desired).replace(',', ", ")
        )
    }
}

/// Which value of the annotation [`crate::APPROVAL`] approves a recovery from what was seen; none
/// while there is nothing to recover from.
pub fn approval(desired: &Desired, observed: &Observed) -> Option<String> {
    let loss = Loss::of(observed, u32::MAX);
    (observed.believed().is_err() && loss.is_lost()).then(|| loss.identity(desired))
}

/// Whether the quorum cannot come back and nobody is left that may hold any data.
pub fn is_all_lost(observed: &Observed) -> bool {
    let loss = Loss::of(observed, u32::MAX);
    observed.believed().is_err() && loss.is_lost() && loss.survivors.is_empty()
}

/// A data volume that outlives its pod will be one more kind of evidence: as long as it is there,
/// nothing is gone.
fn fate(pod: Option<&Pod>, last_node: &NodeState) -> Fate {
    match (pod, last_node) {
        (Some(pod), _) if may_hold_data_as_member(pod) => Fate::Left,
        (Some(_), _) | (None, NodeState::Ready | NodeState::Gone) => Fate::Gone,
        // What vanished from a node that is away may still be running there.
        (None, NodeState::Away(_)) => Fate::Left,
        (None, NodeState::Unknown) => Fate::Presumed,
    }
}

fn may_hold_data_as_member(pod: &Pod) -> bool {
    let is_lost = matches!(pod.state, PodState::DataLost | PodState::RestoreRefused(_));
    !is_lost && pod.node != NodeState::Gone
}

/// Whether etcd has run in this pod, so that it may be the last copy.
fn may_hold_data(pod: &Pod) -> bool {
    let never_ran =
        matches!(pod.state, PodState::Pending(_) | PodState::Outdated | PodState::Gated)
            && !pod.marked;
    may_hold_data_as_member(pod) && !never_ran
}
