//! Taking one backup: the product's [`Taker`].
//!
//! look at the members ─> choose one ─> anything new? ─> reserve a folder ─> stream ─> commit
//!
//! One call is one attempt. It ends with every byte stored and the manifest committed, or with nothing
//! that is listed; what a crash leaves is removed after a day.

use std::sync::Arc;
use std::time::Duration;

use archive::{
    attempt::Attempt,
    digest::Digest,
    layout::ArchivePath,
    manifest::{Manifest, Reason},
    store::Store,
};
use async_trait::async_trait;
use etcd::{ClusterId, Tls};
use jiff::{SignedDuration, Timestamp};

use crate::{
    config::{Members, Owner},
    pipeline::{self, StreamError, Streamed},
    serve::{Job, Problem, Progress, Taken, Taker},
    source::{self, Seen, SourceError, Wish},
    told::Told,
};

mod kinship;
mod record;

/// The longest that etcd may send nothing while its bytes are wanted.
const IDLE: Duration = Duration::from_secs(30);

/// Takes backups of one cluster.
#[derive(Clone, Debug)]
pub(crate) struct Backup {
    /// How etcd is reached.
    pub members: Members,
    /// Whose archive the backups go to.
    pub owner: Owner,
    /// What is said of the cluster: its spec, for the manifest, and etcd's own ID.
    pub told: Told,
    /// For how long the store is to lock each backup.
    pub lock: Option<SignedDuration>,
}

#[async_trait]
impl Taker for Backup {
    async fn take(
        &self,
        store: Arc<dyn Store>,
        job: Job,
        progress: Arc<Progress>,
    ) -> Result<Taken, Problem> {
        let (all, chosen) = self.choose(&job).await?;
        let archive = self.owner.archive(chosen.status.cluster_id)?;
        if self.is_unchanged(&*store, &archive, &job, &all).await? {
            return Ok(Taken::Unchanged);
        }
        let (manifest, digest) = self.write(store, &archive, &chosen, &job, &progress).await?;
        Ok(Taken::Stored(Box::new(manifest), digest))
    }
}

impl Backup {
    /// Whether there is nothing new for a scheduled backup. Refuses to put backups of two clusters into
    /// one archive where nobody but etcd's own ID says whose it is.
    async fn is_unchanged(
        &self,
        store: &dyn Store,
        archive: &ArchivePath,
        job: &Job,
        all: &[Seen],
    ) -> Result<bool, Problem> {
        let is_scheduled = job.reason == Reason::Scheduled;
        let is_by_etcd = matches!(self.owner, Owner::ByEtcd { .. });
        if !is_scheduled && !is_by_etcd {
            return Ok(false);
        }
        let Some(newest) = kinship::newest(store, archive).await? else { return Ok(false) };
        match kinship::contradiction(&newest, all) {
            Some(why) if is_by_etcd && job.reason != Reason::BeforeRecovery => {
                let advice = "another etcd with the same cluster ID, or one that was restored? Give \
                              --uid NAME, which keeps its backups apart from those that are there";
                Err(Problem::for_good("OtherCluster", format!("{why}: {advice}")))
            }
            Some(why) => {
                tracing::warn!("etcd has gone back: {why}");
                Ok(false)
            }
            None if !is_scheduled || !kinship::is_unchanged(&newest, all) => Ok(false),
            None => Ok(!is_by_etcd || kinship::has_same_keys(&newest, all).await),
        }
    }

    /// Of which etcd cluster the snapshot must be; nothing while nobody knows. Who orders knows best: a
    /// recovery gives another ID, and what is told follows a while later. So what is told does not keep a
    /// survivor from being saved.
    async fn whose(&self, job: &Job) -> Option<ClusterId> {
        if job.cluster.is_some() || job.reason == Reason::BeforeRecovery {
            return job.cluster;
        }
        self.told.now().await.cluster
    }

    /// All members that answer, and the one to take the snapshot from.
    async fn choose(&self, job: &Job) -> Result<(Vec<Seen>, Seen), Problem> {
        let tls = self.tls()?;
        let endpoints = match &job.member {
            Some(url) => std::slice::from_ref(url),
            None => &self.members.endpoints,
        };
        let (user, ours) = (self.members.user.as_ref(), self.whose(job).await);
        let looked = source::look(endpoints, tls.as_ref(), user, ours).await;
        let all = looked.map_err(|error| match (&error, &job.member) {
            // A member that was named, by whoever knows the cluster.
            (SourceError::OtherCluster { .. }, Some(_)) => Problem::for_good(error.reason(), error),
            _ => error.into(),
        })?;
        let named = |url: &String| all.iter().filter(|one| one.url == *url).cloned().collect();
        let eligible: Vec<Seen> = job.member.as_ref().map_or_else(|| all.clone(), named);
        let wish = match (job.reason, &job.member) {
            (Reason::BeforeRecovery, Some(_)) => Wish::LastCopy,
            (Reason::BeforeRecovery | Reason::Final, None) | (_, Some(_)) => Wish::Survivor,
            _ => Wish::Working,
        };
        let chosen = source::choose(&eligible, wish).map_err(|error| match job.member {
            // What is wrong with a member that was named stays wrong, and no other is to be chosen.
            Some(_) => Problem::for_good(error.reason(), error),
            None => error.into(),
        })?;
        let chosen = up_to_date(chosen, &eligible, wish).await?.clone();
        tracing::info!(member = chosen.name(), url = chosen.url, reason = ?job.reason, "taking a backup");
        Ok((all, chosen))
    }

    fn tls(&self) -> Result<Option<Tls>, Problem> {
        let read = self.members.tls.as_ref().map(crate::config::TlsFiles::read).transpose();
        read.map_err(|error| Problem::new(error.reason(), error))
    }

    async fn write(
        &self,
        store: Arc<dyn Store>,
        archive: &ArchivePath,
        source: &Seen,
        job: &Job,
        progress: &Progress,
    ) -> Result<(Manifest, Digest), Problem> {
        let attempt = Attempt::begin(store, archive.clone(), now()).await?;
        fault::point("after-attempt");
        let lock_until = self.lock.and_then(|lock| attempt.start().checked_add(lock).ok());
        let streamed = match upload(&attempt, lock_until, source, progress).await {
            Ok(streamed) => streamed,
            Err(error) => {
                attempt.give_up(error.of_the_store()).await;
                return Err(error.into());
            }
        };
        fault::point("after-data");
        progress.step();
        let keys_hash = match self.owner {
            Owner::Known(_) => None,
            Owner::ByEtcd { .. } => kinship::hash(source, streamed.checked.contents.revision).await,
        };
        let manifest = record::manifest(record::Facts {
            attempt: &attempt,
            archive,
            source,
            streamed,
            job,
            finished: now(),
            lock_until,
            keys_hash,
            spec: self.told.now().await.spec,
        });
        let digest = attempt.commit(&manifest).await?;
        fault::point("after-manifest");
        Ok((manifest, digest))
    }
}

/// The chosen one once it has all that was acknowledged, or the leader.
async fn up_to_date<'a>(
    chosen: &'a Seen,
    eligible: &'a [Seen],
    wish: Wish,
) -> Result<&'a Seen, SourceError> {
    if wish != Wish::Working && chosen.status.leader.is_none() {
        return Ok(chosen);
    }
    let ask = |one: &'a Seen| async move {
        let asked = source::is_up_to_date(one).await;
        if let Err(error) = &asked {
            tracing::warn!(member = one.name(), %error, "it cannot tell whether it is up to date");
        }
        asked.is_ok()
    };
    match source::first(&source::by_preference(chosen, eligible), ask).await {
        Some(one) => Ok(one),
        // What it has is all there is.
        None if wish != Wish::Working => Ok(chosen),
        None => Err(SourceError::Behind),
    }
}

/// Everything up to the data's being there as a whole.
async fn upload(
    attempt: &Attempt,
    lock_until: Option<Timestamp>,
    source: &Seen,
    progress: &Progress,
) -> Result<Streamed, StreamError> {
    let snapshot = source.client.snapshot(IDLE).await?;
    progress.set_expected(snapshot.total_bytes());
    let mut upload = attempt.upload(lock_until).await?;
    progress.watch(upload.moved());
    match pipeline::stream(snapshot, &mut upload, progress).await {
        Ok(streamed) => {
            fault::point("before-data");
            if !attempt.is_ours().await? {
                return Err(attempt.taken().into());
            }
            progress.step();
            upload.finish().await?;
            Ok(streamed)
        }
        Err(error) => {
            if let Err(left) = upload.abort().await {
                tracing::warn!(%left, "a failed upload is left to be removed after a day");
            }
            Err(error)
        }
    }
}

impl From<SourceError> for Problem {
    fn from(error: SourceError) -> Self {
        Self::new(error.reason(), error)
    }
}

impl From<StreamError> for Problem {
    fn from(error: StreamError) -> Self {
        Self::new(error.reason(), error)
    }
}

/// The one place at which a backup asks for the time.
#[expect(clippy::disallowed_methods, reason = "the edge: everything below is given the time")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
