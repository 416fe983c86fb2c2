//! All points there are, by program.

/// A step of the operator is one of these, and has a point before and after it.
const STEPS: [&str; 15] = [
    "create-seed",
    "create-restored",
    "create-joiner",
    "mark-served",
    "record-served",
    "delete-pod",
    "add-learner",
    "promote",
    "remove-member",
    "move-leader",
    "record-saving",
    "record-restoring",
    "order-snapshot",
    "finish-restore",
    "abort-recovery",
];

/// Between the calls of a step, around what surrounds it, and in the coming and going of a restore's reader.
const BETWEEN: [&str; 14] = [
    "reserved",
    "before-admit",
    "after-admit",
    "before-report",
    "after-report",
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

/// Of a backup.
const SIDECAR: [&str; 6] =
    ["after-attempt", "mid-upload", "after-parts", "before-data", "after-data", "after-manifest"];

/// Of making a data directory.
const RESTORE_INIT: [&str; 7] =
    ["workspace", "downloading", "downloaded", "restoring", "restored", "marked", "renamed"];

/// A program with points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    /// `etcd-operator`
    Operator,
    /// `etcd-backup-sidecar`
    Sidecar,
    /// `etcd-restore-init`
    RestoreInit,
}

impl Program {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Operator, Self::Sidecar, Self::RestoreInit];

    /// Its name without what all begin with.
    pub fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Sidecar => "sidecar",
            Self::RestoreInit => "restore-init",
        }
    }

    /// The names of its points. No two programs share one.
    pub fn points(self) -> Vec<String> {
        let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        match self {
            Self::Operator => {
                let around = |step| [format!("before-{step}"), format!("after-{step}")];
                let between = BETWEEN.iter().map(|name| (*name).to_owned());
                STEPS.iter().flat_map(around).chain(between).collect()
            }
            Self::Sidecar => all(&SIDECAR),
            Self::RestoreInit => all(&RESTORE_INIT),
        }
    }
}

/// Whether some program has a point of this name.
#[cfg(debug_assertions)]
pub(crate) fn is_listed(name: &str) -> bool {
    let step = name.strip_prefix("before-").or_else(|| name.strip_prefix("after-"));
    step.is_some_and(|step| STEPS.contains(&step))
        || [&BETWEEN[..], &SIDECAR[..], &RESTORE_INIT[..]].iter().any(|all| all.contains(&name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_name_is_used_twice() {
        let all: Vec<String> = Program::ALL.into_iter().flat_map(Program::points).collect();
        let different: BTreeSet<&String> = all.iter().collect();
        assert_eq!(different.len(), all.len());
    }

    #[test]
    fn all_that_is_listed_is_known() {
        let all = Program::ALL.into_iter().flat_map(Program::points);
        assert!(all.into_iter().all(|name| is_listed(&name)));
        assert!(!is_listed("before-lunch"));
    }
}
