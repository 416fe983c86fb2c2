//! The table of courses: what is lost or asked for, and who may be killed on the way back.
//!
//! To add one: a line in [`COURSES`] and a function in [`super::play`]. It calls
//! [`Stage::strike`](super::stage::Stage::strike) at the moment from which on somebody may be killed, and
//! returns the cluster that has to be whole at the end.

use std::time::Duration;

use ::tests::scenario::TestCluster;
use anyhow::Result;
use fault::Program;
use futures::future::LocalBoxFuture;

use super::play;
use super::round::Kill;
use super::stage::Stage;

/// A cluster, and how many members it has at the end.
pub(super) type End = (TestCluster, usize);

/// One course.
pub(super) struct Course {
    pub(super) name: &'static str,
    /// What happens, for people.
    pub(super) what: &'static str,
    /// How long it takes with nobody killed, on two busy cores.
    pub(super) expected: Duration,
    /// Who is killed in it, one after the other.
    pub(super) kills: fn() -> Vec<Kill>,
    /// Does it, and compares.
    pub(super) play: for<'a> fn(&'a Stage<'a>) -> LocalBoxFuture<'a, Result<End>>,
}

/// All of them.
pub(super) const COURSES: [Course; 6] = [
    Course {
        name: "all-lost",
        what: "three members and all their data are gone: the newest backup comes back",
        expected: Duration::from_mins(1),
        kills: || kills(&[&FIRST, &JOIN], &[]),
        play: |stage| Box::pin(play::all_lost(stage)),
    },
    Course {
        name: "one-left",
        what: "two of three are gone: what the third holds is stored, then comes back",
        expected: Duration::from_secs(70),
        kills: || kills(&[&SAVE, &FIRST, &JOIN], &STORE),
        play: |stage| Box::pin(play::some_left(stage, 3, 1)),
    },
    Course {
        name: "two-left",
        what: "three of five are gone: what the fuller of the two holds is stored, then comes back",
        expected: Duration::from_secs(90),
        kills: || kills(&[&SAVE, &FIRST, &JOIN], &STORE),
        play: |stage| Box::pin(play::some_left(stage, 5, 2)),
    },
    Course {
        name: "damaged",
        what: "all is gone and the newest backup is damaged: the one before it comes back",
        expected: Duration::from_mins(1),
        kills: || kills(&[&FIRST, &["delete-pod"]], &[]),
        play: |stage| Box::pin(play::damaged(stage)),
    },
    Course {
        name: "by-name",
        what: "a deleted cluster is made anew by spec.restore, under its own name",
        expected: Duration::from_secs(70),
        kills: || [kills(&[&FIRST, &JOIN], &[]), of(Program::Operator, &READER)].concat(),
        play: |stage| Box::pin(play::by_name(stage)),
    },
    Course {
        name: "other-name",
        what: "another cluster begins with a backup of one that runs on",
        expected: Duration::from_mins(1),
        kills: || [kills(&[&FIRST], &[]), of(Program::Operator, &READER)].concat(),
        play: |stage| Box::pin(play::other_name(stage)),
    },
];

/// The operator's steps to a first member from a backup.
const FIRST: [&str; 4] = ["record-restoring", "create-restored", "mark-served", "finish-restore"];
/// To each further member.
const JOIN: [&str; 3] = ["create-joiner", "add-learner", "promote"];
/// Before it, where somebody is left.
const SAVE: [&str; 3] = ["record-saving", "order-snapshot", "delete-pod"];
/// What the sidecar passes while it stores what a survivor holds. (`after-parts` takes more than that.)
const STORE: [&str; 5] =
    ["after-attempt", "mid-upload", "before-data", "after-data", "after-manifest"];
/// What the operator passes in every course, between its steps.
const ALWAYS: [&str; 5] =
    ["reserved", "before-admit", "after-admit", "before-report", "after-report"];
/// The coming and going of the reader of a restore.
const READER: [&str; 9] = [
    "before-reader",
    "reader-secrets",
    "reader-config",
    "reader-service",
    "after-reader",
    "reader-pod-gone",
    "reader-service-gone",
    "reader-secret-gone",
    "reader-gone",
];

fn of(program: Program, points: &[&str]) -> Vec<Kill> {
    points.iter().map(|point| Kill::At(program, (*point).to_owned())).collect()
}

/// Nobody, the operator before and after each of these steps and between them, the sidecar, the
/// restore-init at each of its points, the node.
fn kills(steps: &[&[&str]], sidecar: &[&str]) -> Vec<Kill> {
    let around = |step: &str| [format!("before-{step}"), format!("after-{step}")];
    let steps = steps.iter().flat_map(|steps| steps.iter()).flat_map(|step| around(step));
    let steps = steps.map(|point| Kill::At(Program::Operator, point));
    let points = Program::RestoreInit.points().into_iter();
    let restore_init = points.map(|point| Kill::At(Program::RestoreInit, point));
    let mut all = vec![Kill::Nobody];
    all.extend(steps);
    all.extend(of(Program::Operator, &ALWAYS));
    all.extend(of(Program::Sidecar, sidecar));
    all.extend(restore_init);
    all.push(Kill::Node);
    all
}
