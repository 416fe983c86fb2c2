//! What can happen next.

use crate::archive::Work;
use crate::etcd::is_alive;
use crate::world::{Node, Pod, Stage, World};

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// An operator reads Kubernetes.
    Look(usize),
    /// It reads the membership from the etcd cluster of this first member and decides; one may not
    /// answer in time.
    Decide {
        operator: usize,
        from: Option<u32>,
        missed: Option<Missed>,
    },
    /// It makes one call.
    Act(usize),
    /// It dies and is started again.
    Crash(usize),
    /// The kubelet brings a pod one step further.
    Progress(u32),
    Wedge(u32),
    Lose(u32),
    Wipe(u32),
    Silence(u32),
    /// Its node has been silent for longer than members are waited for.
    Overdue(u32),
    Return(u32),
    /// Its node is said to be gone by a person.
    Remove(u32),
    Resize,
    /// A client writes, and one voter does not hear of it.
    Write {
        laggard: Option<u32>,
    },
    /// A backup of this member is taken by schedule.
    BackUp {
        source: u32,
        is_damaged: bool,
    },
    /// The sidecar goes on with an order.
    Work(usize, Work),
    /// A backup vanishes from the archive.
    Prune(usize),
    /// The sidecar is started again.
    Restart,
    /// A person approves what the status names.
    Approve,
}

/// Who does not answer the operator in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missed {
    Member(u32),
    Sidecar,
}

impl World {
    pub(crate) fn actions(&self, actions: &mut Vec<Action>) {
        for index in 0..self.operators.len() {
            self.operator_actions(index, actions);
        }
        for (&number, pod) in &self.pods {
            self.pod_actions(number, pod, actions);
        }
        for (&number, node) in &self.ghosts {
            self.node_actions(number, *node, actions);
        }
        self.sidecar_actions(actions);
        if !self.budget.resizes.is_empty() {
            actions.push(Action::Resize);
        }
        if self.budget.writes > 0 {
            actions.extend(self.laggards().into_iter().map(|laggard| Action::Write { laggard }));
        }
        if self.budget.approvals > 0 && self.approval() != self.approved {
            actions.push(Action::Approve);
        }
    }

    fn pod_actions(&self, number: u32, pod: &Pod, actions: &mut Vec<Action>) {
        actions.push(Action::Progress(number));
        let is_first = pod.role == planner::Role::Seed && !pod.marked;
        if is_first && pod.stage == Stage::Gated && self.budget.wedges > 0 {
            actions.push(Action::Wedge(number));
        }
        if self.budget.losses > 0 {
            actions.push(Action::Lose(number));
        }
        if self.budget.wipes > 0 && pod.stage == Stage::Running {
            actions.push(Action::Wipe(number));
        }
        self.node_actions(number, pod.node, actions);
    }

    fn node_actions(&self, number: u32, node: Node, actions: &mut Vec<Action>) {
        match node {
            Node::Ready if self.budget.silences > 0 => actions.push(Action::Silence(number)),
            Node::Ready | Node::Gone => {}
            Node::Away { long } => {
                actions.push(Action::Return(number));
                if self.spec.has_backups && self.budget.losses > 0 {
                    actions.push(Action::Remove(number));
                }
                if !long {
                    actions.push(Action::Overdue(number));
                }
            }
        }
    }

    fn sidecar_actions(&self, actions: &mut Vec<Action>) {
        for (index, order) in self.archive.orders.iter().enumerate() {
            actions.extend(self.works(order).into_iter().map(|work| Action::Work(index, work)));
        }
        if self.budget.restarts > 0 && !self.archive.orders.is_empty() {
            actions.push(Action::Restart);
        }
        if self.budget.prunes > 0 {
            actions.extend((0..self.archive.backups.len()).map(Action::Prune));
        }
        if self.budget.backups > 0 {
            for source in self.sources() {
                actions.push(Action::BackUp { source, is_damaged: false });
                if self.budget.damages > 0 {
                    actions.push(Action::BackUp { source, is_damaged: true });
                }
            }
        }
    }

    /// Who need not hear of a write for it to be acknowledged; empty when nobody can write.
    fn laggards(&self) -> Vec<Option<u32>> {
        let Some(home) = self.home().filter(|home| self.is_reachable(home)) else {
            return Vec::new();
        };
        let alive = home.voters().map(|voter| voter.number);
        let alive: Vec<u32> = alive.filter(|&number| is_alive(&self.pods, number)).collect();
        let one_can_lag = alive.len() > planner::quorum(home.voters().count());
        let followers = alive.into_iter().filter(|&n| one_can_lag && Some(n) != home.leader);
        followers.map(Some).chain([None]).collect()
    }

    /// Lets it happen.
    pub(crate) fn take(&mut self, action: &Action) {
        match *action {
            Action::Look(index) => self.look(index),
            Action::Decide { operator, from, missed } => self.decide(operator, from, missed),
            Action::Act(index) => self.act(index),
            Action::Crash(index) => self.crash(index),
            Action::Progress(number) => self.progress(number),
            Action::Wedge(number) => {
                self.budget.wedges -= 1;
                self.pod(number).stage = Stage::Wedged;
            }
            Action::Lose(number) => self.lose(number),
            Action::Wipe(number) => {
                self.budget.wipes -= 1;
                self.wipe(number);
            }
            Action::Silence(number) => {
                self.budget.silences -= 1;
                self.set_node(number, Node::Away { long: false });
            }
            Action::Overdue(number) => self.set_node(number, Node::Away { long: true }),
            Action::Return(number) => self.set_node(number, Node::Ready),
            Action::Remove(number) => {
                self.budget.losses -= 1;
                self.set_node(number, Node::Gone);
            }
            Action::Resize => self.spec.size = self.budget.resizes.remove(0),
            Action::Write { laggard } => self.write(laggard),
            Action::BackUp { source, is_damaged } => self.back_up(source, is_damaged),
            Action::Work(index, work) => self.work(index, work),
            Action::Prune(index) => {
                self.budget.prunes -= 1;
                self.archive.backups.remove(index);
            }
            Action::Restart => {
                self.budget.restarts -= 1;
                self.archive.restart();
            }
            Action::Approve => {
                self.budget.approvals -= 1;
                self.approved = self.approval();
            }
        }
        self.settle();
    }

    fn pod(&mut self, number: u32) -> &mut Pod {
        self.pods.get_mut(&number).expect("an action on a pod that is there")
    }

    fn write(&mut self, laggard: Option<u32>) {
        self.budget.writes -= 1;
        let Some(seed) = self.home_seed() else { return };
        if let Some(home) = self.etcd.get_mut(&seed) {
            home.write(laggard, &self.pods);
        }
    }
}
