//! What the kubelet, the guard and etcd's start do to a pod.

use planner::Role;

use crate::etcd::{Etcd, is_alive};
use crate::world::{Breach, Event, Node, Stage, World};

impl World {
    /// Brings the pod one step further, if it can be.
    pub(crate) fn progress(&mut self, number: u32) {
        let Some(pod) = self.pods.get_mut(&number).filter(|pod| pod.node == Node::Ready) else {
            return;
        };
        if pod.terminating {
            self.pods.remove(&number);
            return;
        }
        match pod.stage {
            Stage::Pending => pod.stage = Stage::Gated,
            Stage::Gated | Stage::Crashing => self.start(number),
            Stage::Running => self.publish(number),
            Stage::Wedged | Stage::DataLost => {}
        }
    }

    /// The guard of a first member opens at once, that of a joiner when it is a member. etcd then
    /// compares the membership that it was given with the one there is, and exits when they differ
    /// (etcd 3.6.16 `api/membership/cluster.go`, `ValidateClusterAndAssignIDs`: `member count is
    /// unequal`).
    fn start(&mut self, number: u32) {
        let Some(pod) = self.pods.get(&number) else { return };
        let Role::Joiner(initial) = &pod.role else {
            if self.status.served == Some(number) {
                self.history.breach(Breach::SeededAgain);
            }
            self.etcd.insert(number, Etcd::seeded(number));
            return self.set_stage(number, Stage::Running);
        };
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

    fn publish(&mut self, number: u32) {
        let Self { etcd, pods, .. } = self;
        let home = etcd.values_mut().find(|etcd| etcd.member(number).is_some());
        if let Some(etcd) = home.filter(|etcd| etcd.has_quorum(pods)) {
            etcd.publish(number);
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
