//! What the engine shows and the API reads: the status, and what became of orders.
//!
//! Readers can wait for a change without asking again and again. The status bears a number that grows
//! with each change. It begins with the time of the start, so that it grows over restarts too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::sidecar::{BackupRequest, RequestState, SidecarStatus};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::serve::taker::Progress;

/// Orders that are remembered after their end. Older ones are found by their manifests.
const REMEMBERED: usize = 256;

/// The board.
#[derive(Debug)]
pub(crate) struct Board {
    status: watch::Sender<SidecarStatus>,
    orders: watch::Sender<Orders>,
}

#[derive(Debug, Default)]
struct Orders {
    all: BTreeMap<String, Order>,
    /// How many have come to an end.
    ended: u64,
}

#[derive(Debug)]
struct Order {
    request: BackupRequest,
    progress: Option<Arc<Progress>>,
    /// The how-manieth to come to an end.
    end: Option<u64>,
}

impl Board {
    /// An empty one.
    pub(crate) fn new(now: Timestamp) -> Self {
        let sequence = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let status = SidecarStatus { sequence, unlisted: true, ..SidecarStatus::default() };
        Self { status: watch::Sender::new(status), orders: watch::Sender::default() }
    }

    /// The status.
    pub(crate) fn status(&self) -> SidecarStatus {
        self.status.borrow().clone()
    }

    /// Changes the status. Who waits is told only if it is another one then.
    pub(crate) fn publish(&self, change: impl FnOnce(&mut SidecarStatus)) {
        self.status.send_if_modified(|status| {
            let before = status.clone();
            change(status);
            let is_new = *status != before;
            status.sequence = before.sequence + u64::from(is_new);
            is_new
        });
    }

    /// The status, once it is another than number `after`, or after `wait` as it is. (A number that is
    /// higher than ours comes from a process whose clock ran ahead: what it has is old.)
    pub(crate) async fn status_after(&self, after: u64, wait: Duration) -> SidecarStatus {
        let mut changes = self.status.subscribe();
        let other = changes.wait_for(|status| status.sequence != after);
        match timeout(wait, other).await {
            Ok(Ok(status)) => status.clone(),
            Ok(Err(_)) | Err(_) => self.status(),
        }
    }

    /// An order that is known.
    pub(crate) fn order(&self, id: &str) -> Option<BackupRequest> {
        self.orders.borrow().get(id)
    }

    /// An order once it has come to its end, or after `wait` as it is.
    pub(crate) async fn order_end(&self, id: &str, wait: Duration) -> Option<BackupRequest> {
        let mut changes = self.orders.subscribe();
        let ended = changes
            .wait_for(|orders| orders.all.get(id).is_none_or(|order| order.request.has_ended()));
        match timeout(wait, ended).await {
            Ok(Ok(orders)) => orders.get(id),
            Ok(Err(_)) | Err(_) => self.order(id),
        }
    }

    /// Shows how far an order is.
    pub(crate) fn show(&self, request: BackupRequest, progress: Option<Arc<Progress>>) {
        self.orders.send_modify(|orders| orders.insert(request, progress));
    }
}

impl Orders {
    fn get(&self, id: &str) -> Option<BackupRequest> {
        let Order { request, progress, .. } = self.all.get(id)?;
        let received = progress.as_ref().map_or(request.received, |progress| progress.received());
        Some(BackupRequest { received, ..request.clone() })
    }

    fn insert(&mut self, request: BackupRequest, progress: Option<Arc<Progress>>) {
        let end = request.has_ended().then_some(self.ended);
        self.ended += u64::from(end.is_some());
        self.all.insert(request.id.clone(), Order { request, progress, end });
        let ended = self.all.iter().filter_map(|(id, order)| Some((order.end?, id.clone())));
        let mut ended: Vec<_> = ended.collect();
        ended.sort_unstable();
        for (_, id) in ended.iter().take(ended.len().saturating_sub(REMEMBERED)) {
            self.all.remove(id);
        }
    }
}

/// Whether nothing more will become of it.
trait End {
    fn has_ended(&self) -> bool;
}

impl End for BackupRequest {
    fn has_ended(&self) -> bool {
        matches!(self.state, RequestState::Stored | RequestState::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> Board {
        Board::new(Timestamp::UNIX_EPOCH)
    }

    fn request(id: &str, state: RequestState) -> BackupRequest {
        BackupRequest {
            id: id.into(),
            state,
            received: 0,
            backup: None,
            message: None,
            failed: None,
        }
    }

    #[test]
    fn a_status_that_is_the_same_keeps_its_number() {
        let board = board();
        board.publish(|status| status.backups = 3);
        board.publish(|status| status.backups = 3);
        assert_eq!((board.status().sequence, board.status().backups), (1, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_told_of_the_next_change_or_after_its_wait() {
        let board = board();
        let wait = Duration::from_secs(30);
        let before = tokio::time::Instant::now();
        assert_eq!(board.status_after(0, wait).await.sequence, 0);
        assert_eq!(before.elapsed(), wait);
        let change = async { board.publish(|status| status.backups = 1) };
        let (status, ()) = tokio::join!(board.status_after(0, wait), change);
        assert_eq!((status.sequence, before.elapsed()), (1, wait));
        // A number of an earlier process.
        assert_eq!(board.status_after(99, wait).await.sequence, 1);
        assert_eq!(before.elapsed(), wait);
    }

    #[tokio::test(start_paused = true)]
    async fn an_order_is_waited_for_until_its_end() {
        let board = board();
        assert_eq!(board.order_end("a", Duration::from_secs(9)).await, None);
        board.show(request("a", RequestState::Uploading), None);
        let end = async { board.show(request("a", RequestState::Failed), None) };
        let (found, ()) = tokio::join!(board.order_end("a", Duration::from_secs(9)), end);
        assert_eq!(found.unwrap().state, RequestState::Failed);
    }

    #[test]
    fn the_orders_that_ended_first_are_forgotten_first_and_open_ones_never() {
        let board = board();
        board.show(request("open", RequestState::Pending), None);
        for number in 0..300 {
            board.show(request(&format!("{number}"), RequestState::Stored), None);
        }
        let is_known = |id: &str| board.order(id).is_some();
        assert!(is_known("open") && is_known("299") && is_known("44") && !is_known("43"));
    }
}
