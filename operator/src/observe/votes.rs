//! Votes that the status does not know of.
//!
//! A learner gets its vote and the status says so right after; in between the operator may die. If the
//! quorum is lost just then, too few voters are counted, and a cluster that grew from one to two waits for
//! ever. Those who are left know better: each has the members as it applied them last.
//!
//! What one member applied is no decision of the majority now, so of all that it says only this counts:
//! somebody whom the status names as a learner has a vote. That was agreed on, and it is never taken back
//! under the same number. Every voter that is left and tells how far its data goes must say so: whoever applied
//! that this one was removed again could lead the others.

use std::collections::BTreeSet;

use etcd::{ClusterId, MemberClient, MemberList};
use futures::future::try_join_all;
use planner::Record;
use planner::name::ClusterName;

use super::EtcdView;
use super::members::Answer;

/// Enters the votes that everybody knows of who is left of the etcd cluster `known`. Only without a
/// quorum, and within the time of one read.
pub async fn enter(
    record: &mut Record,
    etcd: &EtcdView,
    known: Option<ClusterId>,
    name: &ClusterName,
) {
    if etcd.list.is_some() || known.is_none() || record.members.values().all(|seen| seen.voter) {
        return;
    }
    let left = etcd.stranded(known);
    let answers = left.keys().filter_map(|number| etcd.answers.get(number));
    // A learner refuses to say who the members are.
    let votes_itself = |one: &&Answer| one.status.as_ref().is_ok_and(|status| !status.is_learner);
    let clients: Vec<&MemberClient> =
        answers.filter(votes_itself).filter_map(|one| one.client.as_ref()).collect();
    let asked = clients.iter().map(|client| client.member_list_serializable());
    if let Ok(lists) = try_join_all(asked).await {
        give(record, &votes(&lists, known, name));
    }
}

fn give(record: &mut Record, votes: &BTreeSet<u32>) {
    for (number, seen) in &mut record.members {
        seen.voter |= votes.contains(number);
    }
}

/// Who has a vote in each of these lists.
fn votes(lists: &[MemberList], known: Option<ClusterId>, name: &ClusterName) -> BTreeSet<u32> {
    let number = |member: &etcd::Member| {
        let ours = member.peer_urls.iter().find_map(|url| name.number_of_peer_url(url));
        ours.filter(|_| !member.is_learner)
    };
    let voters = |list: &MemberList| -> BTreeSet<u32> {
        let is_ours = Some(list.cluster_id) == known;
        list.members.iter().filter(|_| is_ours).filter_map(number).collect()
    };
    let all = lists.iter().map(voters);
    all.reduce(|some, others| &some & &others).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use etcd::{Member, MemberId};
    use planner::{LastSeen, NodeState};

    use super::*;

    const OURS: Option<ClusterId> = Some(ClusterId(0xC));

    fn name() -> ClusterName {
        ClusterName { namespace: "shop".into(), name: "orders".into() }
    }

    /// What a member knows: numbers with a vote, and learners.
    fn knows(voters: &[u32], learners: &[u32]) -> MemberList {
        let member = |number: u32, is_learner| Member {
            id: MemberId(u64::from(number) + 1),
            name: String::new(),
            peer_urls: vec![name().peer_url(number)],
            client_urls: Vec::new(),
            is_learner,
        };
        let voters = voters.iter().map(|number| member(*number, false));
        let members = voters.chain(learners.iter().map(|number| member(*number, true))).collect();
        MemberList { cluster_id: ClusterId(0xC), answered_by: MemberId(1), members }
    }

    #[test]
    fn a_vote_counts_only_if_all_who_are_left_know_of_it() {
        let of = |lists: &[MemberList]| votes(lists, OURS, &name()).into_iter().collect::<Vec<_>>();
        assert_eq!(of(&[knows(&[3, 4], &[])]), [3, 4]);
        assert_eq!(of(&[knows(&[3, 4], &[]), knows(&[3], &[4])]), [3]);
        assert_eq!(of(&[knows(&[3, 4], &[]), knows(&[3], &[])]), [3]);
        assert_eq!(of(&[]), [0_u32; 0]);
        let stranger = MemberList { cluster_id: ClusterId(0xD), ..knows(&[3, 4], &[]) };
        assert_eq!(of(&[stranger]), [0_u32; 0]);
    }

    #[test]
    fn a_vote_is_given_to_a_learner_of_the_status_and_taken_from_nobody() {
        let seen = |voter| LastSeen { voter, node: NodeState::Ready };
        let members = [(3, seen(true)), (4, seen(false)), (5, seen(true))].into();
        let mut record = Record { members, ..Record::default() };
        give(&mut record, &[3, 4, 9].into());
        let voters: Vec<u32> = record.members.keys().copied().collect();
        assert_eq!(voters, [3, 4, 5]);
        assert!(record.members.values().all(|seen| seen.voter));
    }
}
