//! Why a restore came to no good end, named by what it means for whoever has to act.

use std::{io, path::PathBuf, process::ExitStatus};

use api::restore::Fault;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("{0}")]
    Usage(String),
    /// A store, or what lies there.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    #[error("{0}")]
    NoBackup(String),
    /// Its manifest was read a moment ago.
    #[error(
        "backup {0} was deleted while it was being read, as retention or a person does; restore another, \
         and let nobody prune there meanwhile"
    )]
    Vanished(String),
    #[error(
        "the manifest of backup {backup} is not the one that was asked for: its SHA-256 is {found}; it was \
         replaced, or the digest is of another backup"
    )]
    OtherManifest { backup: String, found: String },
    #[error("backup {backup} is damaged: {source}")]
    Snapshot { backup: String, source: snapshot::Error },
    /// Whole in itself, and not what its manifest says.
    #[error("backup {backup} is not what its manifest says: {problem}")]
    Contradiction { backup: String, problem: String },
    #[error("{0}")]
    Incompatible(String),
    #[error("{0}")]
    NoEtcdutl(String),
    #[error("{0}")]
    Foreign(String),
    #[error("another restore is at work on {}; it is left alone", .0.display())]
    Busy(PathBuf),
    #[error(
        "{needed} MB are needed at {} and {free} MB are free; make room: a restore holds the \
         database twice for a while", .at.display()
    )]
    NoRoom { at: PathBuf, needed: u64, free: u64 },
    #[error("{doing}: {source}")]
    Disk { doing: String, source: io::Error },
    #[error("etcdutl failed ({status}): {words}")]
    Etcdutl { status: ExitStatus, words: String },
    #[error("etcdutl did nothing for {0} s and was ended; look whether the disk still answers")]
    Stalled(u64),
    #[error("ended by a signal before the data directory was made")]
    Signal(u8),
    #[error("{0:#}")]
    Other(anyhow::Error),
}

impl Problem {
    /// An error of the disk, with what was being done.
    pub(crate) fn disk(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Disk { doing: doing.into(), source }
    }

    /// The same once the manifest of `backup` was read: what is missing then went since.
    pub(crate) fn while_reading(self, backup: &str) -> Self {
        match self {
            Self::Archive(archive::Error::NotFound(_)) => Self::Vanished(backup.to_owned()),
            other => other,
        }
    }

    /// A fixed word for events, conditions and metric labels.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Usage(_) => "Usage",
            Self::Archive(error) => error.reason(),
            Self::NoBackup(_) => "NoBackup",
            Self::Vanished(_) => "BackupDeleted",
            Self::OtherManifest { .. } => "OtherManifest",
            Self::Snapshot { .. } | Self::Contradiction { .. } => "Damaged",
            Self::Incompatible(_) => "IncompatibleVersion",
            Self::NoEtcdutl(_) => "NoEtcdutl",
            Self::Foreign(_) => "DataDirNotEmpty",
            Self::Busy(_) => "Busy",
            Self::NoRoom { .. } => "NoSpace",
            Self::Disk { source, .. } if is_full(source) => "NoSpace",
            Self::Disk { .. } => "DiskFailed",
            Self::Etcdutl { words, .. } if words.contains("no space left") => "NoSpace",
            Self::Etcdutl { .. } => "EtcdutlFailed",
            Self::Stalled(_) => "EtcdutlStalled",
            Self::Signal(_) => "Interrupted",
            Self::Other(_) => "Failed",
        }
    }

    /// Where the trouble lies.
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::Usage(_) => Fault::Usage,
            Self::Archive(error) => fault_of(error),
            Self::NoBackup(_) => Fault::Store,
            Self::Vanished(_)
            | Self::OtherManifest { .. }
            | Self::Snapshot { .. }
            | Self::Contradiction { .. } => Fault::Backup,
            Self::Foreign(_) | Self::Busy(_) => Fault::DataDir,
            Self::NoRoom { .. } | Self::Disk { .. } | Self::Stalled(_) => Fault::Disk,
            Self::Etcdutl { .. } if self.reason() == "NoSpace" => Fault::Disk,
            Self::Incompatible(_) | Self::NoEtcdutl(_) | Self::Etcdutl { .. } => Fault::Target,
            Self::Signal(_) | Self::Other(_) => Fault::Other,
        }
    }

    /// Whether the same run may go well later. What is said of a backup, a version or a data directory
    /// stays true.
    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            Self::Archive(error) => fault_of(error) == Fault::Store,
            Self::Busy(_) | Self::Etcdutl { .. } => true,
            _ => matches!(self.fault(), Fault::Disk | Fault::Other),
        }
    }
}

/// Whether there was no room, for the file system or the user.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// What is said of one object is the backup's fault, everything else the store's. A store that lost
/// its bucket or does not accept the password says nothing about a backup.
fn fault_of(error: &archive::Error) -> Fault {
    use archive::Error;
    match error {
        Error::NotFound(_)
        | Error::Damaged { .. }
        | Error::UnknownFormat { .. }
        | Error::Unsupported(_) => Fault::Backup,
        Error::BadInput(_) => Fault::Usage,
        _ => Fault::Store,
    }
}

#[cfg(test)]
mod tests {
    use archive::Error;

    use super::*;

    #[test]
    fn an_older_backup_is_offered_only_for_what_is_said_of_this_one() {
        let no = |error: Error| Problem::Archive(error);
        let text = || "x".to_owned();
        for problem in [
            no(Error::Unavailable(text())),
            no(Error::Timeout(text())),
            no(Error::Credentials(text())),
            no(Error::NoBucket(text())),
            no(Error::Throttled(text())),
            Problem::NoRoom { at: "/".into(), needed: 2, free: 1 },
            Problem::Signal(15),
        ] {
            assert!(problem.is_retryable() && problem.fault() != Fault::Backup, "{problem:?}");
        }
        for problem in [
            no(Error::damaged("x", "y")),
            no(Error::NotFound(text())),
            no(Error::UnknownFormat { what: text(), format: 2 }),
            Problem::Snapshot { backup: text(), source: snapshot::Error::Digest },
        ] {
            assert!(!problem.is_retryable() && problem.fault() == Fault::Backup, "{problem:?}");
        }
        for problem in [Problem::Incompatible(text()), Problem::Foreign(text())] {
            assert!(!problem.is_retryable() && problem.fault() != Fault::Backup, "{problem:?}");
        }
    }

    /// As happens to whoever reads a bucket with credentials that may not note it there.
    #[test]
    fn a_backup_that_is_deleted_while_it_is_read_is_told_as_such_and_another_is_offered() {
        let vanished =
            Problem::Archive(Error::NotFound("x/data.db.gz".into())).while_reading("7-x");
        assert!(!vanished.is_retryable() && vanished.fault() == Fault::Backup);
        let said = vanished.to_string();
        assert!(said.starts_with("backup 7-x was deleted while it was being read"), "{said}");
        let other = Problem::Archive(Error::Unavailable("x".into())).while_reading("7-x");
        assert_eq!(other.reason(), "Unavailable");
    }

    #[test]
    fn a_full_disk_has_one_name_whoever_meets_it() {
        let full = Problem::disk("writing")(io::ErrorKind::StorageFull.into());
        let words = "Error: write db: no space left on device".to_owned();
        let status = ExitStatus::default();
        for problem in [full, Problem::Etcdutl { status, words }] {
            assert_eq!((problem.reason(), problem.fault()), ("NoSpace", Fault::Disk));
        }
    }
}
