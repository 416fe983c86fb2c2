//! An etcd cluster, as far as membership goes, with its own refusals; of its data only how far it
//! goes.
//!
//! Sources are named as file and function of etcd 3.6.16, `server/etcdserver/`.

use std::collections::{BTreeMap, BTreeSet};

use planner::quorum;

use crate::world::{Node, Pod, Stage};

/// One etcd cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Etcd {
    pub(crate) leader: Option<u32>,
    pub(crate) members: Vec<Member>,
    /// The next member ID: etcd makes it from the peer URL and the time, so a peer URL that is
    /// added again is another member (`api/membership/member.go`, `computeMemberID`).
    next_id: u64,
    /// The last revision that a client was told of.
    committed: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Member {
    pub(crate) id: u64,
    pub(crate) number: u32,
    pub(crate) started: bool,
    pub(crate) learner: bool,
    /// How far its data goes.
    pub(crate) revision: u8,
}

/// How etcd was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Rules {
    /// `--max-learners`.
    pub(crate) learner_limit: usize,
    /// `--strict-reconfig-check`. On by default; without it the operator alone keeps the quorum.
    pub(crate) strict: bool,
}

/// etcd does not do it.
#[derive(Debug)]
pub(crate) struct Refused;

/// The pods that members run in.
pub(crate) type Pods = BTreeMap<u32, Pod>;

/// Whether etcd runs in this pod and can be reached.
pub(crate) fn is_alive(pods: &Pods, number: u32) -> bool {
    pods.get(&number).is_some_and(|pod| pod.stage == Stage::Running && pod.node == Node::Ready)
}

impl Etcd {
    /// A first member that came up with data up to this revision.
    pub(crate) fn seeded(number: u32, revision: u8) -> Self {
        let first = Member { id: 0, number, started: true, learner: false, revision };
        Self { leader: Some(number), members: vec![first], next_id: 1, committed: revision }
    }

    pub(crate) fn numbers(&self) -> BTreeSet<u32> {
        self.members.iter().map(|member| member.number).collect()
    }

    pub(crate) fn member(&self, number: u32) -> Option<&Member> {
        self.members.iter().find(|member| member.number == number)
    }

    pub(crate) fn voters(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| !member.learner)
    }

    pub(crate) fn learners(&self) -> usize {
        self.members.iter().filter(|member| member.learner).count()
    }

    fn active(&self, pods: &Pods) -> usize {
        self.voters().filter(|voter| is_alive(pods, voter.number)).count()
    }

    pub(crate) fn has_quorum(&self, pods: &Pods) -> bool {
        self.active(pods) >= quorum(self.voters().count())
    }

    /// Whether any data of it is left.
    pub(crate) fn is_anywhere(&self, pods: &Pods) -> bool {
        let holds = |pod: &Pod| matches!(pod.stage, Stage::Running | Stage::Crashing);
        self.members.iter().any(|member| pods.get(&member.number).is_some_and(holds))
    }

    /// A leader stays while it lives and a majority does.
    pub(crate) fn elect(&mut self, pods: &Pods) {
        let mut alive: Vec<u32> = self.voters().map(|voter| voter.number).collect();
        alive.retain(|&number| is_alive(pods, number));
        let stays = self.leader.filter(|leader| alive.contains(leader));
        let elected = stays.or_else(|| alive.first().copied());
        self.leader = elected.filter(|_| self.has_quorum(pods));
    }

    /// Without a quorum the call hangs until the caller gives up.
    fn answers(&self, pods: &Pods) -> Result<(), Refused> {
        self.has_quorum(pods).then_some(()).ok_or(Refused)
    }

    /// Adds a learner.
    ///
    /// Refused while any voter is not connected (`unhealthy cluster`: server.go `mayAddMember`;
    /// all of them up to 3.6.8 and before 3.5.35, a quorum since), when its peer URL is there
    /// (`Peer URLs already exists`) or there are as many learners as admitted (`too many learner
    /// members in cluster`; both: api/membership/cluster.go `ValidateConfigurationChange`).
    pub(crate) fn add_learner(
        &mut self,
        number: u32,
        rules: Rules,
        pods: &Pods,
    ) -> Result<(), Refused> {
        self.answers(pods)?;
        let all_connected = self.active(pods) == self.voters().count();
        let is_there = self.member(number).is_some();
        if rules.strict && !all_connected || is_there || self.learners() >= rules.learner_limit {
            return Err(Refused);
        }
        let id = self.next_id;
        self.members.push(Member { id, number, started: false, learner: true, revision: 0 });
        self.next_id += 1;
        Ok(())
    }

    /// Gives a learner its vote.
    ///
    /// Refused for one that is not there or no learner (`ValidateConfigurationChange`), that is
    /// not in sync (server.go `isLearnerReady`), or while too few voters have started
    /// (`IsReadyToPromoteMember`). Whether it is alive is not asked: one that was in sync when it
    /// died gets its vote.
    pub(crate) fn promote(&mut self, id: u64, rules: Rules, pods: &Pods) -> Result<(), Refused> {
        self.answers(pods)?;
        let started = self.voters().filter(|voter| voter.started).count() + 1;
        let voters = self.voters().count() + 1;
        let learner = self.members.iter_mut().find(|member| member.id == id && member.learner);
        let learner = learner.filter(|learner| learner.started).ok_or(Refused)?;
        if rules.strict && started < quorum(voters) {
            return Err(Refused);
        }
        learner.learner = false;
        Ok(())
    }

    /// Removes a member.
    ///
    /// A learner always goes. A voter does not while too few of the others have started
    /// (`IsReadyToRemoveVotingMember`) or, if it is connected itself, while too few are connected
    /// (server.go `mayRemoveMember`, the same arithmetic).
    pub(crate) fn remove(&mut self, id: u64, rules: Rules, pods: &Pods) -> Result<(), Refused> {
        self.answers(pods)?;
        let leaving = self.members.iter().find(|member| member.id == id).ok_or(Refused)?;
        if rules.strict && !leaving.learner && !self.may_lose(leaving, pods) {
            return Err(Refused);
        }
        self.members.retain(|member| member.id != id);
        Ok(())
    }

    fn may_lose(&self, leaving: &Member, pods: &Pods) -> bool {
        let others = self.voters().filter(|voter| voter.id != leaving.id).count();
        let started = self.voters().filter(|v| v.id != leaving.id && v.started).count();
        let connected = is_alive(pods, leaving.number);
        let left = self.active(pods).saturating_sub(1);
        started >= quorum(others) && (!connected || left >= quorum(others))
    }

    /// Hands leadership over (server.go `MoveLeader`: to a voter that is there; to one that does
    /// not answer it times out).
    pub(crate) fn move_leader(&mut self, to: u64, pods: &Pods) -> Result<(), Refused> {
        self.answers(pods)?;
        let heir = self.voters().find(|voter| voter.id == to).ok_or(Refused)?.number;
        if !is_alive(pods, heir) {
            return Err(Refused);
        }
        self.leader = Some(heir);
        Ok(())
    }

    /// A client writes, and every voter but one that can be reached hears of it.
    pub(crate) fn write(&mut self, laggard: Option<u32>, pods: &Pods) {
        self.committed += 1;
        for member in self.members.iter_mut().filter(|member| !member.learner) {
            if Some(member.number) != laggard && is_alive(pods, member.number) {
                member.revision = self.committed;
            }
        }
    }

    /// Everybody holds data up to this revision.
    pub(crate) fn reach(&mut self, revision: u8) {
        self.committed = revision;
        self.members.iter_mut().for_each(|member| member.revision = revision);
    }

    /// What the members agree on comes after all that they agreed on before.
    pub(crate) fn agree(&mut self, pods: &Pods) {
        for member in self.members.iter_mut().filter(|member| !member.learner) {
            if is_alive(pods, member.number) {
                member.revision = self.committed;
            }
        }
    }

    /// A member that runs publishes its name, through the log, and applies the log to its end.
    pub(crate) fn catch_up(&mut self, number: u32) {
        let member = self.members.iter_mut().find(|member| member.number == number);
        if let Some(member) = member {
            member.started = true;
            member.revision = self.committed;
        }
    }
}
