//! What status and metrics say of the archive.

use std::time::Duration;

use api::sidecar::RecentBackup;

use super::super::Engine;
use crate::serve::stock::Known;

/// The seed's unit of sizes: 10⁶ bytes.
const MEGABYTE: f64 = 1e6;

impl Engine {
    pub(super) fn show_last(&self) {
        let last = self.last.map(|last| last.finished);
        self.parts.metrics.succeeded(last);
        self.shown.board.publish(|status| status.last_success = last);
    }

    /// Brings status and metrics up to date with the list.
    pub(in crate::serve::engine) fn show_listing(&self) {
        let Some(listing) = &self.listing else { return };
        let stored: u64 = listing.own.iter().map(|known| known.backup.stored_size).sum();
        let [own, earlier] =
            [&listing.own, &listing.earlier].map(|list| u64::try_from(list.len()).unwrap_or(0));
        let newest = listing.own.iter().find(|known| known.backup.damaged.is_none());
        self.parts.metrics.archive(own, stored, earlier);
        self.shown.board.publish(|status| {
            status.recent_backup = newest.map(|known| recent(known));
            status.backups = own;
            status.backup_size = megabytes(stored);
            status.earlier_backups = earlier;
            status.unlisted = false;
        });
    }
}

fn recent(known: &Known) -> RecentBackup {
    let backup = &known.backup;
    let took = Duration::try_from(backup.finish_time.duration_since(backup.start_time));
    let took = took.unwrap_or_default();
    RecentBackup {
        creation_time: backup.finish_time.to_string(),
        size: megabytes(backup.stored_size),
        version: backup.etcd_version.clone(),
        time_took_in_second: took.as_secs() + u64::from(took.subsec_nanos() > 0),
        id: backup.id.clone(),
        revision: backup.revision,
    }
}

/// Rounded up to a thousandth: nobody reads the rest, and what is there is not nothing.
fn megabytes(bytes: u64) -> f64 {
    let kilobytes = u32::try_from(bytes.div_ceil(1000)).unwrap_or(u32::MAX);
    f64::from(kilobytes) * 1e3 / MEGABYTE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_backup_has_a_size() {
        let shown = [0, 1, 1000, 1001, 2_500_000].map(|bytes| format!("{}", megabytes(bytes)));
        assert_eq!(shown, ["0", "0.001", "0.001", "0.002", "2.5"]);
    }
}
