//! The pieces of work, and which is next.

use std::sync::Arc;
use std::time::Duration;

use api::sidecar::RequestState;
use archive::prune::Pruned;
use archive::store::Store;
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::time::Instant;

use super::task::{self, Origin, Task};
use super::{Engine, READER_LOOKS, STALLED, TIDY};
use crate::listing::word;
use crate::serve::stock::{Listing, Stock};
use crate::serve::taker::{Problem, Progress, Taken};

/// What became of a piece of work.
pub(super) enum Done {
    Opened(archive::Result<Arc<dyn Store>>),
    Listed(archive::Result<Listing>),
    Taken(Result<Taken, Problem>),
    Pruned(archive::Result<Pruned>),
    Tidied(archive::Result<usize>),
    Erased(archive::Result<()>),
}

/// The piece of work that is under way.
pub(super) struct Running {
    work: BoxFuture<'static, Done>,
    pub(super) backup: Option<Backup>,
    /// For a backup: how long nothing may move.
    patience: Duration,
}

/// A backup that is under way.
pub(super) struct Backup {
    pub(super) task: Task,
    pub(super) started: Timestamp,
    pub(super) since: Instant,
    progress: Arc<Progress>,
    moved: u64,
    moved_at: Instant,
}

impl Running {
    fn new(work: impl Future<Output = Done> + Send + 'static) -> Self {
        Self { work: work.boxed(), backup: None, patience: STALLED }
    }

    pub(super) fn is_backup(&self) -> bool {
        self.backup.is_some()
    }

    pub(super) async fn end(&mut self) -> Done {
        (&mut self.work).await
    }

    /// From now on nothing may move for this long only.
    pub(super) fn allow(&mut self, patience: Duration) {
        self.patience = patience;
        if let Some(backup) = &mut self.backup {
            backup.moved_at = Instant::now();
        }
    }

    /// Whether it is a backup of which nothing has moved for too long.
    pub(super) fn stands_still(&mut self) -> bool {
        let Some(backup) = &mut self.backup else { return false };
        let moved = backup.progress.moved();
        if moved != backup.moved {
            backup.moved = moved;
            backup.moved_at = Instant::now();
        }
        backup.moved_at.elapsed() >= self.patience
    }

    /// When to look again whether it stands still.
    pub(super) fn next_look(&self) -> Instant {
        let moved_at = self.backup.as_ref().map(|backup| backup.moved_at);
        moved_at.unwrap_or_else(Instant::now) + self.patience
    }
}

impl Engine {
    /// Begins what is to be done next, if anything is.
    pub(super) fn choose(&mut self) {
        let now = Instant::now();
        let Some(stock) = self.shown.stock.get().cloned() else {
            if now >= self.store_not_before {
                let open = (self.parts.open)();
                self.running = Some(Running::new(open.map(Done::Opened)));
            }
            return;
        };
        if self.listing.is_none() {
            if now >= self.store_not_before {
                self.look(stock);
            }
        } else if !self.erase.is_empty() {
            let board = self.shown.board.clone();
            let tell = move |left| board.publish(|status| status.backups = left);
            self.running = Some(Running::new(async move { Done::Erased(stock.erase(tell).await) }));
        } else if let Some(task) = self.next_task(now) {
            self.take(&stock, task);
        } else if self.prune_is_due && self.takes_backups() {
            self.prune(stock);
        } else if now >= self.tidy_at {
            self.tidy(stock);
        }
    }

    pub(super) fn look(&mut self, stock: Arc<Stock>) {
        self.running = Some(Running::new(async move { Done::Listed(stock.list().await) }));
    }

    /// Orders go first; retention before a scheduled backup, so that a full store gets room.
    fn next_task(&mut self, now: Instant) -> Option<Task> {
        if !self.takes_backups() {
            return None;
        }
        if let Some(place) = self.queue.iter().position(|task| task.not_before <= now) {
            return self.queue.remove(place);
        }
        if self.prune_is_due {
            return None;
        }
        match self.retry.take_if(|task| task.not_before <= now) {
            Some(task) => Some(task),
            None if self.retry.is_some() => None,
            None => {
                let rings = self.alarm.is_some_and(|alarm| alarm.rings(self.parts.clock.now()));
                rings.then(Task::scheduled)
            }
        }
    }

    fn take(&mut self, stock: &Arc<Stock>, task: Task) {
        let Some(taker) = self.parts.taker.clone() else { return };
        let (store, job) = (stock.store().clone(), task.job.clone());
        let progress = Arc::new(Progress::default());
        let counted = progress.clone();
        let reason = word(job.reason);
        let mut running =
            Running::new(async move { Done::Taken(taker.take(store, job, counted).await) });
        if let Origin::Order(id) = &task.origin {
            let request = task::request(id, RequestState::Uploading, None);
            self.shown.board.show(request, Some(progress.clone()));
        }
        let now = Instant::now();
        let started = self.parts.clock.now();
        let backup = Backup { task, started, since: now, progress, moved: 0, moved_at: now };
        running.backup = Some(backup);
        self.running = Some(running);
        self.parts.metrics.runs(true);
        self.shown.board.publish(|status| status.running = Some(reason.to_owned()));
        tracing::info!(reason, "taking a backup");
    }

    fn prune(&mut self, stock: Arc<Stock>) {
        self.prune_is_due = false;
        let (policy, now) = (self.parts.retention, self.parts.clock.now());
        self.running =
            Some(Running::new(async move { Done::Pruned(stock.prune(&policy, now).await) }));
    }

    /// Removes what died on its way, and makes the list anew after that.
    fn tidy(&mut self, stock: Arc<Stock>) {
        let now = self.parts.clock.now();
        if self.takes_backups() {
            self.tidy_at = Instant::now() + TIDY;
            self.running = Some(Running::new(async move { Done::Tidied(stock.tidy(now).await) }));
        } else {
            self.tidy_at = Instant::now() + READER_LOOKS;
            self.look(stock);
        }
    }
}
