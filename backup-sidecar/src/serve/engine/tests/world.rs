//! What the engine lives in.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::archive::{
    digest::Digest,
    layout::{ArchivePath, BackupId, DATA},
    manifest::{Cluster, Counts, EtcdId, FORMAT, GZIP, Manifest, Raw, Reason, Source, Stored},
    retention,
    store::{Put, Store, objects::Objects},
};
use api::sidecar::{BackupOrder, BackupRequest, SidecarStatus};
use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use prometheus_client::registry::Registry;
use schedule::{Cron, Schedule};
use serde_json::Map;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::moody::{Mood, Moody};
use crate::metrics::Metrics;
use crate::serve::clock::Clock;
use crate::serve::engine::{Ask, Engine, Open, Parts, Refusal, Shown};
use crate::serve::taker::{Job, Problem, Progress, Taken, Taker};

/// `plums` in gzip.
pub(crate) const GZIPPED: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x2b\xc8\x29\xcd\x2d\
    \x06\x00\xbe\xc0\x65\x05\x05\x00\x00\x00";

pub(crate) const START: &str = "2026-11-24T10:00:00Z";

/// What an attempt does.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Stores a backup, after so long in which bytes come.
    Store(Duration),
    /// Finds nothing new.
    Unchanged,
    /// Fails.
    Fail(Problem),
    /// Never ends, and nothing moves.
    Hang,
}

/// Takes backups as the test says: one act after the other, and the last again and again.
#[derive(Debug)]
pub(crate) struct FakeTaker {
    pub(crate) acts: Mutex<VecDeque<Act>>,
    /// What was begun, and when by the wall clock.
    pub(crate) taken: Mutex<Vec<(Timestamp, Job)>>,
    at_once: AtomicU64,
    pub(crate) most_at_once: AtomicU64,
    revision: AtomicU64,
    archive: ArchivePath,
    clock: Clock,
}

/// Counts attempts that are under way, also those that are dropped.
struct AtOnce<'a>(&'a AtomicU64);

impl Drop for AtOnce<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Taker for FakeTaker {
    async fn take(
        &self,
        store: Arc<dyn Store>,
        job: Job,
        progress: Arc<Progress>,
    ) -> Result<Taken, Problem> {
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        let _at_once = AtOnce(&self.at_once);
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        self.taken.lock().unwrap().push((self.clock.now(), job.clone()));
        let act = {
            let mut acts = self.acts.lock().unwrap();
            if acts.len() > 1 { acts.pop_front().unwrap() } else { acts[0].clone() }
        };
        match act {
            Act::Store(time) => self.store(&*store, job, &progress, time).await,
            Act::Unchanged => Ok(Taken::Unchanged),
            Act::Fail(problem) => Err(problem),
            Act::Hang => std::future::pending().await,
        }
    }
}

impl FakeTaker {
    async fn store(
        &self,
        store: &dyn Store,
        job: Job,
        progress: &Progress,
        time: Duration,
    ) -> Result<Taken, Problem> {
        let started = self.clock.now();
        let end = Instant::now() + time;
        while Instant::now() < end {
            let left = end - Instant::now();
            tokio::time::sleep(left.min(Duration::from_secs(10))).await;
            progress.receive(1);
        }
        let revision = self.revision.fetch_add(1, Ordering::SeqCst);
        let mut manifest = manifest(&self.archive, revision, started, self.clock.now());
        manifest.reason = job.reason;
        manifest.request = job.request;
        let digest = put(store, &self.archive, &manifest, Bytes::from_static(GZIPPED)).await;
        Ok(Taken::Stored(Box::new(manifest), digest))
    }
}

/// Stores a backup whose data are these bytes, as they are.
pub(crate) async fn put(
    store: &dyn Store,
    archive: &ArchivePath,
    manifest: &Manifest,
    data: Bytes,
) -> Digest {
    let mut upload = store.begin_upload(&archive.data(manifest.id).unwrap(), None).await.unwrap();
    upload.write(data).await.unwrap();
    upload.finish().await.unwrap();
    let bytes = manifest.to_bytes().unwrap();
    let key = archive.manifest(manifest.id).unwrap();
    assert_eq!(store.put_if_absent(&key, bytes.clone(), None).await.unwrap(), Put::Created);
    Digest::of(&bytes)
}

pub(crate) fn manifest(
    archive: &ArchivePath,
    revision: u64,
    started: Timestamp,
    finished: Timestamp,
) -> Manifest {
    let unknown = Map::new;
    Manifest {
        format: FORMAT,
        id: BackupId::new(revision, started),
        cluster: Cluster {
            namespace: archive.namespace().into(),
            name: archive.cluster().into(),
            uid: archive.uid().into(),
            etcd_cluster_id: EtcdId(0xcdf81),
            unknown: unknown(),
        },
        source: Source {
            member: "kv-0001".into(),
            member_id: EtcdId(0x8e9e),
            etcd_version: "3.5.15".into(),
            cluster_version: Some("3.5.0".into()),
            storage_version: None,
            unknown: unknown(),
        },
        revision,
        compact_revision: 1,
        raft_applied_index: revision + 40,
        started,
        finished,
        raw: Raw { size: 5, sha256: Digest::of(b"plums"), unknown: unknown() },
        stored: Stored {
            object: DATA.into(),
            size: 25,
            sha256: Digest::of(GZIPPED),
            encodings: vec![GZIP.into()],
            unknown: unknown(),
        },
        counts: Counts::default(),
        members: Vec::new(),
        reason: Reason::Scheduled,
        request: None,
        keys_hash: None,
        auth_enabled: false,
        locked_until: None,
        spec: None,
        unknown: unknown(),
    }
}

/// The world, with an engine in it.
pub(crate) struct World {
    pub(crate) taker: Arc<FakeTaker>,
    pub(crate) store: Arc<Objects>,
    /// What the engine's store refuses; the one above refuses nothing.
    pub(crate) mood: Arc<Mood>,
    pub(crate) archive: ArchivePath,
    pub(crate) clock: Clock,
    /// Seconds by which the wall clock is ahead of the uptime.
    pub(crate) jump: Arc<AtomicI64>,
    pub(crate) shown: Shown,
    /// How often the store is still to fail to open.
    pub(crate) closed: Arc<AtomicU64>,
    pub(crate) schedule: Schedule,
    pub(crate) max_backups: u32,
    pub(crate) is_reader: bool,
    pub(crate) asks: mpsc::Sender<Ask>,
    stop: CancellationToken,
    engine: Option<JoinHandle<()>>,
}

impl World {
    /// Backups every half hour that take a second, none so far. The engine does not run yet.
    pub(crate) fn new() -> Self {
        let archive = ArchivePath::new("shop", "kv", "0e1f-77").unwrap();
        let jump = Arc::new(AtomicI64::new(0));
        let (begin, start, ahead) =
            (Instant::now(), START.parse::<Timestamp>().unwrap(), jump.clone());
        let clock = Clock::new(move || {
            let uptime = SignedDuration::try_from(begin.elapsed()).unwrap();
            start + uptime + SignedDuration::from_secs(ahead.load(Ordering::SeqCst))
        });
        let taker = Arc::new(FakeTaker {
            acts: Mutex::new([Act::Store(Duration::from_secs(1))].into()),
            taken: Mutex::default(),
            at_once: AtomicU64::new(0),
            most_at_once: AtomicU64::new(0),
            revision: AtomicU64::new(100),
            archive: archive.clone(),
            clock: clock.clone(),
        });
        Self {
            taker,
            store: Arc::new(Objects::memory()),
            mood: Arc::default(),
            archive,
            shown: Shown::new(clock.now()),
            clock,
            jump,
            closed: Arc::new(AtomicU64::new(0)),
            schedule: Schedule::Interval(SignedDuration::from_mins(30)),
            max_backups: 0,
            is_reader: false,
            asks: mpsc::channel(1).0,
            stop: CancellationToken::new(),
            engine: None,
        }
    }

    pub(crate) fn cron(mut self, text: &str) -> Self {
        self.schedule = Schedule::Cron(Cron::new(text, "UTC").unwrap());
        self
    }

    pub(crate) fn acts(self, acts: impl IntoIterator<Item = Act>) -> Self {
        *self.taker.acts.lock().unwrap() = acts.into_iter().collect();
        self
    }

    /// Starts an engine that knows nothing but what is in the store.
    pub(crate) fn start(&mut self) {
        if let Some(engine) = self.engine.take() {
            engine.abort();
        }
        self.shown = Shown::new(self.clock.now());
        self.stop = CancellationToken::new();
        let (send, asks) = mpsc::channel(64);
        self.asks = send;
        let policy = retention::Policy {
            max_backups: Some(self.max_backups),
            ..retention::Policy::default()
        };
        let parts = Parts {
            schedule: self.schedule.clone(),
            retention: policy,
            archive: self.archive.clone(),
            url: "s3://bucket/prefix?region=eu".into(),
            open: self.opener(),
            taker: (!self.is_reader).then(|| self.taker.clone() as Arc<dyn Taker>),
            clock: self.clock.clone(),
            metrics: Metrics::register(&mut Registry::default()),
        };
        let engine = Engine::new(parts, self.shown.clone(), asks, self.stop.clone());
        self.engine = Some(tokio::spawn(engine.run()));
    }

    fn opener(&self) -> Open {
        let store = Arc::new(Moody { store: self.store.clone(), mood: self.mood.clone() });
        let closed = self.closed.clone();
        Box::new(move || {
            let left = closed.load(Ordering::SeqCst);
            closed.store(left.saturating_sub(1), Ordering::SeqCst);
            let store = store.clone() as Arc<dyn Store>;
            let opened = if left == 0 {
                Ok(store)
            } else {
                Err(::archive::Error::Unavailable("connection refused".into()))
            };
            Box::pin(async { opened })
        })
    }

    /// Lets time pass.
    pub(crate) async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    pub(crate) async fn minutes(&self, minutes: u64) {
        self.pass(Duration::from_secs(60 * minutes)).await;
    }

    /// When attempts were begun: `10:00:01`.
    pub(crate) fn times(&self) -> Vec<String> {
        let taken = self.taker.taken.lock().unwrap();
        taken.iter().map(|(time, _)| time.strftime("%H:%M:%S").to_string()).collect()
    }

    pub(crate) fn attempts(&self) -> usize {
        self.taker.taken.lock().unwrap().len()
    }

    pub(crate) fn status(&self) -> SidecarStatus {
        self.shown.board.status()
    }

    pub(crate) async fn order(&self, id: &str, reason: &str) -> Result<BackupRequest, Refusal> {
        let order = BackupOrder { reason: reason.into(), ..BackupOrder::default() };
        let (reply, answer) = oneshot::channel();
        self.asks.send(Ask::Order { id: id.into(), order, reply }).await.unwrap();
        answer.await.unwrap()
    }

    pub(crate) async fn now(&self) -> Result<BackupId, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(Ask::Now { reply }).await.unwrap();
        answer.await.unwrap()
    }

    pub(crate) async fn erase(&self) -> Result<(), Refusal> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(Ask::Erase { reply }).await.unwrap();
        answer.await.unwrap()
    }

    /// The signal.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.engine.as_ref().unwrap().is_finished()
    }

    /// What lies in the backup's folder and notes that it was asked for.
    pub(crate) async fn notes(&self, id: BackupId) -> Vec<String> {
        let folder = self.archive.backup(id.start()).unwrap();
        let all: Vec<_> = self.store.list(&folder).try_collect().await.unwrap();
        let names = all.into_iter().map(|entry| entry.key.to_string());
        names.filter(|name| name.contains("/wanted-")).collect()
    }

    pub(crate) async fn stored(&self) -> usize {
        ::archive::catalogue::list(&*self.store, &self.archive).await.unwrap().len()
    }
}
