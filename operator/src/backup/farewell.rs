//! Before a cluster with a backup policy is deleted: one more backup, or, with
//! `cleanupBackupsOnClusterDelete`, the removal of its archive.
//!
//! The members are left as they are meanwhile, for they are what is saved. What is remembered stands
//! in the status, so that another replica goes on with the same minute. Where nothing can be remembered,
//! the time of the deletion counts: nothing keeps a cluster for ever.

#[cfg(test)]
mod tests;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use api::finalizers;
use api::sidecar::{BackupOrder, store_identity};
use api::v1beta1::{Cluster, FinalBackupStatus};
use hyper::StatusCode;
use jiff::{SignedDuration, Timestamp};
use kube::runtime::controller::Action;
use kube::{Api, Resource, ResourceExt};

use self::verdict::{Answer, Duty, Verdict};
use super::attend::Attendant;
use super::client::{ClientError, SidecarClient};
use super::policy::{self, ValidatedBackup};
use super::volume::Claim;
use super::{finalizer, location, records};
use crate::caches::GuardedCluster;
use crate::call::{is_refused, within};
use crate::clock;
use crate::controller::Context;
use crate::error::Error;
use crate::report::Happening;
use crate::status;
use crate::validate::{Validated, validate};

/// How long one look waits for the sidecar. The controller must be able to stop.
const WAIT: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_secs(2);
const AT_ONCE: Duration = Duration::from_millis(10);
const LAG: Duration = Duration::from_millis(200);
/// How long a deletion waits whose progress cannot be remembered.
const LONGEST: SignedDuration = SignedDuration::from_mins(5);

/// Whether this cluster waits for us before it goes.
pub fn is_leaving(cluster: &GuardedCluster) -> bool {
    let is_deleted = cluster.meta().deletion_timestamp.is_some();
    is_deleted && finalizer::is_on(cluster, finalizers::FINAL_BACKUP)
}

/// Comes one step nearer to the end of a cluster.
pub async fn farewell(guarded: &GuardedCluster, ctx: &Context) -> Result<Action, Error> {
    if guarded.0.is_err() {
        // Nobody can say what its policy was, and nobody shall have to mend it to be rid of it.
        let name = guarded.name_any();
        tracing::warn!(cluster = name, "a malformed Cluster is deleted without a final backup");
        finalizer::take_off(&ctx.client, guarded, finalizers::FINAL_BACKUP).await?;
        return Ok(Action::await_change());
    }
    let Some(cluster) = fresh(guarded, ctx).await? else { return Ok(Action::await_change()) };
    let (duty, backup) = match duty(&cluster, ctx) {
        Ok(duty) => duty,
        Err(told) => return release(&cluster, told, ctx).await,
    };
    let validated = validate(&cluster);
    let farewell = Farewell { ctx, cluster: &cluster, validated: &validated, backup: &backup };
    farewell.go_on(duty).await
}

/// What is to be done, and where; `Err` when nothing is, with what is to be told of it.
fn duty(cluster: &Cluster, ctx: &Context) -> Result<(Duty, ValidatedBackup), Option<Happening>> {
    let backup = match policy::place(cluster, &ctx.backup.defaults) {
        None => return Err(None),
        Some(Err(sentence)) => {
            let note = format!("no final backup was taken: {sentence}");
            let reason = "FinalBackupFailed";
            return Err(Some(Happening { warning: true, reason, note, pod: None }));
        }
        Some(Ok(backup)) => backup,
    };
    let has_served = cluster.status.as_ref().is_some_and(|status| status.served);
    match backup.policy.cleanup_backups_on_cluster_delete {
        true => Ok((Duty::CleanUp, backup)),
        false if has_served => Ok((Duty::Save, backup)),
        // It never held any data.
        false => Err(None),
    }
}

async fn fresh(guarded: &GuardedCluster, ctx: &Context) -> Result<Option<Arc<Cluster>>, Error> {
    let namespace = guarded.namespace().unwrap_or_default();
    let api: Api<Cluster> = Api::namespaced(ctx.client.clone(), &namespace);
    let there = within("reading the cluster", api.get_opt(&guarded.name_any())).await?;
    let is_it = |cluster: &Cluster| {
        cluster.metadata.deletion_timestamp.is_some()
            && finalizer::is_on(cluster, finalizers::FINAL_BACKUP)
    };
    Ok(there.filter(is_it).map(Arc::new))
}

async fn note(cluster: &Cluster, known: FinalBackupStatus, ctx: &Context) -> Result<Action, Error> {
    let mut after = cluster.status.clone().unwrap_or_default();
    after.message = Some("it is being deleted; its backups are seen to first".into());
    let again = if known.failures > 0 { AGAIN } else { AT_ONCE };
    after.backup_service_status.get_or_insert_default().final_backup = Some(known);
    status::write(&ctx.client, cluster, after).await?;
    Ok(Action::requeue(again))
}

async fn release(
    cluster: &Cluster,
    told: Option<Happening>,
    ctx: &Context,
) -> Result<Action, Error> {
    let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
    if let Some(told) = told {
        tracing::info!(namespace, name, reason = told.reason, "{}", told.note);
        ctx.announcer.tell(cluster, &[told]).await;
    }
    finalizer::take_off(&ctx.client, cluster, finalizers::FINAL_BACKUP).await?;
    ctx.backup.links.end(&cluster.uid().unwrap_or_default());
    Ok(Action::await_change())
}

/// What was remembered of the look before.
fn remembered(cluster: &Cluster) -> Option<FinalBackupStatus> {
    cluster.status.as_ref()?.backup_service_status.as_ref()?.final_backup.clone()
}

/// Whether nothing can be remembered of this cluster, however often it is tried.
fn is_lasting(error: &Error) -> bool {
    is_refused(error) || matches!(error, Error::OldDefinition { .. })
}

struct Farewell<'a> {
    ctx: &'a Context,
    cluster: &'a Cluster,
    validated: &'a Validated,
    backup: &'a ValidatedBackup,
}

impl Farewell<'_> {
    async fn go_on(&self, duty: Duty) -> Result<Action, Error> {
        let mut forgets = None;
        let known = match remembered(self.cluster) {
            Some(known) => known,
            // The minute begins before anything is asked for.
            None => match note(self.cluster, verdict::begin(clock::now()), self.ctx).await {
                Err(error) if is_lasting(&error) => {
                    forgets = Some(error);
                    verdict::begin(self.since())
                }
                noted => return noted,
            },
        };
        let answer = self.ask(duty, &known).await;
        match (verdict::judge(duty, &known, &answer, clock::now()), forgets) {
            (Verdict::Release(told), _) => release(self.cluster, Some(told), self.ctx).await,
            (Verdict::Wait, _) => Ok(Action::requeue(AGAIN)),
            (Verdict::Note(_), Some(error)) => self.forget(duty, &error).await,
            (Verdict::Note(known), None) => match note(self.cluster, known, self.ctx).await {
                Err(error) if is_lasting(&error) => self.forget(duty, &error).await,
                noted => noted,
            },
        }
    }

    /// Goes on with nothing remembered, unless that lasts too long.
    async fn forget(&self, duty: Duty, error: &Error) -> Result<Action, Error> {
        if clock::now().duration_since(self.since()) < LONGEST {
            return Ok(Action::requeue(AGAIN));
        }
        let told = verdict::given_up(duty, &Answer::Silent(error.sentence()));
        release(self.cluster, Some(told), self.ctx).await
    }

    /// Since when the deletion waits for this replica.
    fn since(&self) -> Timestamp {
        let deleted = self.cluster.metadata.deletion_timestamp.as_ref();
        deleted.map_or(self.ctx.started, |time| time.0.max(self.ctx.started))
    }

    async fn ask(&self, duty: Duty, known: &FinalBackupStatus) -> Answer {
        let attendant = Attendant {
            client: &self.ctx.client,
            caches: &self.ctx.caches,
            room: &self.ctx.backup,
            cluster: self.validated,
        };
        let client = match attendant.sidecar().await {
            Ok(Some(client)) => client,
            Ok(None) => return Answer::Silent("no backup sidecar runs".into()),
            Err(error) => return Answer::Silent(error.sentence()),
        };
        let answer = match duty {
            Duty::Save => self.save(&client, known).await,
            Duty::CleanUp => self.clean_up(&client).await,
        };
        if matches!(verdict::judge(duty, known, &answer, clock::now()), Verdict::Release(_)) {
            self.record(&client).await;
        }
        answer
    }

    async fn save(&self, client: &SidecarClient, known: &FinalBackupStatus) -> Answer {
        // Nobody brings the sidecar's configuration up to date any more, and it may be of before a
        // recovery.
        let etcd_cluster_id =
            self.cluster.status.as_ref().and_then(|status| status.cluster_id.clone());
        let order = BackupOrder { reason: "final".into(), member: None, etcd_cluster_id };
        // A failed order stays failed; the next attempt is another.
        let id = format!("final-{}-{}", self.validated.uid, known.failures);
        match client.order(&id, &order, WAIT).await {
            Ok(request) => Answer::Order(Box::new(request)),
            Err(error) => Answer::Silent(said(&error)),
        }
    }

    async fn clean_up(&self, client: &SidecarClient) -> Answer {
        match client.remove_archive().await {
            Ok(()) if self.backup.volume.is_some() => self.remove_claim(client).await,
            // What lies on a volume of that name is of another policy, or of another cluster.
            Ok(()) => Answer::Removed,
            Err(ClientError::Refused { status: StatusCode::LOCKED, message, .. }) => {
                Answer::Locked(message)
            }
            Err(error) => match client.status(None).await {
                Ok(status) => Answer::Left {
                    remaining: i64::try_from(status.backups).unwrap_or(i64::MAX),
                    why: said(&error),
                },
                Err(_) => Answer::Silent(said(&error)),
            },
        }
    }

    /// Deletes the claim of the backup volume, if the sidecar has just looked there and found nothing.
    async fn remove_claim(&self, client: &SidecarClient) -> Answer {
        let found = match client.all_backups().await {
            Ok(found) => found,
            Err(error) => return Answer::Silent(said(&error)),
        };
        let own = found.backups.iter().filter(|it| it.cluster_uid == self.validated.uid).count();
        if own > 0 {
            // By a sidecar on its way out, which does not know of the removal.
            let why = "one more backup was stored meanwhile".into();
            return Answer::Left { remaining: i64::try_from(own).unwrap_or(i64::MAX), why };
        }
        // A sidecar of an earlier policy may have looked elsewhere.
        if found.store != location::volume() || !found.backups.is_empty() {
            return Answer::Removed;
        }
        match Claim::new(&self.ctx.client, self.validated).remove().await {
            Ok(()) => Answer::Removed,
            Err(error) => Answer::Silent(error.sentence()),
        }
    }

    /// Brings the records to what is stored now: nobody does it once the cluster is gone.
    async fn record(&self, client: &SidecarClient) {
        let recorder = records::Recorder {
            client: &self.ctx.client,
            caches: &self.ctx.caches,
            cluster: self.validated,
            store: store_identity(&self.backup.store),
        };
        let kept = async {
            let stored = client
                .list()
                .await
                .map_err(|source| Error::Sidecar { what: "listing the backups", source })?;
            loop {
                match recorder.keep(&stored, client).await {
                    Ok(true) => {}
                    Ok(false) => return Ok(()),
                    // What the watch has seen lags behind what was just written.
                    Err(Error::Conflict { .. }) => tokio::time::sleep(LAG).await,
                    Err(error) => return Err(error),
                }
            }
        };
        let outcome = tokio::time::timeout(WAIT * 2, kept).await;
        if let Ok(Err(error)) = outcome {
            tracing::warn!(error = error.sentence(), "the last records were not written");
        }
    }
}

fn said(error: &ClientError) -> String {
    format!("the backup sidecar: {error}")
}
