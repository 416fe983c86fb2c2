//! What takes something out of the archive: retention, a person's wish, the end of a cluster, and what
//! died on its way.

use std::collections::BTreeSet;
use std::time::Duration;

use archive::{
    Result, abandoned,
    catalogue::{self, Listed},
    layout::{ArchivePath, BackupId},
    prune::{self, Pruned},
    retention::{self, Fate},
};
use jiff::Timestamp;

use super::{Stock, within};

/// Deleting thousands takes longer.
const DELETE: Duration = Duration::from_mins(10);
/// The operator waits for a minute for the number to fall.
const ERASED_AT_A_TIME: usize = 64;
impl Stock {
    /// Deletes one backup.
    pub(crate) async fn delete(&self, id: BackupId, uid: Option<&str>) -> Result<()> {
        let archive = self.archive_of(uid)?;
        let deletion = prune::delete(&*self.store, &archive, id);
        within(DELETE, "deleting the backup", deletion).await
    }

    /// Deletes everything of this cluster's archive, and tells now and then how many backups are left.
    pub(crate) async fn erase(&self, tell: impl Fn(u64)) -> Result<()> {
        within(DELETE, "deleting the archive", async {
            let backups = catalogue::list(&*self.store, &self.archive).await?;
            let mut left = backups.len();
            for some in backups.chunks(ERASED_AT_A_TIME) {
                let pruned =
                    prune::delete_all(&*self.store, &some.iter().collect::<Vec<_>>()).await;
                left -= pruned.deleted.len().min(left);
                tell(u64::try_from(left).unwrap_or(u64::MAX));
            }
            // What is left fails here and says why.
            prune::delete_archive(&*self.store, &self.archive).await
        })
        .await
    }

    /// Deletes what no rule of the policy keeps.
    pub(crate) async fn prune(&self, policy: &retention::Policy, now: Timestamp) -> Result<Pruned> {
        within(DELETE, "deleting old backups", async {
            let listed = catalogue::list(&*self.store, &self.archive).await?;
            let candidates: Vec<_> = listed.iter().map(|one| self.candidate(one)).collect();
            let pinned = &self.pins.of(&self.archive) | &retention::pinned(&listed, now);
            let verdicts = retention::judge(&candidates, policy, &pinned, now);
            let unwanted = verdicts.iter().filter(|verdict| verdict.fate == Fate::Delete);
            let unwanted: BTreeSet<_> = unwanted.map(|one| one.id).collect();
            let backups: Vec<_> = listed.iter().filter(|one| unwanted.contains(&one.id)).collect();
            Ok(prune::delete_all(&*self.store, &backups).await)
        })
        .await
    }

    /// One whose manifest could not be read counts as damaged: it takes nobody's place.
    fn candidate(&self, listed: &Listed) -> retention::Candidate {
        let known = self.known_of(listed);
        let flaw = listed.flaw(known.as_ref().map(|known| known.backup.stored_size));
        retention::Candidate {
            id: listed.id,
            is_damaged: known.is_none() || flaw.is_some(),
            locked_until: known.and_then(|known| known.locked_until),
        }
    }

    /// Removes what died on its way, that of earlier clusters of the name too, which nobody else does;
    /// gives the number of uploads and objects.
    pub(crate) async fn tidy(&self, now: Timestamp) -> Result<usize> {
        within(DELETE, "removing what died on its way", async {
            let (namespace, cluster) = (self.archive.namespace(), self.archive.cluster());
            let folder = ArchivePath::folder_of_name(namespace, cluster)?;
            let found = abandoned::find(&*self.store, &folder, now).await?;
            abandoned::remove(&*self.store, &found).await
        })
        .await
    }
}
