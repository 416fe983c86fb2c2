//! Places at which tests end the process as a crash would.
//!
//! `ETCD_BACKUP_FAULT=after-data` makes a debug build abort there. A release build has none of this.

/// A stage of a backup or of what else changes the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The folder is reserved, and nothing else is there.
    AfterAttempt,
    /// The first bytes went to the store.
    MidUpload,
    /// Three parts of the store are full, so at least one of them is stored.
    AfterParts,
    /// All bytes came from etcd and went to the store; the object is not there yet.
    BeforeData,
    /// The data is there, the manifest is not.
    AfterData,
    /// The manifest is there, and nobody was told.
    AfterManifest,
}

impl Fault {
    #[cfg(debug_assertions)]
    fn name(self) -> &'static str {
        match self {
            Self::AfterAttempt => "after-attempt",
            Self::MidUpload => "mid-upload",
            Self::AfterParts => "after-parts",
            Self::BeforeData => "before-data",
            Self::AfterData => "after-data",
            Self::AfterManifest => "after-manifest",
        }
    }

    /// Ends the process here if a test asked for it.
    #[cfg(debug_assertions)]
    pub fn point(self) {
        if std::env::var("ETCD_BACKUP_FAULT").is_ok_and(|name| name == self.name()) {
            std::process::abort();
        }
    }

    /// Nothing.
    #[cfg(not(debug_assertions))]
    pub fn point(self) {}
}
