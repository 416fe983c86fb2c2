//! The choice itself: pure, so that every case can be listed.

use etcd::{MemberId, MemberStatus};

use super::{Seen, SourceError};

/// A follower that is further behind than this many entries is not current. One that is less far behind
/// catches up in no time, which is waited for before the snapshot is begun.
const CURRENT: u64 = 1000;

/// What a backup is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// From a cluster that works.
    Working,
    /// The cluster may have lost its quorum: the member with the most counts.
    Survivor,
    /// Of the member that was named, for a recovery: also of a learner, if that is what is left.
    LastCopy,
}

/// The member to take a snapshot from.
pub(crate) fn choose(seen: &[Seen], wish: Wish) -> Result<&Seen, SourceError> {
    let statuses: Vec<_> = seen.iter().map(|one| &one.status).collect();
    let chosen = choose_by_status(&statuses, wish).and_then(|index| seen.get(index));
    chosen.ok_or_else(|| refusal(seen, wish))
}

/// The chosen one, and behind it the leader if that is another.
pub(crate) fn by_preference<'a>(chosen: &'a Seen, seen: &'a [Seen]) -> Vec<&'a Seen> {
    let leads = |one: &&Seen| one.status.leader == Some(one.status.member_id);
    let leader = seen.iter().find(leads);
    let other = leader.filter(|leader| leader.status.member_id != chosen.status.member_id);
    [Some(chosen), other].into_iter().flatten().collect()
}

/// The first of which the answer is yes.
pub(crate) async fn first<'a, T, F: Future<Output = bool>>(
    in_order: &[&'a T],
    is_fit: impl Fn(&'a T) -> F,
) -> Option<&'a T> {
    for one in in_order {
        if is_fit(one).await {
            return Some(one);
        }
    }
    None
}

fn choose_by_status(all: &[&MemberStatus], wish: Wish) -> Option<usize> {
    let fit = || all.iter().enumerate().filter(|(_, one)| flaw(one, all, wish).is_none());
    let leads = |one: &MemberStatus| one.leader == Some(one.member_id);
    let most = |members: &mut dyn Iterator<Item = (usize, &&MemberStatus)>| {
        members.max_by_key(|(_, one)| one.raft_applied_index).map(|(index, _)| index)
    };
    let newest = all.iter().map(|one| one.raft_applied_index).max().unwrap_or_default();
    let is_current = |one: &MemberStatus| one.raft_applied_index.saturating_add(CURRENT) >= newest;
    if wish != Wish::Working && !has_leader(all) {
        return most(&mut fit());
    }
    let follower = most(&mut fit().filter(|(_, one)| !leads(one) && is_current(one)));
    follower.or_else(|| most(&mut fit()))
}

/// Why a member must not be backed up, in words.
fn flaw(one: &MemberStatus, all: &[&MemberStatus], wish: Wish) -> Option<&'static str> {
    let is_alone = one.leader.is_none();
    // A learner cannot tell how far it is behind.
    if one.is_learner && wish != Wish::LastCopy {
        Some("is a learner")
    } else if all.iter().any(|other| has_corrupt_alarm(other, one.member_id)) {
        Some("has a CORRUPT alarm")
    } else if is_alone && (wish == Wish::Working || has_leader(all)) {
        // With a leader elsewhere it is cut off, and what it has may never have been agreed on.
        Some("sees no leader")
    } else {
        None
    }
}

/// Whether a leader is there. What others say of it may be old: they notice its death late.
fn has_leader(all: &[&MemberStatus]) -> bool {
    all.iter().any(|one| one.leader == Some(one.member_id))
}

/// Members report alarms as texts, `memberID:123 alarm:CORRUPT`, of all members (server/etcdserver/api/
/// v3rpc/maintenance.go, Status). Asking for the alarms themselves would write to etcd's log.
fn has_corrupt_alarm(status: &MemberStatus, member: MemberId) -> bool {
    let names = |error: &&String| {
        let digits = error.split_once("memberID:").map(|(_, rest)| rest.trim_start());
        let id = digits.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
        id.and_then(|id| id.parse().ok()) == Some(member.0)
    };
    status.errors.iter().filter(|error| error.contains("CORRUPT")).any(|error| names(&error))
}

fn refusal(seen: &[Seen], wish: Wish) -> SourceError {
    let all: Vec<_> = seen.iter().map(|one| &one.status).collect();
    let said = |one: &Seen| Some(format!("{} {}", one.name(), flaw(&one.status, &all, wish)?));
    let has_no_leader = seen.iter().all(|one| one.status.leader.is_none());
    let advice = match wish {
        Wish::Working if has_no_leader => {
            "bring the majority back, or take it from a survivor with --reason before-recovery"
        }
        _ if seen.iter().all(|one| one.status.is_learner) => {
            "bring a healthy voter back, or take what a learner has with --reason before-recovery \
             and --member URL"
        }
        _ => "bring a healthy voter back",
    };
    SourceError::Unfit { unfit: seen.iter().filter_map(said).collect(), advice }
}

#[cfg(test)]
mod tests {
    use etcd::ClusterId;

    use super::*;

    fn member(id: u64, applied: u64) -> MemberStatus {
        MemberStatus {
            member_id: MemberId(id),
            cluster_id: ClusterId(7),
            version: "3.6.16".into(),
            storage_version: "3.6.0".into(),
            db_size: 1,
            db_size_in_use: 1,
            leader: Some(MemberId(1)),
            revision: 1,
            raft_term: 2,
            raft_index: applied,
            raft_applied_index: applied,
            is_learner: false,
            errors: Vec::new(),
        }
    }

    fn alone(id: u64, applied: u64) -> MemberStatus {
        MemberStatus { leader: None, ..member(id, applied) }
    }

    fn chosen(all: &[MemberStatus], wish: Wish) -> Option<usize> {
        choose_by_status(&all.iter().collect::<Vec<_>>(), wish)
    }

    #[test]
    fn a_current_follower_is_better_than_the_leader_and_the_leader_better_than_one_behind() {
        let all = [member(1, 5000), member(2, 4999), member(3, 4990)];
        assert_eq!(chosen(&all, Wish::Working), Some(1));
        let all = [member(1, 5000), member(2, 3999), member(3, 10)];
        assert_eq!(chosen(&all, Wish::Working), Some(0));
        assert_eq!(chosen(&all[..1], Wish::Working), Some(0));
    }

    #[tokio::test]
    async fn a_follower_that_does_not_catch_up_gives_way_to_the_leader() {
        let (follower, leader) = (member(2, 4900), member(1, 5000));
        let in_order = [&follower, &leader];
        let chosen = async |up_to_date: u64| {
            let is_fit = |one: &MemberStatus| std::future::ready(one.member_id.0 == up_to_date);
            first(&in_order, is_fit).await.map(|one| one.member_id.0)
        };
        assert_eq!([chosen(2).await, chosen(1).await, chosen(0).await], [Some(2), Some(1), None]);
    }

    #[test]
    fn a_learner_is_only_chosen_as_the_last_copy_that_was_named() {
        let learner = MemberStatus { is_learner: true, ..member(2, 5000) };
        assert_eq!(chosen(&[member(1, 5000), learner.clone()], Wish::Working), Some(0));
        assert_eq!(chosen(std::slice::from_ref(&learner), Wish::Survivor), None);
        // It does not notice that its leader is gone, unless it was started since.
        for leader in [learner.leader, None] {
            let lone = MemberStatus { leader, ..learner.clone() };
            assert_eq!(chosen(&[lone], Wish::LastCopy), Some(0), "{leader:?}");
        }
    }

    #[test]
    fn a_member_with_a_corrupt_alarm_is_never_chosen_whoever_reports_it() {
        for text in
            ["memberID:2 alarm:CORRUPT ", "alarm:CORRUPT memberID:2", "memberID: 2  alarm:CORRUPT"]
        {
            let mut all = [member(1, 5000), member(2, 5000), member(3, 4999)];
            all[0].errors = vec!["etcdserver: no leader".into(), text.into()];
            assert_eq!(chosen(&all, Wish::Working), Some(2), "{text}");
        }
        let mut lone = alone(22, 5000);
        lone.errors = vec!["memberID:2 alarm:CORRUPT".into(), "memberID:22 alarm:NOSPACE".into()];
        assert_eq!(chosen(&[lone.clone()], Wish::Survivor), Some(0));
        lone.errors = vec!["memberID:22 alarm:CORRUPT".into()];
        assert_eq!(chosen(&[lone], Wish::Survivor), None);
    }

    #[test]
    fn without_a_leader_only_a_survivor_is_taken_and_of_those_the_one_with_most() {
        let all = [alone(1, 90), alone(2, 4000), alone(3, 80)];
        assert_eq!(chosen(&all, Wish::Working), None);
        assert_eq!(chosen(&all, Wish::Survivor), Some(1));
    }

    #[test]
    fn a_leader_that_is_gone_does_not_count_though_one_has_not_noticed() {
        let all = [alone(2, 4000), member(3, 80)];
        assert_eq!(chosen(&all, Wish::Survivor), Some(0));
    }

    #[test]
    fn a_member_that_is_cut_off_is_not_taken_while_others_have_a_leader() {
        let all = [alone(3, 6000), member(1, 5000), member(2, 5000)];
        for wish in [Wish::Working, Wish::Survivor] {
            assert_eq!(chosen(&all, wish), Some(2), "{wish:?}");
        }
    }
}
