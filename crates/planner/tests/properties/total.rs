//! A plan comes of every input, at the ends of every range too, and says something.

use jiff::{SignedDuration, Timestamp};
use planner::{NodeState, PodState, Recheck, RestoreRecord, Stage, Step};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::arbitrary::sight;
use crate::config;

/// Times at which arithmetic fails.
fn extreme_time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![Just(Timestamp::MIN), Just(Timestamp::MAX), Just(Timestamp::UNIX_EPOCH)]
}

fn extreme_duration() -> impl Strategy<Value = SignedDuration> {
    prop_oneof![Just(SignedDuration::MIN), Just(SignedDuration::MAX), Just(SignedDuration::ZERO)]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_plan_says_something(sight in sight()) {
        let plan = sight.plan();
        prop_assert!(!plan.message.trim().is_empty());
        prop_assert!(plan.step.is_none() || plan.recheck == Recheck::Soon);
    }

    #[test]
    fn no_input_is_too_strange(
        mut sight in sight(),
        since in extreme_time(),
        now in extreme_time(),
        replace_after in extreme_duration(),
        size in prop_oneof![Just(0), Just(usize::MAX)],
        number in prop_oneof![Just(None), Just(Some(u32::MAX))],
    ) {
        sight.now = now;
        sight.desired.replace_after = replace_after;
        sight.desired.size = size;
        for (index, pod) in sight.observed.pods.values_mut().enumerate() {
            pod.state = match index % 3 {
                0 => PodState::Failed(since),
                1 => PodState::CrashLooping(since),
                _ => PodState::Running { ready: false, restarts: 1, since },
            };
            if index % 2 == 0 {
                pod.node = NodeState::Away(since);
            }
        }
        if let Some((used, pod)) = number.zip(sight.observed.pods.pop_first()) {
            sight.observed.pods.insert(used, pod.1);
            sight.observed.record.next_number = used;
        }
        prop_assert!(!sight.plan().message.is_empty());
    }
}

/// A rule about a step that is hardly ever planned would say nothing.
#[test]
fn every_step_is_planned_in_many_cases() {
    let mut runner = TestRunner::deterministic();
    let mut planned = [0; 16];
    for _ in 0..40_000 {
        let sight = sight().new_tree(&mut runner).expect("a case").current();
        planned[kind(sight.step().as_ref())] += 1;
    }
    assert!(planned.iter().all(|&times| times >= 100), "{planned:?}");
}

fn kind(step: Option<&Step>) -> usize {
    match step {
        None => 0,
        Some(Step::CreateSeed { restore: None, .. }) => 1,
        Some(Step::CreateJoiner { .. }) => 2,
        Some(Step::MarkServed { .. }) => 3,
        Some(Step::RecordServed { .. }) => 4,
        Some(Step::DeletePod { .. }) => 5,
        Some(Step::AddLearner { .. }) => 6,
        Some(Step::Promote { .. }) => 7,
        Some(Step::RemoveMember { .. }) => 8,
        Some(Step::MoveLeader { .. }) => 9,
        Some(Step::CreateSeed { restore: Some(_), .. }) => 10,
        Some(Step::RecordRestore(RestoreRecord { stage: Stage::Saving { .. }, .. })) => 11,
        Some(Step::RecordRestore(_)) => 12,
        Some(Step::OrderSnapshot { .. }) => 13,
        Some(Step::FinishRestore { .. }) => 14,
        Some(Step::AbortRecovery) => 15,
    }
}
