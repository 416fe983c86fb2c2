//! The places at which tests end the operator: before and after each step, by the step's name. Those between
//! a step's calls stand where the calls are. All are listed in the crate `fault`, which does nothing in a
//! release build.

use planner::{Stage, Step};

/// The step was decided, and nothing of it is done.
pub fn before(step: &Step) {
    fault::point(&format!("before-{}", name(step)));
}

/// The step is done, or was tried, and nobody was told.
pub fn after(step: &Step) {
    fault::point(&format!("after-{}", name(step)));
}

fn name(step: &Step) -> &'static str {
    match step {
        Step::CreateSeed { restore: None, .. } => "create-seed",
        Step::CreateSeed { restore: Some(_), .. } => "create-restored",
        Step::CreateJoiner { .. } => "create-joiner",
        Step::MarkServed { .. } => "mark-served",
        Step::RecordServed { .. } => "record-served",
        Step::DeletePod { .. } => "delete-pod",
        Step::AddLearner { .. } => "add-learner",
        Step::Promote { .. } => "promote",
        Step::RemoveMember { .. } => "remove-member",
        Step::MoveLeader { .. } => "move-leader",
        Step::RecordRestore(restore) => match restore.stage {
            Stage::Saving { .. } => "record-saving",
            Stage::Restoring { .. } => "record-restoring",
        },
        Step::OrderSnapshot { .. } => "order-snapshot",
        Step::FinishRestore { .. } => "finish-restore",
        Step::AbortRecovery => "abort-recovery",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fault::Program;
    use planner::{BackupRef, Cause, RestoreRecord};

    use super::*;

    fn backup() -> BackupRef {
        BackupRef {
            id: "b".into(),
            manifest_digest: "ab".into(),
            location: "s3://backups".into(),
            revision: 42,
            cluster_id: None,
            finished: "2026-11-24T03:00:09Z".parse().unwrap(),
        }
    }

    /// One of each kind; [`name`] does not compile without the kind that is missing here.
    fn steps() -> Vec<Step> {
        let stages = [
            Stage::Saving { survivor: 2, order: 0 },
            Stage::Restoring { backup: backup(), saved: None },
        ];
        let record = |stage| {
            let cause = Cause::Recovery(1);
            Step::RecordRestore(RestoreRecord { cause, first: 4, stage, refused: [].into() })
        };
        let others = [
            Step::CreateSeed { number: 1, restore: None },
            Step::CreateSeed { number: 1, restore: Some(backup()) },
            Step::CreateJoiner { number: 2, initial: [1, 2].into() },
            Step::MarkServed { number: 1 },
            Step::RecordServed { cluster_id: 7 },
            Step::DeletePod { number: 1 },
            Step::AddLearner { number: 2 },
            Step::Promote { id: 9, number: 2 },
            Step::RemoveMember { id: 9, number: 2 },
            Step::MoveLeader { to: 9, number: 2 },
            Step::OrderSnapshot { number: 2, id: "o".into() },
            Step::FinishRestore { cluster_id: 7, number: 4 },
            Step::AbortRecovery,
        ];
        stages.map(record).into_iter().chain(others).collect()
    }

    #[test]
    fn every_step_has_points_that_are_listed() {
        let listed: BTreeSet<String> = Program::Operator.points().into_iter().collect();
        let around =
            |step: &Step| ["before", "after"].map(|moment| format!("{moment}-{}", name(step)));
        let taken: BTreeSet<String> = steps().iter().flat_map(around).collect();
        assert_eq!(taken.difference(&listed).collect::<Vec<_>>(), [""; 0]);
    }

    /// What is listed and never passed would be waited for in vain.
    #[test]
    fn every_point_that_is_listed_is_somewhere_in_the_operator() {
        let sources = [
            include_str!("act/mod.rs"),
            include_str!("controller.rs"),
            include_str!("objects.rs"),
            include_str!("restore/reader.rs"),
        ]
        .concat();
        let of_steps: BTreeSet<&str> = steps().iter().map(name).collect();
        for point in Program::Operator.points() {
            let step = point.strip_prefix("before-").or_else(|| point.strip_prefix("after-"));
            let is_of_step = step.is_some_and(|step| of_steps.contains(step));
            let is_called = sources.contains(&format!("fault::point(\"{point}\")"));
            assert!(is_of_step || is_called, "{point}");
        }
    }
}
