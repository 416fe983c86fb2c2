//! The one task that decides: schedule, orders, another try after a failure, retention, cleaning up.
//!
//! One piece of work runs at a time, so there are never two backups at once, and retention never works
//! beside an upload. Meanwhile the engine listens. Whatever fails is tried again later, and status says
//! since when and why; nothing that a store or etcd does can end the engine.

mod alarm;
mod backoff;
mod failures;
mod hear;
mod settle;
mod task;
#[cfg(test)]
pub(crate) mod tests;
mod work;

use std::collections::VecDeque;
use std::fmt;
use std::future::pending;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use archive::{layout::ArchivePath, retention, store::Store};
use futures::future::BoxFuture;
use jiff::Timestamp;
use schedule::{Last, Schedule};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::serve::{board::Board, clock::Clock, stock::Listing, stock::Stock, taker::Taker};

use alarm::Alarm;
use failures::Failures;
use task::Task;
use work::Running;

pub(crate) use task::{Ask, Refusal};

/// The engine looks at the wall clock this often, which may have jumped.
const LOOK_UP: Duration = Duration::from_mins(1);
/// A backup of which nothing moves for so long is given up. All waits within have shorter limits.
const STALLED: Duration = Duration::from_mins(5);
/// The same after a signal to stop.
const STALLED_AT_STOP: Duration = Duration::from_mins(1);
/// What died on its way is looked for, and the list is made anew, this often.
const TIDY: Duration = Duration::from_hours(1);
/// A reader's list is made anew this often.
const READER_LOOKS: Duration = Duration::from_mins(5);

/// Opens the store; called again until it succeeds.
pub(crate) type Open =
    Box<dyn Fn() -> BoxFuture<'static, archive::Result<Arc<dyn Store>>> + Send + Sync>;

/// What the engine works with.
pub(crate) struct Parts {
    /// When.
    pub(crate) schedule: Schedule,
    /// How many stay.
    pub(crate) retention: retention::Policy,
    /// Whose.
    pub(crate) archive: ArchivePath,
    /// The store's URL.
    pub(crate) url: String,
    /// The store itself.
    pub(crate) open: Open,
    /// Who takes backups; nobody, for a reader.
    pub(crate) taker: Option<Arc<dyn Taker>>,
    /// The time.
    pub(crate) clock: Clock,
    /// What it counts.
    pub(crate) metrics: Metrics,
}

/// What the engine shows to others.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// Status and orders.
    pub(crate) board: Arc<Board>,
    /// The archive, once the store was opened.
    pub(crate) stock: Arc<OnceLock<Arc<Stock>>>,
    /// Set once the store has answered, or has failed and status says why.
    pub(crate) ready: CancellationToken,
}

impl Shown {
    /// Nothing so far.
    pub(crate) fn new(now: Timestamp) -> Self {
        let board = Arc::new(Board::new(now));
        Self { board, stock: Arc::default(), ready: CancellationToken::new() }
    }
}

/// The engine.
pub(crate) struct Engine {
    parts: Parts,
    shown: Shown,
    asks: mpsc::Receiver<Ask>,
    stop: CancellationToken,
    running: Option<Running>,
    /// Orders, in the order in which they came.
    queue: VecDeque<Task>,
    /// The scheduled backup that failed and is tried again.
    retry: Option<Task>,
    /// Who waits for the end of the archive.
    erase: Vec<oneshot::Sender<Result<(), Refusal>>>,
    /// Whether that was ever asked for; no backup is taken after that, even if it failed.
    is_erased: bool,
    listing: Option<Listing>,
    last: Option<Last>,
    alarm: Option<Alarm>,
    failures: Failures,
    /// Failures to open or list the store, in a row, and when it is tried again.
    store_failures: u32,
    store_not_before: Instant,
    prune_is_due: bool,
    tidy_at: Instant,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("queue", &self.queue).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine that answers `asks` until `stop`.
    pub(crate) fn new(
        parts: Parts,
        shown: Shown,
        asks: mpsc::Receiver<Ask>,
        stop: CancellationToken,
    ) -> Self {
        let now = Instant::now();
        Self {
            parts,
            shown,
            asks,
            stop,
            running: None,
            queue: VecDeque::new(),
            retry: None,
            erase: Vec::new(),
            is_erased: false,
            listing: None,
            last: None,
            alarm: None,
            failures: Failures::default(),
            store_failures: 0,
            store_not_before: now,
            prune_is_due: false,
            tidy_at: now,
        }
    }

    /// Works until `stop`, and to the end of a backup that is under way then.
    pub(crate) async fn run(mut self) {
        let mut is_stopping = false;
        loop {
            if !is_stopping && self.stop.is_cancelled() {
                is_stopping = true;
                self.begin_to_stop();
            }
            if self.running.is_none() {
                if is_stopping {
                    break;
                }
                self.choose();
            }
            let wake = self.wake();
            let stop = self.stop.clone();
            tokio::select! {
                () = stop.cancelled(), if !is_stopping => {}
                Some(ask) = self.asks.recv() => self.hear(ask),
                done = end_of(&mut self.running) => self.settle(done),
                () = sleep_until(wake) => {}
            }
            self.look_up();
        }
        self.end();
    }

    fn begin_to_stop(&mut self) {
        match &mut self.running {
            Some(running) if running.is_backup() => {
                tracing::info!("a backup is under way; the sidecar stops when it is done");
                running.allow(STALLED_AT_STOP);
            }
            _ => self.running = None,
        }
    }

    /// What the clocks alone bring about.
    fn look_up(&mut self) {
        let now = self.parts.clock.now();
        if let Some(alarm) = self.alarm {
            self.set_alarm(alarm.after_jumps(&self.parts.schedule, self.last, now));
        }
        if self.running.as_mut().is_some_and(Running::stands_still) {
            self.give_up_running();
        }
        self.expire_orders();
    }

    /// When to look again though nothing happens.
    fn wake(&self) -> Instant {
        let now = Instant::now();
        let mut wake = now + LOOK_UP;
        if let Some(running) = &self.running {
            return wake.min(running.next_look());
        }
        if self.listing.is_none() {
            return wake.min(self.store_not_before);
        }
        let ends = self.queue.iter().flat_map(|task| [task.not_before, task.ends]);
        for time in ends.chain(self.scheduled_at()).chain([self.tidy_at]) {
            wake = wake.min(time);
        }
        // Two clocks never agree to the nanosecond.
        wake.max(now + Duration::from_millis(1))
    }

    /// When the scheduled backup is to be tried, for the first time or again.
    fn scheduled_at(&self) -> Option<Instant> {
        let alarm = self.alarm.filter(|_| self.takes_backups())?;
        let wait = || Instant::now() + alarm.wait(self.parts.clock.now());
        Some(self.retry.as_ref().map_or_else(wait, |task| task.not_before))
    }

    fn takes_backups(&self) -> bool {
        self.parts.taker.is_some() && !self.is_erased
    }

    fn set_alarm(&mut self, alarm: Alarm) {
        self.alarm = Some(alarm);
        let next = self.takes_backups().then(|| alarm.time());
        self.shown.board.publish(|status| status.next = next);
    }

    fn arm(&mut self) {
        let now = self.parts.clock.now();
        self.set_alarm(Alarm::set(&self.parts.schedule, self.last, now));
    }
}

/// The end of what runs; never, while nothing does.
async fn end_of(running: &mut Option<Running>) -> work::Done {
    match running {
        Some(running) => running.end().await,
        None => pending().await,
    }
}
