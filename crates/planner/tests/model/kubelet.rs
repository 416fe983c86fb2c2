//! What nodes, the kubelet, the guard and etcd's start do to a pod.

use planner::Role;

use crate::etcd::{Etcd, is_alive};
use crate::history::{Breach, Event};
use crate::world::{Node, Source, Stage, World};

/// Further than a cluster of this model writes.
const LEAP: u8 = 10;

impl World {
    /// Brings the pod one step further, if it can be. One on a node that is gone is collected.
    pub(crate) fn progress(&mut self, number: u32) {
        let Some(pod) = self.pods.get_mut(&number) else { return };
        match pod.node {
            Node::Ready if !pod.terminating => {}
            Node::Ready | Node::Gone => {
                self.pods.remove(&number);
                return;
            }
            Node::Away { .. } => return,
        }
        match pod.stage {
            Stage::Pending => pod.stage = Stage::Gated,
            Stage::Gated | Stage::Crashing => self.start(number),
            Stage::Running => self.catch_up(number),
            Stage::Wedged | Stage::DataLost | Stage::Refused => {}
        }
    }

    /// The guard of a first member opens at once, that of a joiner when it is a member. etcd then
    /// compares the membership that it was given with the one there is, and exits when they differ
    /// (etcd 3.6.16 `api/membership/cluster.go`, `ValidateClusterAndAssignIDs`: `member count is
    /// unequal`).
    fn start(&mut self, number: u32) {
        let Some(pod) = self.pods.get(&number) else { return };
        let Role::Joiner(initial) = &pod.role else { return self.start_first(number) };
        let lists = |etcd: &&Etcd| {
            etcd.member(number).is_some() && etcd.numbers().iter().any(|&n| is_alive(&self.pods, n))
        };
        let Some(etcd) = self.etcd.values().find(lists) else { return };
        if etcd.numbers() == *initial {
            return self.set_stage(number, Stage::Running);
        }
        self.history.note(Event::LateStart);
        self.set_stage(number, Stage::Crashing);
    }

    /// A first member starts empty or from its backup.
    fn start_first(&mut self, number: u32) {
        let data = match self.pods.get(&number).map(|pod| &pod.role) {
            Some(Role::Restored(id)) => {
                let id = id.clone();
                match self.restored(&id) {
                    Some(revision) => revision,
                    None => return self.refuse(number, &id),
                }
            }
            _ => 0,
        };
        if self.status.served == Some(number) {
            self.history.breach(Breach::SeededAgain);
        }
        self.etcd.insert(number, Etcd::seeded(number, data));
        self.set_stage(number, Stage::Running);
    }

    /// How far the data goes that is restored from a backup; none if the backup is refused.
    fn restored(&self, id: &str) -> Option<u8> {
        match self.archive.backup(id) {
            Some(backup) => (!backup.is_damaged).then(|| self.raised(backup.revision)),
            None => (id == Source::ID && self.spec.source == Some(Source::Sound)).then_some(1),
        }
    }

    /// Every recovery goes on beyond all that was stored, so that its backups are the newest.
    fn raised(&self, revision: u8) -> u8 {
        let stored = self.archive.backups.iter().map(|backup| backup.revision).max();
        stored.unwrap_or(revision).saturating_add(LEAP)
    }

    fn refuse(&mut self, number: u32, id: &str) {
        self.history.note(Event::BackupRefused);
        let backup = id.trim_start_matches('b').parse::<u32>();
        self.history.refused |= backup.map_or(0, |number| 1 << number);
        self.set_stage(number, Stage::Refused);
    }

    /// It publishes its name and hears what it missed.
    fn catch_up(&mut self, number: u32) {
        let Self { etcd, pods, .. } = self;
        let home = etcd.values_mut().find(|etcd| etcd.member(number).is_some());
        if let Some(etcd) = home.filter(|etcd| etcd.has_quorum(pods)) {
            etcd.catch_up(number);
        }
    }

    /// A pod vanishes. What ran on a node that is away may still run there.
    pub(crate) fn lose(&mut self, number: u32) {
        self.budget.losses -= 1;
        let Some(pod) = self.pods.remove(&number) else { return };
        if pod.stage == Stage::Running && matches!(pod.node, Node::Away { .. }) {
            self.ghosts.insert(number, pod.node);
        }
    }

    /// The kubelet of a node that is back ends what has no pod any more, as whoever says that the
    /// node is gone does.
    pub(crate) fn set_node(&mut self, number: u32, node: Node) {
        if let Some(pod) = self.pods.get_mut(&number) {
            pod.node = node;
        } else if matches!(node, Node::Away { .. }) {
            self.ghosts.insert(number, node);
        } else {
            self.ghosts.remove(&number);
        }
    }

    /// The node was set up anew under its old name: the same pod starts on an empty directory. The
    /// guard refuses that if the pod is marked. A joiner without the mark starts under its old
    /// identity and panics; a first member without it starts a cluster as if it were the first
    /// time.
    pub(crate) fn wipe(&mut self, number: u32) {
        let Some(pod) = self.pods.get(&number) else { return };
        let stage = match pod.role {
            _ if pod.marked => Stage::DataLost,
            Role::Seed | Role::Restored(_) => Stage::Gated,
            Role::Joiner(_) => Stage::DataLost,
        };
        if stage == Stage::Gated {
            self.etcd.remove(&number);
        }
        self.set_stage(number, stage);
    }

    fn set_stage(&mut self, number: u32, stage: Stage) {
        if let Some(pod) = self.pods.get_mut(&number) {
            pod.stage = stage;
        }
    }
}
