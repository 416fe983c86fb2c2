//! Backups that somebody asked for: retention leaves them alone for [`retention::PIN`], because a restore
//! asks for its backup piece by piece.
//!
//! A note in the backup's own folder says so too, so that neither a restart nor another sidecar, nor a
//! person who prunes by hand, takes a backup away under a restore. It goes with the backup. It is the one
//! thing that a reader writes: what it reads is another sidecar's to prune, which learns of it so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use archive::layout::{ArchivePath, BackupId};
use archive::{Result, catalogue, retention, store::Store};
use tokio::time::Instant;

use super::clock::Clock;

/// A note is written anew this often at most, while pieces are asked for.
const NOTE: Duration = Duration::from_hours(6);

/// What was asked for lately.
#[derive(Debug)]
pub(super) struct Pins {
    clock: Clock,
    pins: Mutex<BTreeMap<(ArchivePath, BackupId), Pin>>,
}

#[derive(Clone, Copy, Debug)]
struct Pin {
    asked: Instant,
    noted: Instant,
}

impl Pins {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, pins: Mutex::default() }
    }

    /// From now on the backup stays for that time. That the note could not be written is told in the log.
    pub(super) async fn add(&self, store: &dyn Store, archive: &ArchivePath, id: BackupId) {
        if !self.remember(archive, id) {
            return;
        }
        if let Err(error) = self.note(store, archive, id).await {
            tracing::warn!(
                backup = %id,
                "that it is asked for could not be noted, so whoever prunes elsewhere does not know: \
                 {error}"
            );
        }
    }

    /// Says whether it is time for a note.
    fn remember(&self, archive: &ArchivePath, id: BackupId) -> bool {
        let asked = Instant::now();
        let mut pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        pins.retain(|_, pin| is_recent(pin));
        let known = pins.get(&(archive.clone(), id)).map(|pin| pin.noted);
        let noted = known.filter(|noted| noted.elapsed() < NOTE);
        pins.insert((archive.clone(), id), Pin { asked, noted: noted.unwrap_or(asked) });
        noted.is_none()
    }

    async fn note(&self, store: &dyn Store, archive: &ArchivePath, id: BackupId) -> Result<()> {
        catalogue::want(store, archive, id, self.clock.now()).await
    }

    /// The backups of this archive that stay.
    pub(super) fn of(&self, archive: &ArchivePath) -> BTreeSet<BackupId> {
        let pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = pins.iter().filter(|((other, _), pin)| other == archive && is_recent(pin));
        recent.map(|((_, id), _)| *id).collect()
    }
}

fn is_recent(pin: &Pin) -> bool {
    pin.asked.elapsed() < retention::PIN.unsigned_abs()
}
