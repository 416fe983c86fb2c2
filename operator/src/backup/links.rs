//! Follows the sidecar of each cluster: one task a cluster asks for news and waits for the answer.
//!
//! ```text
//! reconcile ── follow(client) ──> task ── GET /v1/status?after=N&wait=30s ──> sidecar
//!     ^   └─── seen() <────────── what it said last
//!     └─────── a nudge for each piece of news
//! ```
//!
//! At rest a link is one open connection. While the sidecar does not answer, it is asked less and
//! less often. A store that cannot be listed is no silence: what the sidecar says of it counts. What a
//! link has seen is comfort: after a restart it is asked anew.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::sidecar::{BackupList, SidecarStatus};
use jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use super::client::{ClientError, SidecarClient};
use crate::caches::GuardedCluster;
use crate::clock;

/// Names a cluster.
pub type Key = ObjectRef<GuardedCluster>;

/// One nudge for each of so many clusters; one that finds no room is made up for by the next look.
const NEWS: usize = 1024;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// What a sidecar said last.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Its status; none before its first answer.
    pub status: Option<Arc<SidecarStatus>>,
    /// The stored backups, newest first; none before they were listed.
    pub backups: Option<Arc<BackupList>>,
    /// Why they could not be listed anew since they may have changed.
    pub unlisted: Option<String>,
    /// Why it does not answer, and since when.
    pub silence: Option<Silence>,
}

/// A sidecar that does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Since when.
    pub since: Timestamp,
    /// What the last attempt failed of.
    pub why: String,
}

/// Whom a link asks: the client, and whether Kubernetes calls the sidecar available. A change of
/// either is a reason to try at once.
type Target = Option<(Arc<SidecarClient>, bool)>;

struct Link {
    target: watch::Sender<Target>,
    seen: Arc<Mutex<Seen>>,
    _task: AbortOnDropHandle<()>,
}

/// The links of all clusters, by UID.
pub struct Links {
    news: mpsc::Sender<Key>,
    links: Mutex<HashMap<String, Link>>,
}

impl Links {
    /// No links yet, and where their news come out.
    pub fn new() -> (Self, mpsc::Receiver<Key>) {
        let (news, receiver) = mpsc::channel(NEWS);
        (Self { news, links: Mutex::default() }, receiver)
    }

    /// Follows the sidecar of a cluster by this client, and says what it said last.
    pub fn follow(
        &self,
        key: &Key,
        uid: &str,
        client: &Arc<SidecarClient>,
        available: bool,
    ) -> Seen {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let link = links.entry(uid.to_owned()).or_insert_with(|| self.link(key));
        link.target.send_if_modified(|target| {
            let is_same = target.as_ref().is_some_and(|(known, was_available)| {
                Arc::ptr_eq(known, client) && *was_available == available
            });
            *target = Some((Arc::clone(client), available));
            !is_same
        });
        link.seen()
    }

    fn link(&self, key: &Key) -> Link {
        let (target, targets) = watch::channel(None);
        let seen = Arc::new(Mutex::new(Seen::default()));
        let follower =
            Follower { key: key.clone(), seen: Arc::clone(&seen), news: self.news.clone() };
        Link { target, seen, _task: AbortOnDropHandle::new(tokio::spawn(follower.run(targets))) }
    }

    /// The client of a cluster's sidecar, if it is followed.
    pub fn client(&self, uid: &str) -> Option<Arc<SidecarClient>> {
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let target = links.get(uid)?.target.borrow().clone();
        target.map(|(client, _)| client)
    }

    /// What a cluster's sidecar said last; nothing while it is not followed.
    pub fn seen(&self, uid: &str) -> Seen {
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.get(uid).map(Link::seen).unwrap_or_default()
    }

    /// Whether a cluster's sidecar said last that its backups fail.
    pub fn is_failing(&self, uid: &str) -> bool {
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(seen) = links.get(uid).map(Link::seen) else { return false };
        seen.unlisted.is_some() || seen.status.is_some_and(|status| status.failing.is_some())
    }

    /// Has a cluster looked at again at once.
    pub fn nudge(&self, key: &Key) {
        // Full only when a thousand nudges wait already; a look follows in any case.
        drop(self.news.try_send(key.clone()));
    }

    /// Ends the links of all clusters but these.
    pub fn keep(&self, is_there: impl Fn(&str) -> bool) {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|uid, _| is_there(uid));
    }

    /// Ends the link of one cluster.
    pub fn end(&self, uid: &str) {
        self.keep(|other| other != uid);
    }
}

impl Link {
    fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The task of one link.
struct Follower {
    key: Key,
    seen: Arc<Mutex<Seen>>,
    news: mpsc::Sender<Key>,
}

impl Follower {
    async fn run(self, mut targets: watch::Receiver<Target>) {
        let mut pause = FIRST_PAUSE;
        loop {
            let Some((client, _)) = targets.borrow_and_update().clone() else {
                // The sender goes with the link.
                if targets.changed().await.is_err() {
                    return;
                }
                continue;
            };
            tokio::select! {
                changed = targets.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    pause = FIRST_PAUSE;
                }
                is_well = self.ask(&client) => if is_well {
                    pause = FIRST_PAUSE;
                } else {
                    let slept = pause.mul_f64(1.0 + fastrand::f64() / 2.0);
                    pause = match tokio::time::timeout(slept, targets.changed()).await {
                        Ok(Err(_)) => return,
                        Ok(Ok(())) => FIRST_PAUSE,
                        Err(_) => (pause * 2).min(LONGEST_PAUSE),
                    };
                }
            }
        }
    }

    /// Waits for one piece of news; false when the next is not to be asked for at once.
    async fn ask(&self, client: &SidecarClient) -> bool {
        let before = self.look();
        // After a silence it may be another process, which counts from the beginning.
        let waits = before.status.as_ref().is_some_and(|status| status.unlisted);
        let is_well = before.silence.is_none() && (waits || before.unlisted.is_none());
        let after = before.status.as_ref().map(|status| status.sequence);
        match client.status(after.filter(|_| is_well)).await {
            Ok(status) => self.hear(client, &before, Arc::new(status)).await,
            Err(error) => {
                self.silent(&error);
                false
            }
        }
    }

    /// Notes what was said, and lists the backups if they may be others now.
    async fn hear(
        &self,
        client: &SidecarClient,
        before: &Seen,
        status: Arc<SidecarStatus>,
    ) -> bool {
        let known = before.status.as_ref().filter(|_| before.unlisted.is_none());
        let is_same = known.is_some_and(|known| is_same_list(known, &status));
        let mut seen = Seen {
            status: Some(Arc::clone(&status)),
            backups: before.backups.clone(),
            unlisted: before.unlisted.clone(),
            silence: None,
        };
        if status.unlisted {
            // It lists the store itself, and says when it has.
            let why = status.failing.as_ref().map(|failing| failing.message.clone());
            seen.unlisted = Some(why.unwrap_or_else(|| "it has not listed the store yet".into()));
        } else if !is_same || seen.backups.is_none() {
            // A store that hangs does not keep the word of it.
            self.note(seen.clone());
            match client.list().await {
                Ok(backups) => (seen.backups, seen.unlisted) = (Some(Arc::new(backups)), None),
                Err(error) => seen.unlisted = Some(error.to_string()),
            }
        }
        let is_listed = seen.unlisted.is_none();
        let is_news = before.silence.is_some()
            || before.status.as_ref() != Some(&status)
            || before.unlisted.is_none() != is_listed;
        self.note(seen);
        if is_news {
            self.tell();
        }
        is_listed || status.unlisted
    }

    fn silent(&self, error: &ClientError) {
        let before = self.look();
        let since = before.silence.as_ref().map_or_else(clock::now, |silence| silence.since);
        let is_news = before.silence.is_none();
        self.note(Seen { silence: Some(Silence { since, why: error.to_string() }), ..before });
        if is_news {
            tracing::debug!(cluster = self.key.name, %error, "the backup sidecar does not answer");
            self.tell();
        }
    }

    fn look(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, seen: Seen) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }

    fn tell(&self) {
        // Full only when a thousand nudges wait already; a look follows in any case.
        drop(self.news.try_send(self.key.clone()));
    }
}

/// Whether the list of backups is the same after a change of status: the change was that one is
/// being taken, or failed, and such a one stands in no list.
fn is_same_list(before: &SidecarStatus, after: &SidecarStatus) -> bool {
    before.backups == after.backups
        && before.recent_backup == after.recent_backup
        && (before.sequence == after.sequence || after.running.is_some() || after.failing.is_some())
}
