//! Backups that wait for their turn.

use std::time::Duration;

use api::sidecar::{BackupOrder, BackupRequest, RequestState};
use archive::layout::BackupId;
use archive::manifest::Reason;
use etcd::ClusterId;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::serve::taker::{Job, Problem};
use crate::told;

/// An order is tried for so long; then whoever gave it is told, and may give another.
pub(super) const ORDER_ENDS: Duration = Duration::from_mins(10);
/// Orders that wait at the same time.
pub(super) const MOST_ORDERS: usize = 64;

/// The answer to `GET /v1/backupnow`.
pub(crate) type NowReply = oneshot::Sender<Result<BackupId, Refusal>>;

/// What the API asks of the engine.
#[derive(Debug)]
pub(crate) enum Ask {
    /// A backup by order. The same order again is the same backup.
    Order {
        /// The caller's name for it.
        id: String,
        /// What is wanted.
        order: BackupOrder,
        /// How far it is.
        reply: oneshot::Sender<Result<BackupRequest, Refusal>>,
    },
    /// A backup now, answered when it is stored or has failed.
    Now {
        /// Its name.
        reply: NowReply,
    },
    /// The end of the whole archive. No backup is taken after that.
    Erase {
        /// Once everything is gone.
        reply: oneshot::Sender<Result<(), Refusal>>,
    },
    /// A backup was deleted.
    Deleted {
        /// Which.
        id: BackupId,
    },
}

/// Why the engine does not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// It was started to read only.
    #[error("this sidecar only reads; ask the one that was started without --read-only")]
    ReadOnly,
    /// The process is about to end.
    #[error("the sidecar is stopping; ask again in a moment")]
    Stopping,
    /// Too much is waiting.
    #[error("{MOST_ORDERS} backups are waiting; ask again when some are done")]
    TooMany,
    /// The archive was deleted.
    #[error("the archive of this cluster was deleted; no backups are taken any more")]
    Erased,
    /// The order makes no sense.
    #[error("{0}")]
    BadOrder(String),
    /// It was tried.
    #[error(transparent)]
    Failed(#[from] Problem),
}

/// Who wants a backup.
#[derive(Debug)]
pub(super) enum Origin {
    /// The schedule.
    Schedule,
    /// An order of this name.
    Order(String),
    /// Those who asked for one now.
    Now(Vec<NowReply>),
}

/// A backup that waits for its turn.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) origin: Origin,
    pub(super) job: Job,
    /// Attempts that failed.
    pub(super) failures: u32,
    pub(super) not_before: Instant,
    pub(super) ends: Instant,
}

impl Task {
    pub(super) fn new(origin: Origin, job: Job) -> Self {
        let now = Instant::now();
        Self { origin, job, failures: 0, not_before: now, ends: now + ORDER_ENDS }
    }

    pub(super) fn scheduled() -> Self {
        let job = Job { reason: Reason::Scheduled, request: None, member: None, cluster: None };
        Self::new(Origin::Schedule, job)
    }

    pub(super) fn now(reply: NowReply) -> Self {
        let job = Job { reason: Reason::OnDemand, request: None, member: None, cluster: None };
        Self::new(Origin::Now(vec![reply]), job)
    }

    pub(super) fn order(id: &str, order: &BackupOrder) -> Result<Self, Refusal> {
        let job = Job {
            reason: reason(&order.reason)?,
            request: Some(id.to_owned()),
            member: order.member.as_deref().map(member).transpose()?,
            cluster: order.etcd_cluster_id.as_deref().map(cluster).transpose()?,
        };
        Ok(Self::new(Origin::Order(id.to_owned()), job))
    }
}

fn reason(word: &str) -> Result<Reason, Refusal> {
    match word {
        "on-demand" => Ok(Reason::OnDemand),
        "before-recovery" => Ok(Reason::BeforeRecovery),
        "before-upgrade" => Ok(Reason::BeforeUpgrade),
        "final" => Ok(Reason::Final),
        _ => Err(Refusal::BadOrder(format!(
            "{word:?} is no reason for a backup; write on-demand, before-recovery, before-upgrade or \
             final"
        ))),
    }
}

fn member(text: &str) -> Result<String, Refusal> {
    let url = url::Url::parse(text).ok();
    let is_good = url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    is_good.then(|| text.to_owned()).ok_or_else(|| {
        let sentence = "is no client URL of a member; write one such as http://10.0.0.7:2379";
        Refusal::BadOrder(format!("{text:?} {sentence}"))
    })
}

fn cluster(text: &str) -> Result<ClusterId, Refusal> {
    told::cluster_id(text).map_err(Refusal::BadOrder)
}

/// How far an order is, in the API's form.
pub(super) fn request(id: &str, state: RequestState, message: Option<String>) -> BackupRequest {
    BackupRequest { id: id.to_owned(), state, received: 0, backup: None, message, failed: None }
}
