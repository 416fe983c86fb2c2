//! What must not be forgotten to judge the operator.

/// Facts for the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct History {
    /// The numbers that pods were made with, as bits.
    made: u64,
    /// The rules that the operator broke by an action, as [`Breach`] bits.
    pub(crate) breaches: u16,
    /// What was seen to happen, as [`Event`] bits: a model in which it never does proves nothing.
    pub(crate) events: u16,
    /// The backups that were found to be damaged when they were to be restored, as bits.
    pub(crate) refused: u64,
    /// The etcd cluster of the survivors that the operator deleted, and how far their data went.
    pub(crate) owed: Option<(u32, u8)>,
}

/// A rule that is broken by doing something rather than by a state.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Breach {
    NumberTwice = 1,
    SeededAgain = 2,
    QuorumBroken = 4,
    DataDeleted = 8,
    /// A survivor is deleted of which the archive does not hold everything.
    SurvivorDeleted = 16,
    /// A first member is made from a backup while the data that was lost may still be somewhere.
    MadeBeside = 32,
    /// What is restored holds less than what is known to be stored.
    OlderRestored = 64,
    /// A recovery begins that a person should have approved.
    Unapproved = 128,
}

/// Something that must happen somewhere in the model.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    Refused = 1,
    Conflict = 2,
    LateStart = 4,
    Replaced = 8,
    /// A survivor was saved, and then it was deleted.
    SurvivorGone = 16,
    /// A first member from a backup is the cluster by now.
    Restored = 32,
    BackupRefused = 64,
    /// A recovery was begun anew, since what it counted on was lost.
    BegunAnew = 128,
    Unrecoverable = 256,
    Approved = 512,
}

impl History {
    /// A pod is made with this number; whether it is the first. Numbers that no run reaches that
    /// comes to an end count as one.
    pub(crate) fn make(&mut self, number: u32) -> bool {
        let bit = 1_u64.checked_shl(number).unwrap_or_default();
        let is_new = self.made & bit == 0;
        self.made |= bit;
        is_new
    }

    pub(crate) fn breach(&mut self, breach: Breach) {
        self.breaches |= breach as u16;
    }

    pub(crate) fn has(&self, breach: Breach) -> bool {
        self.breaches & breach as u16 != 0
    }

    pub(crate) fn note(&mut self, event: Event) {
        self.events |= event as u16;
    }

    pub(crate) fn saw(&self, event: Event) -> bool {
        self.events & event as u16 != 0
    }
}
