//! What is asked of the engine.

use api::sidecar::{BackupOrder, BackupRequest, RequestState};
use tokio::time::Instant;

use super::Engine;
use super::task::{self, Ask, MOST_ORDERS, NowReply, Origin, Refusal, Task};
use super::work::Running;
use crate::serve::taker::Problem;

impl Engine {
    /// Answers, or takes it into the queue. That somebody does not wait for the answer any more is
    /// none of the engine's business.
    pub(super) fn hear(&mut self, ask: Ask) {
        match ask {
            Ask::Order { id, order, reply } => drop(reply.send(self.order(&id, &order))),
            Ask::Now { reply } => self.now(reply),
            Ask::Erase { reply } => self.begin_to_erase(reply),
            Ask::Deleted { id } => {
                if let Some(listing) = &mut self.listing {
                    listing.own.retain(|known| known.id != id);
                }
                self.show_listing();
            }
        }
    }

    fn may_ask(&self) -> Result<(), Refusal> {
        if self.parts.taker.is_none() {
            return Err(Refusal::ReadOnly);
        }
        if self.is_erased {
            return Err(Refusal::Erased);
        }
        if self.stop.is_cancelled() {
            return Err(Refusal::Stopping);
        }
        if self.queue.len() >= MOST_ORDERS { Err(Refusal::TooMany) } else { Ok(()) }
    }

    fn order(&mut self, id: &str, order: &BackupOrder) -> Result<BackupRequest, Refusal> {
        if let Some(known) = self.shown.board.order(id) {
            return Ok(known);
        }
        if let Some(stored) = self.stored_order(id) {
            return Ok(stored);
        }
        let task = Task::order(id, order)?;
        self.may_ask()?;
        let request = task::request(id, RequestState::Pending, None);
        self.shown.board.show(request.clone(), None);
        self.queue.push_back(task);
        Ok(request)
    }

    /// An order that an earlier process has carried out.
    fn stored_order(&self, id: &str) -> Option<BackupRequest> {
        let own = &self.listing.as_ref()?.own;
        let known = own.iter().find(|known| known.backup.request.as_deref() == Some(id))?;
        let request = task::request(id, RequestState::Stored, None);
        Some(BackupRequest { backup: Some(known.backup.clone()), ..request })
    }

    /// Takes orders out of the queue that turn out to have been carried out.
    pub(super) fn find_stored_orders(&mut self) {
        let ids = self.queue.iter().filter_map(|task| task.job.request.clone());
        let stored: Vec<_> = ids.filter_map(|id| self.stored_order(&id)).collect();
        for request in stored {
            self.queue.retain(|task| task.job.request.as_deref() != Some(&request.id));
            self.shown.board.show(request, None);
        }
    }

    /// All who ask while one waits get the same backup.
    fn now(&mut self, reply: NowReply) {
        let waiting = self.queue.iter_mut().find_map(|task| match &mut task.origin {
            Origin::Now(replies) => Some(replies),
            Origin::Schedule | Origin::Order(_) => None,
        });
        if let Some(replies) = waiting {
            replies.push(reply);
            return;
        }
        match self.may_ask() {
            Ok(()) => self.queue.push_back(Task::now(reply)),
            Err(refusal) => drop(reply.send(Err(refusal))),
        }
    }

    /// A backup that is under way would be deleted at once, so it ends here.
    fn begin_to_erase(&mut self, reply: tokio::sync::oneshot::Sender<Result<(), Refusal>>) {
        if self.parts.taker.is_none() {
            drop(reply.send(Err(Refusal::ReadOnly)));
            return;
        }
        self.is_erased = true;
        self.erase.push(reply);
        self.alarm = None;
        self.retry = None;
        self.prune_is_due = false;
        self.refuse_all(&Refusal::Erased);
        let is_backup = self.running.as_ref().is_some_and(Running::is_backup);
        if let Some(running) = self.running.take_if(|_| is_backup) {
            self.end_backup();
            if let Some(backup) = running.backup {
                self.refuse(backup.task, &Refusal::Erased);
            }
        }
    }

    /// At the end of the process orders stay open: given again they are carried out by the next one.
    pub(super) fn end(&mut self) {
        self.queue.retain(|task| matches!(task.origin, Origin::Now(_)));
        self.refuse_all(&Refusal::Stopping);
    }

    /// Tells all who wait that nothing will come of it.
    fn refuse_all(&mut self, refusal: &Refusal) {
        for task in std::mem::take(&mut self.queue) {
            self.refuse(task, refusal);
        }
    }

    pub(super) fn refuse(&self, task: Task, refusal: &Refusal) {
        match task.origin {
            Origin::Schedule => {}
            Origin::Order(id) => {
                let message = Some(refusal.to_string());
                let request = task::request(&id, RequestState::Failed, message);
                let failed = Some(self.parts.clock.now());
                self.shown.board.show(BackupRequest { failed, ..request }, None);
            }
            Origin::Now(replies) => {
                for reply in replies {
                    drop(reply.send(Err(refusal.clone())));
                }
            }
        }
    }

    /// Gives up the orders whose time is over.
    pub(super) fn expire_orders(&mut self) {
        let now = Instant::now();
        while let Some(place) = self.queue.iter().position(|task| task.ends <= now) {
            let Some(task) = self.queue.remove(place) else { return };
            let known = task.job.request.as_ref().and_then(|id| self.shown.board.order(id));
            let why = known.and_then(|request| request.message);
            let why = why.unwrap_or_else(|| "other backups took all the time".to_owned());
            self.refuse(task, &Refusal::Failed(Problem::new("Timeout", why)));
        }
    }
}
