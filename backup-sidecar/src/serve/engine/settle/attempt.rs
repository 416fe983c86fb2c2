//! What follows from an attempt to take a backup.

use api::sidecar::{BackupRequest, RequestState};
use schedule::Last;
use tokio::time::Instant;

use super::super::Engine;
use super::super::backoff::backoff;
use super::super::failures::Work;
use super::super::task::{self, Origin, Refusal, Task};
use super::super::work::Backup;
use crate::serve::stock::Known;
use crate::serve::taker::{Problem, Taken};

impl Engine {
    pub(super) fn taken(&mut self, backup: Backup, outcome: Result<Taken, Problem>) {
        self.end_backup();
        match outcome {
            Ok(taken) => self.succeeded(backup, taken),
            Err(problem) => self.attempt_failed(backup.task, &problem),
        }
    }

    /// Nothing is being taken any more.
    pub(in crate::serve::engine) fn end_backup(&self) {
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

    /// Ends a backup of which nothing moves.
    pub(in crate::serve::engine) fn give_up_running(&mut self) {
        if let Some(backup) = self.running.take().and_then(|running| running.backup) {
            let problem = Problem::new(
                "Stalled",
                "nothing of the backup has moved for minutes; see whether etcd and the store answer",
            );
            self.taken(backup, Err(problem));
        }
    }
}

/// The task for its next try.
fn again(task: Task) -> Task {
    let failures = task.failures.saturating_add(1);
    let not_before = Instant::now() + backoff(failures, fastrand::f64());
    Task { failures, not_before, ..task }
}
