//! Steps on etcd's membership.
//!
//! They go to the member that gave the linearizable list the decision rests on. A timeout is an
//! error: whether the change was made is found out by the next look.

use etcd::{MemberClient, MemberId};

use super::{Actor, Outcome};
use crate::error::Error;

impl Actor<'_> {
    pub(super) async fn add_learner(&self, number: u32) -> Result<Outcome, Error> {
        let what = "adding a learner";
        let peer_url = self.cluster.name.peer_url(number);
        let added = self.reader(what)?.add_learner(&peer_url).await.map(|_| ());
        outcome(what, added, |error| matches!(error, etcd::Error::PeerUrlExists))
    }

    pub(super) async fn promote(&self, id: u64) -> Result<Outcome, Error> {
        let what = "promoting a learner";
        let promoted = self.reader(what)?.promote(MemberId(id)).await;
        outcome(what, promoted, |error| matches!(error, etcd::Error::NotLearner))
    }

    pub(super) async fn remove_member(&self, id: u64) -> Result<Outcome, Error> {
        let what = "removing a member";
        let removed = self.reader(what)?.remove(MemberId(id)).await;
        outcome(what, removed, |error| matches!(error, etcd::Error::MemberNotFound))
    }

    /// Only the leader hands over leadership.
    pub(super) async fn move_leader(&self, to: u64) -> Result<Outcome, Error> {
        let what = "moving leadership";
        let leads = |status: &etcd::MemberStatus| status.leader == Some(status.member_id);
        let answers = self.sight.etcd.answers.values();
        let leader = answers
            .filter(|answer| answer.status.as_ref().is_ok_and(leads))
            .find_map(|answer| answer.client.as_ref());
        let Some(leader) = leader else {
            return Ok(Outcome::NotYet("the leader does not answer".into()));
        };
        outcome(what, leader.move_leader(MemberId(to)).await, |_| false)
    }

    fn reader(&self, what: &'static str) -> Result<&MemberClient, Error> {
        let list = self.sight.etcd.list.as_ref();
        // A membership step is planned only from a list; without one there is nothing to ask.
        list.map(|(_, client)| client).ok_or(Error::Etcd { what, source: etcd::Error::NoLeader })
    }
}

fn outcome(
    what: &'static str,
    answer: Result<(), etcd::Error>,
    is_done: impl Fn(&etcd::Error) -> bool,
) -> Result<Outcome, Error> {
    match answer {
        Ok(()) => Ok(Outcome::Done),
        Err(error) if is_done(&error) => Ok(Outcome::Done),
        Err(error) if error.is_wait() => Ok(Outcome::NotYet(error.to_string())),
        Err(source) => Err(Error::Etcd { what, source }),
    }
}
