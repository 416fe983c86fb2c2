//! What follows from the end of a piece of work.

use std::sync::Arc;
use std::time::Duration;

use api::sidecar::{BackupRequest, RecentBackup, RequestState, SidecarStatus};
use archive::prune::Pruned;
use archive::store::Store;
use jiff::Timestamp;
use schedule::Last;
use tokio::time::Instant;

use super::backoff::backoff;
use super::failures::{Failures, Work};
use super::task::{self, Origin, Refusal, Task};
use super::work::{Backup, Done};
use super::{Engine, Parts};
use crate::serve::stock::{Known, Listing, Stock};
use crate::serve::taker::{Problem, Taken};

const RETENTION_FAILS: &str = "old backups cannot be deleted";
const TIDYING_FAILS: &str = "what died on its way cannot be removed";
/// The seed's unit of sizes: 10⁶ bytes.
const MEGABYTE: f64 = 1e6;

impl Engine {
    pub(super) fn settle(&mut self, done: Done) {
        let backup = self.running.take().and_then(|running| running.backup);
        match (done, backup) {
            (Done::Taken(outcome), Some(backup)) => self.taken(backup, outcome),
            // There is no backup without its task.
            (Done::Taken(_), None) => {}
            (Done::Opened(outcome), _) => self.opened(outcome),
            (Done::Listed(outcome), _) => self.listed(outcome),
            (Done::Pruned(outcome), _) => self.pruned(outcome),
            (Done::Tidied(outcome), _) => self.tidied(&outcome),
            (Done::Erased(outcome), _) => self.erased(outcome),
        }
    }

    fn opened(&mut self, outcome: archive::Result<Arc<dyn Store>>) {
        match outcome {
            Ok(store) => {
                let Parts { archive, url, clock, .. } = &self.parts;
                let stock = Stock::new(store, archive.clone(), url, clock.clone());
                self.shown.stock.get_or_init(|| Arc::new(stock));
            }
            Err(error) => self.store_failed(&error.into()),
        }
    }

    fn listed(&mut self, outcome: archive::Result<Listing>) {
        let listing = match outcome {
            Ok(listing) => listing,
            Err(error) => return self.store_failed(&error.into()),
        };
        let is_first = self.listing.replace(listing).is_none();
        self.shown.ready.cancel();
        self.store_failures = 0;
        if self.failures.end(Work::List) && !self.failures.has(Work::Backup) {
            self.parts.metrics.recovered();
        }
        self.show_failures();
        if is_first {
            self.begin_with_listing();
        }
        self.show_listing();
    }

    fn begin_with_listing(&mut self) {
        let own = self.listing.iter().flat_map(|listing| &listing.own);
        let now = self.parts.clock.now();
        self.last = last_success(own.map(|known| &**known), now);
        self.show_last();
        if self.takes_backups() {
            self.arm();
        }
        self.find_stored_orders();
        self.prune_is_due = true;
    }

    /// The store cannot be opened or listed. Those who wait are told why.
    fn store_failed(&mut self, problem: &Problem) {
        self.store_failures = self.store_failures.saturating_add(1);
        let next = Instant::now() + backoff(self.store_failures, fastrand::f64());
        self.failed(Work::List, problem);
        if self.listing.is_some() {
            // The list that was there before is good enough until the next.
            self.tidy_at = next;
            return;
        }
        self.store_not_before = next;
        let (now, orders): (Vec<_>, Vec<_>) = std::mem::take(&mut self.queue)
            .into_iter()
            .partition(|task| matches!(task.origin, Origin::Now(_)));
        for task in now {
            self.refuse(task, &Refusal::Failed(problem.clone()));
        }
        self.queue = orders.into();
        for id in self.queue.iter().filter_map(|task| task.job.request.as_ref()) {
            let message = Some(problem.message.clone());
            self.shown.board.show(task::request(id, RequestState::Pending, message), None);
        }
        self.shown.ready.cancel();
    }

    fn taken(&mut self, backup: Backup, outcome: Result<Taken, Problem>) {
        self.end_backup();
        match outcome {
            Ok(taken) => self.succeeded(backup, taken),
            Err(problem) => self.attempt_failed(backup.task, &problem),
        }
    }

    /// Nothing is being taken any more.
    pub(super) fn end_backup(&self) {
        self.parts.metrics.runs(false);
        self.shown.board.publish(|status| status.running = None);
    }

    fn succeeded(&mut self, backup: Backup, taken: Taken) {
        let finished = self.parts.clock.now();
        self.last = Some(Last { started: backup.started, finished });
        let known = match taken {
            Taken::Unchanged => {
                self.parts.metrics.unchanged();
                tracing::info!("nothing has changed since the last backup");
                None
            }
            Taken::Stored(manifest, digest) => {
                let took = backup.since.elapsed();
                self.parts.metrics.stored(manifest.raw.size, manifest.stored.size, took);
                let (id, seconds) = (manifest.id.to_string(), took.as_secs_f64());
                tracing::info!(backup = id, seconds, "the backup is stored");
                self.shown.stock.get().map(|stock| stock.remember(&manifest, digest))
            }
        };
        if let (Some(known), Some(listing)) = (&known, &mut self.listing) {
            let place = listing.own.partition_point(|other| other.id > known.id);
            listing.own.insert(place, known.clone());
            self.prune_is_due = true;
        }
        self.retry = None;
        self.failures.end(Work::Backup);
        if self.failures.has(Work::List) {
            self.tidy_at = Instant::now();
        }
        self.show_failures();
        self.show_listing();
        self.show_last();
        self.arm();
        self.tell(backup.task, known.as_deref());
    }

    /// Tells whoever asked for it that the backup is there.
    fn tell(&self, task: Task, known: Option<&Known>) {
        let Some(known) = known else {
            // An attempt that writes always has no other good end.
            let problem = Problem::new("Unchanged", "the backup was not written; ask once more");
            return self.refuse(task, &Refusal::Failed(problem));
        };
        match task.origin {
            Origin::Schedule => {}
            Origin::Order(id) => {
                let request = task::request(&id, RequestState::Stored, None);
                let backup = Some(known.backup.clone());
                let received = known.backup.raw_size;
                self.shown.board.show(BackupRequest { backup, received, ..request }, None);
            }
            Origin::Now(replies) => {
                for reply in replies {
                    drop(reply.send(Ok(known.id)));
                }
            }
        }
    }

    fn attempt_failed(&mut self, task: Task, problem: &Problem) {
        self.failed(Work::Backup, problem);
        match &task.origin {
            Origin::Schedule => self.retry = Some(again(task)),
            Origin::Now(_) => self.refuse(task, &Refusal::Failed(problem.clone())),
            Origin::Order(_) if problem.is_final => {
                self.refuse(task, &Refusal::Failed(problem.clone()));
            }
            Origin::Order(id) => {
                let message = Some(problem.message.clone());
                self.shown.board.show(task::request(id, RequestState::Pending, message), None);
                self.queue.push_back(again(task));
            }
        }
    }

    /// Counts a failed attempt and shows it.
    fn failed(&mut self, work: Work, problem: &Problem) {
        tracing::warn!(reason = problem.reason, "the attempt failed: {problem}");
        self.parts.metrics.failed(problem.reason);
        self.failures.add(work, problem, self.parts.clock.now());
        self.show_failures();
    }

    fn show_failures(&self) {
        let worst = self.failures.worst().cloned();
        self.shown.board.publish(|status| status.failing = worst);
    }

    /// What became of the work beside backups, such as `old backups cannot be deleted`.
    fn settle_upkeep(&mut self, work: Work, what: &str, error: Option<&archive::Error>) {
        if let Some(error) = error {
            tracing::warn!(reason = error.reason(), "{what}: {error}");
            let problem = Problem::new(error.reason(), format!("{what}: {error}"));
            self.failures.add(work, &problem, self.parts.clock.now());
        } else {
            self.failures.end(work);
        }
        self.show_failures();
    }

    /// Ends a backup of which nothing moves.
    pub(super) fn give_up_running(&mut self) {
        if let Some(backup) = self.running.take().and_then(|running| running.backup) {
            let problem = Problem::new(
                "Stalled",
                "nothing of the backup has moved for minutes; see whether etcd and the store answer",
            );
            self.taken(backup, Err(problem));
        }
    }

    fn pruned(&mut self, outcome: archive::Result<Pruned>) {
        match outcome {
            Ok(pruned) => {
                self.parts.metrics.pruned(pruned.deleted.len(), pruned.failed.len());
                for (id, error) in &pruned.failed {
                    tracing::warn!(backup = %id, "retention cannot delete it: {error}");
                }
                let error = pruned.failed.first().map(|(_, error)| error);
                self.settle_upkeep(Work::Retention, RETENTION_FAILS, error);
                if !pruned.deleted.is_empty() {
                    tracing::info!(deleted = pruned.deleted.len(), "retention has deleted backups");
                }
                if let Some(listing) = &mut self.listing {
                    listing.own.retain(|known| !pruned.deleted.contains(&known.id));
                }
                self.show_listing();
            }
            Err(error) => {
                self.parts.metrics.pruned(0, 1);
                self.settle_upkeep(Work::Retention, RETENTION_FAILS, Some(&error));
            }
        }
    }

    fn tidied(&mut self, outcome: &archive::Result<usize>) {
        self.settle_upkeep(Work::Tidy, TIDYING_FAILS, outcome.as_ref().err());
        if let Ok(removed) = outcome {
            self.parts.metrics.tidied(*removed);
        }
        if let Some(stock) = self.shown.stock.get().cloned() {
            self.look(stock);
        }
        // What retention could not delete is tried again.
        self.prune_is_due = true;
    }

    fn erased(&mut self, outcome: archive::Result<()>) {
        let outcome = outcome.map_err(Problem::from);
        if let (Ok(()), Some(listing)) = (&outcome, &mut self.listing) {
            tracing::info!("the archive is deleted");
            listing.own.clear();
            self.last = None;
            self.failures = Failures::default();
            self.shown.board.publish(|status| *status = erased_status(status));
        }
        self.show_listing();
        for reply in self.erase.drain(..) {
            drop(reply.send(outcome.clone().map_err(Refusal::Failed)));
        }
    }

    fn show_last(&self) {
        let last = self.last.map(|last| last.finished);
        self.parts.metrics.succeeded(last);
        self.shown.board.publish(|status| status.last_success = last);
    }

    /// Brings status and metrics up to date with the list.
    pub(super) fn show_listing(&self) {
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

/// After the end of the archive only the number of the status stays.
fn erased_status(status: &SidecarStatus) -> SidecarStatus {
    SidecarStatus { sequence: status.sequence, ..SidecarStatus::default() }
}

/// The task for its next try.
fn again(task: Task) -> Task {
    let failures = task.failures.saturating_add(1);
    let not_before = Instant::now() + backoff(failures, fastrand::f64());
    Task { failures, not_before, ..task }
}

/// The last success that the archive tells of. Those in the future were made by a clock that was put
/// back since; when there are no others, the last was just now.
fn last_success<'a>(own: impl Iterator<Item = &'a Known>, now: Timestamp) -> Option<Last> {
    let lasts = own
        .filter(|known| known.backup.damaged.is_none())
        .map(|known| Last { started: known.backup.start_time, finished: known.backup.finish_time });
    let (past, future): (Vec<_>, Vec<_>) = lasts.partition(|last| last.finished <= now);
    let latest = past.into_iter().max_by_key(|last| last.finished);
    latest.or_else(|| (!future.is_empty()).then_some(Last { started: now, finished: now }))
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
