//! The backup sidecar and the archive that it keeps.

use planner::BackupRef;

use crate::etcd::{Etcd, is_alive};
use crate::sight::now;
use crate::world::World;

/// The backups of this cluster and what became of orders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Archive {
    pub(crate) backups: Vec<Backup>,
    pub(crate) orders: Vec<Order>,
    /// The number of the next backup.
    next: u8,
}

/// A backup that is stored. A higher number was finished later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Backup {
    pub(crate) number: u8,
    /// The etcd cluster that it was taken from.
    pub(crate) cluster: u32,
    pub(crate) revision: u8,
    /// Whoever restores it finds that out.
    pub(crate) is_damaged: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) survivor: u32,
    pub(crate) state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum State {
    Pending,
    /// The data of this etcd cluster up to this revision is on its way.
    Uploading {
        cluster: u32,
        revision: u8,
    },
    Stored(Backup),
    Failed,
}

/// What the sidecar does next with an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// It reads the survivor; without one it gives up.
    Read,
    /// It commits what it read. Damage is not noticed.
    Store {
        is_damaged: bool,
    },
    GiveUp,
}

impl Backup {
    pub(crate) fn id(self) -> String {
        format!("b{}", self.number)
    }

    pub(crate) fn reference(self) -> BackupRef {
        BackupRef {
            id: self.id(),
            manifest_digest: "d".into(),
            location: "s".into(),
            revision: self.revision.into(),
            cluster_id: Some(self.cluster.into()),
            finished: now() + jiff::SignedDuration::from_secs(i64::from(self.number) - 100),
        }
    }
}

impl Archive {
    /// Knows this order from now on.
    pub(crate) fn order(&mut self, id: String, survivor: u32) {
        if self.orders.iter().all(|order| order.id != id) {
            self.orders.push(Order { id, survivor, state: State::Pending });
        }
    }

    pub(crate) fn state(&self, id: &str) -> Option<State> {
        self.orders.iter().find(|order| order.id == id).map(|order| order.state)
    }

    pub(crate) fn backup(&self, id: &str) -> Option<&Backup> {
        self.backups.iter().find(|backup| backup.id() == id)
    }

    pub(crate) fn store(&mut self, cluster: u32, revision: u8, is_damaged: bool) -> Backup {
        let backup = Backup { number: self.next, cluster, revision, is_damaged };
        self.next += 1;
        self.backups.push(backup);
        backup
    }

    /// How far the data of this etcd cluster is stored.
    pub(crate) fn stored(&self, cluster: u32) -> Option<u8> {
        let of_it = self.backups.iter().filter(|backup| backup.cluster == cluster);
        of_it.map(|backup| backup.revision).max()
    }

    /// The process is started again: only what is stored is found.
    pub(crate) fn restart(&mut self) {
        self.orders.retain(|order| matches!(order.state, State::Stored(_)));
    }
}

impl World {
    /// What an order can come to.
    pub(crate) fn works(&self, order: &Order) -> Vec<Work> {
        let mut works = match order.state {
            State::Pending => vec![Work::Read],
            State::Uploading { .. } => vec![Work::Store { is_damaged: false }],
            State::Stored(_) | State::Failed => return Vec::new(),
        };
        if self.budget.failures > 0 {
            works.push(Work::GiveUp);
        }
        if self.budget.damages > 0 && works.contains(&Work::Store { is_damaged: false }) {
            works.push(Work::Store { is_damaged: true });
        }
        works
    }

    pub(crate) fn work(&mut self, index: usize, work: Work) {
        let Some(Order { survivor, state, .. }) = self.archive.orders.get(index).cloned() else {
            return;
        };
        let after = match (work, state) {
            (Work::Read, State::Pending) => self.read(survivor),
            (Work::Store { is_damaged }, State::Uploading { cluster, revision }) => {
                self.budget.damages -= u8::from(is_damaged);
                State::Stored(self.archive.store(cluster, revision, is_damaged))
            }
            (Work::GiveUp, _) => {
                self.budget.failures -= 1;
                State::Failed
            }
            _ => return,
        };
        self.archive.orders[index].state = after;
    }

    /// A survivor that is there and does not answer is tried again.
    fn read(&self, survivor: u32) -> State {
        if !is_alive(&self.pods, survivor) {
            let is_there = self.pods.contains_key(&survivor) || self.ghosts.contains_key(&survivor);
            return if is_there { State::Pending } else { State::Failed };
        }
        let mut data =
            self.etcd.iter().filter_map(|(&seed, etcd)| Some((seed, etcd.member(survivor)?)));
        data.next().map_or(State::Failed, |(cluster, member)| State::Uploading {
            cluster,
            revision: member.revision,
        })
    }

    /// The members that a scheduled backup can be taken from.
    pub(crate) fn sources(&self) -> Vec<u32> {
        let home = self.home().filter(|etcd| etcd.has_quorum(&self.pods));
        let voters = home.into_iter().flat_map(Etcd::voters).map(|voter| voter.number);
        voters.filter(|&number| is_alive(&self.pods, number)).collect()
    }

    pub(crate) fn back_up(&mut self, source: u32, is_damaged: bool) {
        let taken = self
            .etcd
            .iter()
            .find_map(|(&seed, etcd)| etcd.member(source).map(|member| (seed, member.revision)));
        let Some((cluster, revision)) = taken else { return };
        self.budget.backups -= 1;
        self.budget.damages -= u8::from(is_damaged);
        self.archive.store(cluster, revision, is_damaged);
    }
}
