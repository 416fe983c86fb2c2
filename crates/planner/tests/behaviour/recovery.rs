//! The quorum is lost for good: what is saved, what is approved, and what goes when.

use jiff::SignedDuration;
use planner::{
    BackupRef, Cause, Membership, NodeState, Order, Phase, PodState, Role, Source, Stage, Step,
    approval, is_all_lost,
};

use crate::archive::{NEW, backup, saved, saving, three};
use crate::builder::{Cluster, FIRST, ago, cluster, long_ago, recently, running};

fn survivor(cluster: &Cluster) -> Option<u32> {
    match cluster.records().stage {
        Stage::Saving { survivor, order: 0 } => Some(survivor),
        _ => None,
    }
}

fn failed(seconds: i64) -> Order {
    Order::Failed { why: "no space".into(), at: ago(SignedDuration::from_secs(seconds)) }
}

#[test]
fn silence_begins_no_recovery() {
    let away = || NodeState::Away(long_ago());
    for silent in [
        three(&[]).holds(4, 950),
        three(&[6]).holds(4, 950),
        three(&[6]).pod_is_silent(5, PodState::CrashLooping(long_ago())),
        three(&[]).answering_on(5, away()).answering_on(6, away()),
        three(&[]).answering_on(5, away()).answering_on(6, away()).without_pod(5).without_pod(6),
        three(&[6]).terminating(5),
    ] {
        let plan = silent.plan();
        assert_eq!((plan.step, plan.phase), (None, Phase::NoQuorum), "{}", plan.message);
    }
}

#[test]
fn what_a_survivor_holds_is_saved_first() {
    let recovery = three(&[5, 6]).holds(4, 950);
    assert_eq!(recovery.phase(), Phase::Recovering);
    let record = recovery.edit_record(|record| record.recoveries = 2).records();
    assert_eq!((record.cause, record.first), (Cause::Recovery(3), NEW));
    assert_eq!(record.stage, Stage::Saving { survivor: 4, order: 0 });
}

#[test]
fn the_survivor_with_the_highest_revision_is_saved() {
    let five =
        || cluster(5).no_quorum().archive(vec![]).without_pod(6).without_pod(7).without_pod(8);
    assert_eq!(survivor(&five().holds(4, 940).holds(5, 950)), Some(5));
    assert_eq!(survivor(&five().holds(4, 960).holds(5, 950)), Some(4));
}

#[test]
fn at_the_same_revision_a_voter_comes_before_a_learner_and_then_the_lower_number() {
    let tied =
        || cluster(5).no_quorum().archive(vec![]).without_pod(6).without_pod(7).without_pod(8);
    assert_eq!(survivor(&tied().holds(4, 950).holds(5, 950)), Some(4));
    let learner = cluster(3).learner(3).no_quorum().archive(vec![]).edit_record(|record| {
        record.members.get_mut(&3).unwrap().voter = false;
    });
    let learner = learner.without_pod(5).without_pod(6);
    assert_eq!(survivor(&learner.clone().holds(3, 950).holds(4, 950)), Some(4));
    assert_eq!(survivor(&learner.holds(3, 951).holds(4, 950)), Some(3));
}

#[test]
fn a_learner_alone_is_a_survivor() {
    let learner = cluster(1).learner(5).no_quorum().archive(vec![]).edit_record(|record| {
        record.members.get_mut(&5).unwrap().voter = false;
    });
    assert_eq!(survivor(&learner.without_pod(4).holds(5, 12)), Some(5));
}

/// It may have been promoted since the record was written.
#[test]
fn a_pod_that_ran_is_a_survivor_although_the_record_does_not_know_it() {
    let unknown = three(&[4, 5, 6]).seed(3, running());
    assert!(unknown.waits().contains("orders-0003"), "{}", unknown.waits());
    assert_eq!(survivor(&unknown.holds(3, 950)), Some(3));
}

/// Two of five are left, members 4 and 5, and neither tells how far its data goes.
fn silent_two() -> Cluster {
    let five = cluster(5).no_quorum().archive(vec![backup("b-1", 700, 90)]);
    five.without_pod(6).without_pod(7).without_pod(8)
}

#[test]
fn who_tells_is_saved_while_another_is_silent_and_nothing_goes_before_that_one_tells() {
    assert_eq!(survivor(&silent_two().holds(4, 950)), Some(4));
    let own = backup("b-3", 950, 1);
    let stage = Stage::Restoring { backup: own.clone(), saved: Some(own.clone()) };
    let stored = silent_two().holds(4, 950).recovering(stage).stored(own);
    let stored = stored.edit_record(|record| record.restore.as_mut().unwrap().first = 9);
    assert!(stored.waits().contains("orders-0005 (does not answer)"), "{}", stored.waits());
    assert_eq!(survivor(&stored.clone().holds(5, 960)), Some(5));
    assert_eq!(stored.holds(5, 940).step(), Some(Step::DeletePod { number: 4 }));
}

/// Without a quorum nobody signs in, so it never tells, and it may be the only copy.
#[test]
fn nobody_is_told_to_delete_a_member_that_asks_for_a_user() {
    let locked = || PodState::Locked { ready: false };
    let alone = three(&[5, 6]).pod_is_silent(4, locked());
    let saved = {
        let mut saved = saved().pod_is_silent(4, locked());
        saved.observed.stranded.clear();
        saved
    };
    for waiting in [alone, saved] {
        let message = waiting.waits();
        for part in ["orders-0004 never will", "do not delete its pod", "member/snap/db"] {
            assert!(message.contains(part), "{message}");
        }
        assert!(!message.contains("to declare one lost"), "{message}");
    }
}

#[test]
fn a_member_whose_pod_failed_is_given_up_by_a_person() {
    let failed = three(&[]).pod_is_silent(5, PodState::Failed(long_ago()));
    let failed = failed.pod_is_silent(6, PodState::Failed(long_ago()));
    assert!(failed.waits().contains("never starts again: delete it"), "{}", failed.waits());
}

#[test]
fn nothing_is_begun_while_nobody_tells_how_far_its_data_goes() {
    let plan = silent_two().plan();
    assert_eq!((plan.step, plan.phase), (None, Phase::QuorumLost));
    assert!(plan.message.contains("orders-0005 (does not answer)"), "{}", plan.message);
    assert!(plan.message.contains("to declare one lost, delete its pod"), "{}", plan.message);
}

#[test]
fn without_survivors_the_newest_backup_is_restored() {
    // A clock was ahead when it was written: it is older than what came after it.
    let ahead = backup("b-0", 600, -300);
    let record = three(&[4, 5, 6]).stored(ahead).records();
    assert_eq!(record.stage, Stage::Restoring { backup: backup("b-2", 900, 30), saved: None });
}

#[test]
fn a_newer_backup_that_is_known_to_be_damaged_is_passed_over_by_name() {
    let flawed = three(&[4, 5, 6]).flawed("b-3", 901, false).flawed("b-0", 899, false);
    let (plan, record) = (flawed.plan(), flawed.records());
    assert_eq!(record.stage, Stage::Restoring { backup: backup("b-2", 900, 30), saved: None });
    assert_eq!(record.refused, ["b-3".to_owned()].into());
    let said = "not usable: b-3 (its data is not in the store)";
    assert!(plan.message.contains(said) && !plan.message.contains("b-0"), "{}", plan.message);
    let alone = three(&[4, 5, 6]).archive(vec![]).flawed("b-3", 901, false).plan();
    assert_eq!((alone.step, alone.phase), (None, Phase::Unrecoverable));
    assert!(alone.message.contains(said), "{}", alone.message);
}

#[test]
fn nothing_older_than_a_backup_of_a_later_version_is_restored() {
    let unread = three(&[4, 5, 6]).flawed("b-3", 901, true);
    for plan in [unread.plan(), unread.archive(vec![]).flawed("b-3", 901, true).plan()] {
        assert_eq!((plan.step, plan.phase), (None, Phase::QuorumLost));
        assert!(plan.message.contains("in place of backup b-3"), "{}", plan.message);
    }
    let older = three(&[4, 5, 6]).flawed("b-0", 899, true).records();
    assert_eq!(older.stage, Stage::Restoring { backup: backup("b-2", 900, 30), saved: None });
}

#[test]
fn with_neither_survivors_nor_backups_nothing_starts_empty() {
    let plan = three(&[4, 5, 6]).archive(vec![]).plan();
    assert_eq!((plan.step, plan.phase), (None, Phase::Unrecoverable));
    assert!(plan.message.contains("nothing is started empty"), "{}", plan.message);
}

/// It was restored from another cluster, and lost everything before a backup of its own was stored.
#[test]
fn before_the_first_backup_what_it_began_with_is_restored_again() {
    let found = || Source::Found { backup: backup("b-7", 700, 90), before: None };
    let lost = |source| three(&[4, 5, 6]).archive(vec![]).from(source);
    let record = lost(found()).records();
    assert_eq!(record.stage, Stage::Restoring { backup: backup("b-7", 700, 90), saved: None });
    assert_eq!(record.cause, Cause::Recovery(1));
    assert_eq!(lost(found()).phase(), Phase::Recovering);

    let own = lost(found()).stored(backup("b-0", 2, 9)).records();
    assert_eq!(own.stage, Stage::Restoring { backup: backup("b-0", 2, 9), saved: None });

    let sought = lost(Source::Unresolved("its reader starts".into())).plan();
    assert_eq!((sought.step, sought.phase), (None, Phase::QuorumLost));
    assert!(sought.message.contains("its reader starts"), "{}", sought.message);
    let missing = lost(Source::Missing("b-7 is not in the bucket any more".into())).plan();
    assert_eq!((missing.step, missing.phase), (None, Phase::Unrecoverable));
    assert!(missing.message.contains("b-7 is not in the bucket"), "{}", missing.message);
}

#[test]
fn a_survivor_is_saved_although_what_it_began_with_is_there() {
    let found = Source::Found { backup: backup("b-7", 700, 90), before: None };
    let one_is_left = three(&[5, 6]).holds(4, 950).archive(vec![]);
    assert!(!is_all_lost(&one_is_left.observed));
    assert_eq!(survivor(&one_is_left.from(found)), Some(4));
    assert!(is_all_lost(&three(&[4, 5, 6]).observed));
    assert!(!is_all_lost(&three(&[4]).observed), "the others may come back");
}

#[test]
fn a_sidecar_that_does_not_answer_is_waited_for() {
    for silent in
        [three(&[4, 5, 6]).sidecar_is_silent(), three(&[5, 6]).holds(4, 950).sidecar_is_silent()]
    {
        let plan = silent.plan();
        assert_eq!((plan.step, plan.phase), (None, Phase::QuorumLost));
        assert!(plan.message.contains("connection refused"), "{}", plan.message);
    }
}

#[test]
fn a_survivor_without_a_policy_is_named_with_the_way_to_save_it() {
    let plan = three(&[5, 6]).holds(4, 950).no_policy().plan();
    assert_eq!((plan.step, plan.phase), (None, Phase::QuorumLost));
    for part in [
        "kubectl -n prod port-forward pod/orders-0004 2379",
        "etcdctl --endpoints=127.0.0.1:2379 snapshot save orders-0004.db",
    ] {
        assert!(plan.message.contains(part), "{}", plan.message);
    }
}

#[test]
fn without_anybody_and_without_a_policy_it_is_said_that_one_may_be_set() {
    let plan = three(&[4, 5, 6]).no_policy().plan();
    assert_eq!((plan.step, plan.phase), (None, Phase::Unrecoverable));
    assert!(plan.message.contains("set spec.backup to where they are"), "{}", plan.message);
}

#[test]
fn manual_waits_for_the_approval_of_just_this_loss() {
    let manual = three(&[5, 6]).holds(4, 950).manual();
    let plan = manual.plan();
    assert_eq!((plan.step, plan.phase), (None, Phase::QuorumLost));
    let wanted = "orders-0005,orders-0006";
    assert_eq!(approval(&manual.desired, &manual.observed).as_deref(), Some(wanted));
    let command =
        format!("kubectl annotate --overwrite etcd orders etcd.coreos.com/recover={wanted}");
    assert!(plan.message.contains(&command), "{}", plan.message);
    assert!(
        plan.message.contains("what orders-0004 holds (up to revision 950)"),
        "{}",
        plan.message
    );
    assert_eq!(survivor(&manual.clone().approved(wanted)), Some(4));
    // An approval of another loss, and one that came before another member was lost.
    assert_eq!(manual.clone().approved("orders-0002,orders-0003").step(), None);
    assert_eq!(manual.approved(wanted).without_pod(4).step(), None);
}

#[test]
fn pods_that_vanished_from_nodes_that_cannot_be_read_are_lost_only_if_a_person_says_so() {
    let unreadable = three(&[4, 5, 6]).edit_record(|record| {
        for seen in record.members.values_mut() {
            seen.node = NodeState::Unknown;
        }
    });
    let plan = unreadable.plan();
    assert_eq!((plan.step, plan.phase), (None, Phase::QuorumLost));
    assert!(plan.message.contains("may still run"), "{}", plan.message);
    let approved = unreadable.approved("orders-0004,orders-0005,orders-0006");
    assert!(matches!(approved.records().stage, Stage::Restoring { .. }));
}

#[test]
fn the_snapshot_is_ordered_once_the_recovery_is_recorded() {
    let id = "recovery-c1a5-3-0004-0".to_owned();
    assert_eq!(saving().step(), Some(Step::OrderSnapshot { number: 4, id }));
    let failing = Order::Pending { why: Some("the store is full".into()) };
    for (state, said) in [
        (Order::Pending { why: None }, "waits for its turn"),
        (failing, "failed and is tried again: the store is full"),
        (Order::Uploading, "is being stored"),
    ] {
        let waits = saving().order(state).waits();
        assert!(waits.contains("no member is deleted before orders-0004 is saved"), "{waits}");
        assert!(waits.contains(said), "{waits}");
    }
}

#[test]
fn a_snapshot_that_failed_is_ordered_again_and_nothing_else_is_restored() {
    assert!(saving().order(failed(14)).waits().contains("no space"));
    let record = saving().order(failed(15)).records();
    assert_eq!(record.stage, Stage::Saving { survivor: 4, order: 1 });
    // The sidecar's clock is a little ahead, or by hours.
    assert!(saving().order(failed(-14)).waits().contains("no space"));
    let ahead = saving().order(failed(-7_200)).records();
    assert_eq!(ahead.stage, Stage::Saving { survivor: 4, order: 1 });
}

#[test]
fn a_saved_survivor_is_what_is_restored() {
    let own = backup("b-3", 950, 1);
    let record = saving().order(Order::Stored(own.clone())).records();
    assert_eq!(record.stage, Stage::Restoring { backup: own.clone(), saved: Some(own) });
}

/// It lagged behind the others when they were lost.
#[test]
fn a_backup_that_holds_more_than_the_survivor_is_restored_instead() {
    let own = backup("b-3", 850, 1);
    let lagging = three(&[5, 6]).holds(4, 850).recovering(Stage::Saving { survivor: 4, order: 0 });
    let lagging = lagging.order(Order::Stored(own.clone()));
    let stage = Stage::Restoring { backup: backup("b-2", 900, 30), saved: Some(own.clone()) };
    assert_eq!(lagging.records().stage, stage);
    // Of another etcd cluster, whose revisions say nothing here.
    let other = BackupRef { cluster_id: Some(1), ..backup("b-9", 9_000, 2) };
    let lagging = lagging.archive(vec![other]).order(Order::Stored(own.clone()));
    assert_eq!(lagging.records().stage, Stage::Restoring { backup: own.clone(), saved: Some(own) });
}

#[test]
fn a_survivor_that_holds_more_than_was_stored_is_saved_again() {
    let record = saving().order(Order::Stored(backup("b-3", 949, 1))).records();
    assert_eq!(record.stage, Stage::Saving { survivor: 4, order: 1 });
}

#[test]
fn a_survivor_lost_before_it_was_saved_leaves_the_newest_backup() {
    let lost = saving().without_pod(4);
    let record = lost.records();
    assert_eq!(record.cause, Cause::Recovery(4));
    assert_eq!(record.stage, Stage::Restoring { backup: backup("b-2", 900, 30), saved: None });
    assert_eq!(lost.manual().approved("orders-0005,orders-0006").step(), None);
}

/// What was read of it may be all that there is, and is about to be stored.
#[test]
fn no_older_backup_is_taken_while_what_a_lost_survivor_held_is_being_stored() {
    let lost = saving().without_pod(4);
    let waits = lost.clone().order(Order::Uploading).waits();
    assert!(waits.contains("nothing is restored until it is known whether"), "{waits}");
    assert!(matches!(lost.order(failed(1)).records().stage, Stage::Restoring { .. }));
}

#[test]
fn a_survivor_goes_once_the_archive_holds_all_of_it() {
    assert_eq!(saved().step(), Some(Step::DeletePod { number: 4 }));
    assert_eq!(saved().terminating(4).step(), None);
    assert_eq!(saved().sidecar_is_silent().step(), None);
}

#[test]
fn a_survivor_whose_backup_is_gone_again_is_saved_once_more() {
    let gone = || saved().archive(vec![backup("b-2", 900, 30)]);
    let record = gone().records();
    assert_eq!(record.cause, Cause::Recovery(4));
    assert_eq!(record.stage, Stage::Saving { survivor: 4, order: 0 });
    // What held more was deleted by then.
    assert!(gone().holds(4, 940).waits().contains("hold less: bring it back"));
    assert!(saved().no_policy().waits().contains("set spec.backup again"));
    assert!(saved().sidecar_is_silent().waits().contains("connection refused"));
}

#[test]
fn a_survivor_that_does_not_tell_how_far_its_data_goes_stays() {
    let mut silent = saved();
    silent.observed.stranded.clear();
    assert!(silent.waits().contains("more may be left than backup b-3 holds"));
}

/// A quorum was there for a moment.
#[test]
fn a_survivor_that_was_written_to_since_is_saved_again() {
    let record = saved().holds(4, 951).records();
    assert_eq!(
        (record.cause, record.stage),
        (Cause::Recovery(4), Stage::Saving { survivor: 4, order: 0 })
    );
}

#[test]
fn members_go_one_at_a_time_and_the_first_member_comes_after_all() {
    let own = backup("b-3", 950, 1);
    let stage = Stage::Restoring { backup: own.clone(), saved: Some(own.clone()) };
    let five = cluster(5).no_quorum().archive(vec![own.clone()]).without_pod(6).without_pod(7);
    let five = five.pod_is_silent(8, PodState::DataLost).holds(4, 940).holds(5, 950);
    let five = five.recovering(stage).edit_record(|record| {
        record.next_number = 9;
        record.restore.as_mut().unwrap().first = 9;
    });
    assert_eq!(five.step(), Some(Step::DeletePod { number: 8 }));
    let five = five.without_pod(8);
    assert_eq!(five.step(), Some(Step::DeletePod { number: 4 }));
    let five = five.terminating(4);
    assert_eq!(five.step(), Some(Step::DeletePod { number: 5 }));
    let five = five.without_pod(4).terminating(5);
    assert!(five.waits().contains("waiting for orders-0005"), "{}", five.waits());
    let restore = Some(own);
    assert_eq!(five.without_pod(5).step(), Some(Step::CreateSeed { number: 9, restore }));
}

#[test]
fn a_member_whose_node_went_silent_meanwhile_keeps_the_recovery_waiting() {
    let away = saved().answering_on(4, NodeState::Away(recently()));
    let mut away = away.terminating(4);
    away.observed.stranded.clear();
    assert!(away.waits().contains("its node is not ready"), "{}", away.waits());
}

#[test]
fn evidence_that_is_there_no_more_keeps_the_recovery_waiting() {
    for waiting in [saving(), saved()] {
        let waiting = waiting.edit_record(|record| {
            record.members.get_mut(&5).unwrap().node = NodeState::Away(recently());
        });
        let plan = waiting.plan();
        assert_eq!((plan.step, plan.phase), (None, Phase::NoQuorum), "{}", plan.message);
    }
}

#[test]
fn a_recovery_is_called_off_when_the_quorum_is_back() {
    let whole = cluster(3).observed.membership;
    let answering = |cluster: Cluster| Cluster {
        observed: planner::Observed { membership: whole.clone(), ..cluster.observed },
        ..cluster
    };
    for back in [answering(saving()), answering(saved()), answering(saved()).terminating(4)] {
        assert_eq!(back.step(), Some(Step::AbortRecovery));
        assert_eq!(back.paused().step(), None);
    }
    // What it made goes with it.
    let made = answering(saved()).restored(NEW, "b-3", running());
    assert_eq!(made.step(), Some(Step::AbortRecovery));
    let called_off = made.edit_record(|record| record.restore = None);
    let called_off = called_off.edit_pod(NEW, |pod| pod.marked = false);
    assert_eq!(called_off.step(), Some(Step::DeletePod { number: NEW }));
}

#[test]
fn another_cluster_s_answer_calls_nothing_off() {
    let mut impostor = saved();
    let Membership::Known(mut members) = cluster(3).observed.membership else { panic!() };
    members.cluster_id += 1;
    impostor.observed.membership = Membership::Known(members);
    assert_eq!(impostor.step(), Some(Step::DeletePod { number: 4 }));
}

#[test]
fn a_recovery_that_is_under_way_is_paused_too() {
    for paused in [saving().paused(), saved().paused(), three(&[5, 6]).holds(4, 950).paused()] {
        let plan = paused.plan();
        assert_eq!((plan.step, plan.phase), (None, Phase::Paused));
    }
}

/// A status that was lost leaves the archive as the only witness.
#[test]
fn a_cluster_that_has_backups_never_starts_empty() {
    let forgotten = three(&[4, 5, 6]).edit_record(|record| *record = planner::Record::default());
    let plan = forgotten.plan();
    assert_eq!((plan.step, plan.phase), (None, Phase::NoQuorum), "{}", plan.message);
}

#[test]
fn a_joiner_that_never_ran_goes_with_the_members() {
    let waiting = saved().waiting(FIRST - 1);
    assert_eq!(waiting.edit_record(|_| {}).step(), Some(Step::DeletePod { number: FIRST - 1 }));
    assert!(matches!(saved().observed.pods[&4].role, Role::Seed));
}
