//! What is gone through: every course in every place, with everybody killed at every point of it.

use std::fmt::{self, Display};

use fault::Program;

use super::course::{COURSES, Course};

/// Where the backups lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    /// On a volume.
    Volume,
    /// In a bucket.
    Bucket,
}

/// Who is ended, once, in the middle of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kill {
    /// Nobody: what the others are compared with.
    Nobody,
    /// A program, at this point of its own.
    At(Program, String),
    /// The node of the first member, while its data directory is being made; then the node is started
    /// again.
    Node,
}

/// One round.
#[derive(Clone)]
pub(super) struct Round {
    pub(super) course: &'static Course,
    pub(super) storage: Storage,
    pub(super) kill: Kill,
}

impl Round {
    /// A node takes other rounds' members with it.
    pub(super) fn is_solitary(&self) -> bool {
        self.kill == Kill::Node
    }
}

/// All rounds there are, in the order of the table.
pub(super) fn all() -> Vec<Round> {
    let mut rounds = Vec::new();
    for course in &COURSES {
        for storage in [Storage::Volume, Storage::Bucket] {
            let kills = (course.kills)().into_iter();
            rounds.extend(kills.map(|kill| Round { course, storage, kill }));
        }
    }
    rounds
}

impl Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Volume => "pv",
            Self::Bucket => "s3",
        })
    }
}

impl Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("nobody"),
            Self::At(program, point) => write!(f, "{}:{point}", program.name()),
            Self::Node => f.write_str("node"),
        }
    }
}

/// The name by which it is asked for.
impl Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.course.name, self.storage, self.kill)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_name_names_one_round() {
        let names: Vec<String> = all().iter().map(Round::to_string).collect();
        let different: BTreeSet<&String> = names.iter().collect();
        assert_eq!(different.len(), names.len());
    }

    /// What no course passes is never tried. These are no steps of a recovery or a restore, or need
    /// more than was stored here or another loss on the way.
    #[test]
    fn every_point_is_on_some_course() {
        let tried: BTreeSet<String> = all().iter().map(|round| round.kill.to_string()).collect();
        let elsewhere = [
            "before-create-seed",
            "after-create-seed",
            "before-record-served",
            "after-record-served",
            "before-remove-member",
            "after-remove-member",
            "before-move-leader",
            "after-move-leader",
            "before-abort-recovery",
            "after-abort-recovery",
            "after-parts",
        ];
        for program in Program::ALL {
            for point in program.points() {
                let name = Kill::At(program, point.clone()).to_string();
                let is_tried = tried.contains(&name);
                assert_ne!(is_tried, elsewhere.contains(&point.as_str()), "{name}");
            }
        }
    }
}
