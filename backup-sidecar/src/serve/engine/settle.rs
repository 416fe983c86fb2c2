//! What follows from the end of a piece of work.

mod attempt;
mod shown;

use std::sync::Arc;

use api::sidecar::{RequestState, SidecarStatus};
use archive::prune::Pruned;
use archive::store::Store;
use jiff::Timestamp;
use schedule::Last;
use tokio::time::Instant;

use super::backoff::backoff;
use super::failures::{Failures, Work};
use super::task::{self, Origin, Refusal};
use super::work::Done;
use super::{Engine, Parts};
use crate::serve::stock::{Known, Listing, Stock};
use crate::serve::taker::Problem;

const RETENTION_FAILS: &str = "old backups cannot be deleted";
const TIDYING_FAILS: &str = "what died on its way cannot be removed";

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
}

/// After the end of the archive only the number of the status stays.
fn erased_status(status: &SidecarStatus) -> SidecarStatus {
    SidecarStatus { sequence: status.sequence, ..SidecarStatus::default() }
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
