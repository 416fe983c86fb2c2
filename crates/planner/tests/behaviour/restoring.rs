//! The first member is made from a backup: for a new cluster and for a recovered one.

use planner::{
    Archive, Cause, Member, Members, Membership, NodeState, Phase, PodState, RestoreRecord, Source,
    Stage, Step,
};

use crate::archive::{NEW, backup, restoring, saved};
use crate::builder::{CLUSTER_ID, Cluster, id, long_ago, recently, running, unserved};

const RESTORED_ID: u64 = 0x4e77;

fn found() -> Source {
    Source::Found { backup: backup("b-2", 900, 30), before: Some("b-1".into()) }
}

/// A new cluster of which the backup is recorded.
fn manual() -> Cluster {
    let stage = Stage::Restoring { backup: backup("b-2", 900, 30), saved: None };
    let restore = RestoreRecord { cause: Cause::Manual, first: 0, stage, refused: [].into() };
    unserved().from(found()).edit_record(|record| record.restore = Some(restore))
}

/// The member with this number answers alone.
fn answers(mut cluster: Cluster, number: u32, cluster_id: u64) -> Cluster {
    let alone = Member {
        id: id(number),
        number: Some(number),
        started: true,
        learner: false,
        healthy: true,
    };
    cluster.observed.membership = Membership::Known(Members {
        cluster_id,
        leader: Some(alone.id),
        learner_limit: 1,
        members: vec![alone],
    });
    cluster
}

fn refused() -> PodState {
    PodState::RestoreRefused("page 7 is damaged".into())
}

#[test]
fn a_new_cluster_waits_until_it_is_known_what_to_restore() {
    let plan = unserved().from(Source::Unresolved("the sidecar of shop starts".into())).plan();
    assert_eq!((plan.step, plan.phase), (None, Phase::Creating));
    assert!(plan.message.contains("the sidecar of shop starts"));
    let plan = unserved().from(Source::Missing("shop has no backup".into())).plan();
    assert_eq!((plan.step, plan.phase), (None, Phase::Failed));
    assert!(plan.message.contains("nothing starts empty"), "{}", plan.message);
}

#[test]
fn a_first_member_that_came_back_with_authentication_stays_until_a_person_lets_the_operator_in() {
    let locked = manual().restored(0, "b-2", PodState::Locked { ready: true });
    let plan = locked.plan();
    assert_eq!((plan.step, plan.phase), (None, Phase::Failed), "{}", plan.message);
    assert!(plan.message.contains("orders-0000 is restored, and no client"), "{}", plan.message);
    assert!(plan.message.contains("auth disable"), "{}", plan.message);
    let step = answers(locked, 0, RESTORED_ID).edit_pod(0, |pod| pod.state = running()).step();
    assert_eq!(step, Some(Step::MarkServed { number: 0 }), "and then it goes on");
}

#[test]
fn what_is_restored_is_recorded_before_the_first_member_is_made() {
    let record = unserved().from(found()).records();
    assert_eq!(record.cause, Cause::Manual);
    let restore = Some(backup("b-2", 900, 30));
    assert_eq!(manual().step(), Some(Step::CreateSeed { number: 0, restore }));
    assert_eq!(manual().phase(), Phase::Creating);
}

/// The backup is pinned, whatever became the latest meanwhile.
#[test]
fn a_recorded_backup_is_kept_when_another_is_found_later() {
    let later = Source::Found { backup: backup("b-8", 999, 1), before: None };
    let restore = Some(backup("b-2", 900, 30));
    assert_eq!(manual().from(later).step(), Some(Step::CreateSeed { number: 0, restore }));
}

#[test]
fn an_empty_first_member_goes_before_one_with_data_is_made() {
    let empty = manual().seed(0, running()).edit_record(|record| {
        record.restore.as_mut().unwrap().first = 1;
    });
    assert_eq!(answers(empty, 0, 5).step(), Some(Step::DeletePod { number: 0 }));
    let unrecorded = unserved().from(found()).seed(0, running());
    assert_eq!(answers(unrecorded, 0, 5).records().first, 1);
}

#[test]
fn a_person_s_choice_that_is_refused_is_not_replaced_by_another() {
    let plan = manual().restored(0, "b-2", refused()).plan();
    assert_eq!((plan.step, plan.phase), (None, Phase::Failed));
    for part in ["page 7 is damaged", "the one before it is b-1", "nothing starts empty"] {
        assert!(plan.message.contains(part), "{}", plan.message);
    }
}

#[test]
fn a_restored_first_member_is_marked_before_the_restore_is_finished() {
    for (cluster, number) in [(manual(), 0), (restoring(), NEW)] {
        let serves = answers(cluster.restored(number, "b-2", running()), number, RESTORED_ID);
        assert_eq!(serves.step(), Some(Step::MarkServed { number }));
        let marked = serves.edit_pod(number, |pod| pod.marked = true);
        let finish = Step::FinishRestore { cluster_id: RESTORED_ID, number };
        assert_eq!(marked.step(), Some(finish));
    }
}

#[test]
fn a_recovery_ends_only_with_another_etcd_cluster() {
    let same = answers(restoring().restored(NEW, "b-2", running()), NEW, CLUSTER_ID);
    assert_eq!(same.step(), None);
}

#[test]
fn a_first_member_from_a_backup_is_given_time() {
    for state in [
        PodState::Pending("pulling".into()),
        PodState::Gated,
        PodState::Running { ready: false, restarts: 1, since: recently() },
        PodState::CrashLooping(recently()),
    ] {
        let plan = restoring().restored(NEW, "b-2", state.clone()).plan();
        assert_eq!((plan.step, plan.phase), (None, Phase::Recovering), "{state:?}");
    }
}

/// Its data is in the archive, and no client has reached it.
#[test]
fn a_first_member_that_does_not_come_up_is_made_anew() {
    for state in [
        PodState::Running { ready: false, restarts: 1, since: long_ago() },
        PodState::CrashLooping(long_ago()),
        PodState::DataLost,
    ] {
        for marked in [false, true] {
            let wedged = restoring().restored(NEW, "b-2", state.clone());
            let wedged = wedged.edit_pod(NEW, |pod| pod.marked = marked);
            assert_eq!(wedged.step(), Some(Step::DeletePod { number: NEW }), "{state:?}");
            let restore = Some(backup("b-2", 900, 30));
            let again = Step::CreateSeed { number: NEW + 1, restore };
            assert_eq!(wedged.terminating(NEW).step(), Some(again));
        }
    }
}

#[test]
fn a_second_loss_before_the_end_is_answered_from_the_same_backup() {
    let lost = restoring().restored(NEW, "b-2", running()).without_pod(NEW);
    let lost = lost.edit_record(|record| record.next_number = NEW + 1);
    let restore = Some(backup("b-2", 900, 30));
    assert_eq!(lost.step(), Some(Step::CreateSeed { number: NEW + 1, restore }));
}

#[test]
fn after_a_refused_backup_comes_the_one_before_it() {
    let first = restoring().restored(NEW, "b-2", refused());
    let plan = first.plan();
    for part in ["orders-0007 refused backup b-2: page 7 is damaged", "restoring b-1 instead"] {
        assert!(plan.message.contains(part), "{}", plan.message);
    }
    let record = first.records();
    assert_eq!(record.stage, Stage::Restoring { backup: backup("b-1", 700, 90), saved: None });
    assert_eq!(record.refused, ["b-2".to_owned()].into());
    let second = first.edit_record(|before| before.restore = Some(record));
    assert_eq!(second.step(), Some(Step::DeletePod { number: NEW }));
    let plan = second.without_pod(NEW).restored(8, "b-1", refused()).plan();
    assert_eq!(plan.phase, Phase::Unrecoverable);
    assert!(plan.message.contains("there is no other backup"), "{}", plan.message);
}

/// A person may bring sound copies back: then the newest is wanted, and not the one that came last.
#[test]
fn once_every_backup_was_refused_the_newest_stays_to_be_tried_again() {
    let stage = Stage::Restoring { backup: backup("b-1", 700, 90), saved: None };
    let last = restoring().recovering(stage).edit_record(|record| {
        let restore = record.restore.as_mut().unwrap();
        restore.refused = ["b-2".to_owned()].into();
    });
    let last = last.restored(8, "b-1", refused());
    let plan = last.plan();
    assert_eq!(plan.phase, Phase::Unrecoverable);
    assert!(plan.message.contains("the newest, b-2, is tried again"), "{}", plan.message);
    let record = last.records();
    assert_eq!(record.stage, Stage::Restoring { backup: backup("b-2", 900, 30), saved: None });
    let newest = last.edit_record(|before| before.restore = Some(record));
    assert_eq!(newest.step(), Some(Step::DeletePod { number: 8 }));
    let newest = newest.without_pod(8);
    assert!(
        matches!(newest.step(), Some(Step::CreateSeed { restore: Some(it), .. }) if it.id == "b-2")
    );
    let plan = newest.restored(9, "b-2", refused()).plan();
    assert_eq!((plan.step, plan.phase), (None, Phase::Unrecoverable));
}

#[test]
fn which_backup_comes_next_is_not_guessed_while_the_sidecar_is_silent() {
    let silent = restoring().restored(NEW, "b-2", refused()).sidecar_is_silent();
    assert_eq!((silent.step(), silent.phase()), (None, Phase::Recovering));
}

#[test]
fn a_backup_that_is_added_later_is_tried() {
    let stuck = restoring().archive(vec![backup("b-2", 900, 30)]).restored(NEW, "b-2", refused());
    assert_eq!(stuck.phase(), Phase::Unrecoverable);
    let helped = stuck.stored(backup("b-1", 700, 90)).records();
    assert!(matches!(helped.stage, Stage::Restoring { backup, .. } if backup.id == "b-1"));
}

/// It was brought back, or its upload ended late, while an older one was restored.
#[test]
fn a_newer_backup_than_the_one_that_is_restored_is_taken_before_that_serves() {
    let stage = Stage::Restoring { backup: backup("b-1", 700, 90), saved: None };
    let older = restoring().recovering(stage).edit_record(|record| {
        record.restore.as_mut().unwrap().refused = ["b-2".to_owned()].into();
    });
    let older = answers(older.restored(NEW, "b-1", running()), NEW, RESTORED_ID);
    assert_eq!(older.step(), Some(Step::MarkServed { number: NEW }), "b-2 was refused");
    let newer = backup("b-4", 800, 20);
    let record = older.clone().stored(newer.clone()).records();
    assert_eq!(record.stage, Stage::Restoring { backup: newer, saved: None });
    let lower = backup("b-4", 600, 20);
    assert_eq!(older.stored(lower).step(), Some(Step::MarkServed { number: NEW }));
}

#[test]
fn a_step_back_names_what_is_damaged_between() {
    let refused = restoring().flawed("b-3", 800, false).restored(NEW, "b-2", refused());
    assert!(refused.plan().message.contains("not usable: b-3"), "{}", refused.plan().message);
    let unread = refused.flawed("b-4", 801, true);
    assert!(unread.waits().contains("in place of backup b-4"), "{}", unread.waits());
}

#[test]
fn no_older_backup_takes_the_place_of_what_a_survivor_held() {
    let refused = saved().without_pod(4).restored(NEW, "b-3", refused());
    let plan = refused.plan();
    assert_eq!((plan.step, plan.phase), (None, Phase::Unrecoverable));
    assert!(plan.message.contains("no older one is restored in its place"), "{}", plan.message);
}

/// The survivor lagged, so a scheduled backup that goes further was tried before its own.
#[test]
fn what_a_survivor_held_follows_a_fuller_backup_that_is_refused() {
    let own = backup("b-3", 850, 1);
    let stage = Stage::Restoring { backup: backup("b-2", 900, 30), saved: Some(own.clone()) };
    let fuller = restoring().recovering(stage).stored(own.clone()).restored(NEW, "b-2", refused());
    let next = fuller.sidecar_is_silent().records().stage;
    assert_eq!(next, Stage::Restoring { backup: own.clone(), saved: Some(own) });
}

/// A scheduled backup of the last revision holds the same.
#[test]
fn what_a_survivor_held_is_restored_from_another_backup_that_goes_as_far() {
    let stage =
        |id| Stage::Restoring { backup: backup(id, 950, 1), saved: Some(backup("b-3", 950, 1)) };
    let refusing = restoring().recovering(stage("b-3")).restored(NEW, "b-3", refused());
    let next = refusing.stored(backup("b-4", 950, 1)).records().stage;
    assert_eq!(next, stage("b-4"));
}

#[test]
fn a_first_member_from_another_backup_goes() {
    let late = restoring().restored(NEW, "b-1", running());
    assert_eq!(answers(late, NEW, RESTORED_ID).step(), Some(Step::DeletePod { number: NEW }));
}

#[test]
fn of_two_first_members_the_marked_one_stays() {
    let two = restoring().restored(NEW, "b-2", running()).restored(8, "b-2", running());
    assert_eq!(two.step(), Some(Step::DeletePod { number: 8 }));
    let two = two.edit_pod(8, |pod| pod.marked = true);
    assert_eq!(answers(two, NEW, RESTORED_ID).step(), Some(Step::DeletePod { number: NEW }));
}

#[test]
fn a_first_member_on_a_node_that_is_gone_is_made_anew() {
    let gone = restoring().restored(NEW, "b-2", running());
    let gone = gone.edit_pod(NEW, |pod| pod.node = NodeState::Gone);
    assert_eq!(gone.step(), Some(Step::DeletePod { number: NEW }));
}

#[test]
fn a_restored_cluster_grows_as_any_other() {
    let mut finished = answers(restoring().restored(NEW, "b-2", running()), NEW, RESTORED_ID)
        .edit_pod(NEW, |pod| pod.marked = true)
        .edit_record(|record| {
            record.restore = None;
            record.cluster_id = Some(RESTORED_ID);
            record.members =
                [(NEW, planner::LastSeen { voter: true, node: NodeState::Ready })].into();
            record.next_number = NEW + 1;
        });
    assert!(matches!(finished.step(), Some(Step::CreateJoiner { number: 8, .. })));
    // And is recovered as any other.
    finished.observed.membership = Membership::Unknown;
    let record = finished.without_pod(NEW).records();
    assert_eq!((record.cause, record.first), (Cause::Recovery(4), 8));
}

#[test]
fn without_an_archive_a_restore_that_is_recorded_goes_on() {
    let mut unknown = restoring();
    unknown.observed.archive = Archive::NoPolicy;
    let restore = Some(backup("b-2", 900, 30));
    assert_eq!(unknown.step(), Some(Step::CreateSeed { number: NEW, restore }));
}
