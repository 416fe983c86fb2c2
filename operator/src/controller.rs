//! The reconcile of one cluster: observe, validate, plan, act, report.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Client, ResourceExt};
use planner::{Phase, Plan, Recheck, Step};
use tokio_util::sync::CancellationToken;

use crate::act::{Actor, Outcome};
use crate::announce::Announcer;
use crate::backup::{Attendant, Attended};
use crate::caches::{Caches, GuardedCluster};
use crate::call::is_namespace_ending;
use crate::error::Error;
use crate::metrics::{Metrics, StepOutcome};
use crate::observe::{Absences, Freshness, Sight, archive, look};
use crate::pace::Pace;
use crate::rival::Rivals;
use crate::validate::{Unmet, Validated, validate};
use crate::watchdog::Watchdog;
use crate::{backup, build, clock, objects, report, restore, status};

/// What every reconcile is done with.
pub struct Context {
    /// The Kubernetes API.
    pub client: Client,
    /// What the watches have seen.
    pub caches: Caches,
    /// Cancelled once the caches hold what was there at the start. Not [`Caches::ready`], which wakes
    /// only the last of those that wait for it.
    pub filled: CancellationToken,
    /// Image of the guard.
    pub init_image: String,
    /// What the backups of all clusters share.
    pub backup: backup::Room,
    /// When this replica began to work.
    pub started: Timestamp,
    /// Writes Events.
    pub announcer: Announcer,
    /// Counts.
    pub metrics: Metrics,
    /// When to look again.
    pub pace: Pace,
    /// Which members are missed, and since which report of their nodes.
    pub absences: Absences,
    /// Told of every look that ends.
    pub watchdog: Watchdog,
    /// The namespaces that are left to another operator.
    pub rivals: Rivals,
}

/// A cluster, what shall happen to it, and why it may not.
struct Decided {
    sight: Sight,
    cluster: Validated,
    plan: Plan,
}

/// Looks at one cluster and brings it one step nearer to its spec.
pub async fn reconcile(guarded: Arc<GuardedCluster>, ctx: Arc<Context>) -> Result<Action, Error> {
    let started = Instant::now();
    if let Err(invalid) = &guarded.0
        && !backup::is_leaving(&guarded)
    {
        tracing::warn!(cluster = guarded.name_any(), error = %invalid.error, "malformed Cluster");
        return Ok(Action::await_change());
    }
    // In caches that are still being filled, members that run would look gone. Returns at once later.
    ctx.filled.cancelled().await;
    let result = Box::pin(look_after(&guarded, &ctx)).await;
    ctx.metrics.reconciled(started.elapsed());
    ctx.watchdog.looked();
    result
}

async fn look_after(guarded: &GuardedCluster, ctx: &Context) -> Result<Action, Error> {
    let key = ObjectRef::from_obj(guarded);
    if is_left_to_another(guarded, ctx).await? {
        let uid = guarded.uid().unwrap_or_default();
        Ok(Action::requeue(ctx.pace.next(&uid, Recheck::AtRest, false)))
    } else if backup::is_leaving(guarded) {
        Box::pin(backup::farewell(guarded, ctx)).await
    } else {
        Box::pin(one_step(&key, ctx)).await
    }
}

/// Another operator looks after the clusters of this namespace. Told once.
async fn is_left_to_another(cluster: &GuardedCluster, ctx: &Context) -> Result<bool, Error> {
    let namespace = cluster.namespace().unwrap_or_default();
    let holder = ctx.rivals.at_work(&ctx.client, &namespace).await?;
    let news = ctx.rivals.news(&cluster.uid().unwrap_or_default(), holder.as_deref());
    if let (Ok(cluster), Some(news)) = (&cluster.0, news) {
        tracing::warn!(namespace, name = cluster.name_any(), "{}", news.note);
        ctx.announcer.tell(cluster, &[news]).await;
    }
    Ok(holder.is_some())
}

/// What became of the step of this reconcile; none when there was none.
type Attempt = Result<Option<Outcome>, Error>;

async fn one_step(key: &ObjectRef<GuardedCluster>, ctx: &Context) -> Result<Action, Error> {
    let Some(mut decided) = Box::pin(decide(key, ctx, Freshness::Cached)).await? else {
        return Ok(Action::await_change());
    };
    let backups = Box::pin(backups(&mut decided, ctx)).await;
    let surroundings = surroundings(&decided, ctx).await;
    let (mut decided, attempt) = match surroundings {
        // A cluster that may hold data is healed whatever is wrong around it.
        Err(error) if !decided.sight.observed.has_served() => (decided, Err(error)),
        surroundings => {
            let (decided, attempt) = Box::pin(step(decided, key, ctx)).await?;
            (decided, surroundings.and(attempt))
        }
    };
    report(&mut decided, &attempt, &backups, ctx).await?;
    let acted = attempt? == Some(Outcome::Done);
    match backups.trouble {
        Some(trouble) if !acted => return Err(trouble),
        _ => {}
    }
    Ok(Action::requeue(ctx.pace.next(&decided.cluster.uid, decided.plan.recheck, acted)))
}

async fn decide(
    key: &ObjectRef<GuardedCluster>,
    ctx: &Context,
    freshness: Freshness,
) -> Result<Option<Decided>, Error> {
    let looking = Box::pin(look(&ctx.client, &ctx.caches, key, freshness));
    let Some(mut sight) = looking.await? else {
        return Ok(None);
    };
    let cluster = validate(&sight.cluster);
    sight.compare(&build::template(&cluster, &ctx.init_image));
    sight.observed.archive = Box::pin(archive(&sight, &ctx.backup.links, freshness)).await;
    Box::pin(ctx.absences.doubt(&mut sight, &ctx.client)).await?;
    Box::pin(restore::find(&mut sight, &attendant(&cluster, ctx))).await;
    let plan = match cluster.blocked() {
        Some(unmet) if !sight.observed.has_served() && !cluster.desired.paused => blocked(unmet),
        _ => planner::plan(&cluster.desired, &sight.observed, clock::now()),
    };
    Ok(Some(Decided { sight, cluster, plan }))
}

fn blocked(unmet: &Unmet) -> Plan {
    Plan {
        phase: Phase::Failed,
        message: unmet.message.clone(),
        step: None,
        recheck: Recheck::AtRest,
    }
}

/// Services and disruption budget; untouched while paused or blocked.
async fn surroundings(decided: &Decided, ctx: &Context) -> Result<(), Error> {
    if decided.plan.phase != Phase::Paused && decided.cluster.blocked().is_none() {
        // Also when nothing was found to restore: the spec may name another place by now.
        Box::pin(restore::attend(&decided.sight, &attendant(&decided.cluster, ctx))).await?;
    }
    // Clients of a cluster that serves are led there whatever a person has to change.
    let is_failed = decided.plan.phase == Phase::Failed && !decided.sight.observed.has_served();
    if decided.plan.phase == Phase::Paused || is_failed {
        return Ok(());
    }
    // A service's name that is a stranger's must not keep a restored member from the other services.
    let admitted = objects::admit(&ctx.client, &decided.sight).await;
    objects::ensure(&ctx.client, &ctx.caches, &decided.cluster, &decided.sight).await.and(admitted)
}

fn attendant<'a>(cluster: &'a Validated, ctx: &'a Context) -> Attendant<'a> {
    Attendant { client: &ctx.client, caches: &ctx.caches, room: &ctx.backup, cluster }
}

/// Backups, once there is something to back up. What fails there holds up nothing here.
async fn backups(decided: &mut Decided, ctx: &Context) -> Attended {
    let Decided { sight, cluster, .. } = decided;
    let attendant = attendant(cluster, ctx);
    let may_change = sight.observed.has_served() && !cluster.desired.paused;
    attendant.attend(sight, may_change).await
}

/// Takes the planned step, if it is still right on a fresh look.
async fn step(
    decided: Decided,
    key: &ObjectRef<GuardedCluster>,
    ctx: &Context,
) -> Result<(Decided, Attempt), Error> {
    if decided.plan.step.is_none() && !is_new_loss(&decided) && !is_missed(&decided) {
        return Ok((decided, Ok(None)));
    }
    // A cluster that is gone by now has nothing to report either; the next reconcile sees it.
    let Some(mut decided) = Box::pin(decide(key, ctx, Freshness::Fresh)).await? else {
        return Ok((decided, Ok(None)));
    };
    let Some(step) = decided.plan.step.clone() else { return Ok((decided, Ok(None))) };
    if ctx.rivals.at_work_now(&ctx.client, &decided.sight.name.namespace).await?.is_some() {
        return Ok((decided, Ok(None)));
    }
    let sidecar = match &step {
        Step::OrderSnapshot { .. } => ctx.backup.links.client(&decided.cluster.uid),
        _ => None,
    };
    let mut actor = Actor {
        client: &ctx.client,
        init_image: &ctx.init_image,
        cluster: &decided.cluster,
        sidecar,
        sight: &mut decided.sight,
    };
    let attempt = Box::pin(actor.act(&step)).await;
    let outcome = match &attempt {
        Ok(Outcome::Done) => StepOutcome::Done,
        Ok(Outcome::NotYet(_)) => StepOutcome::NotYet,
        Err(_) => StepOutcome::Failed,
    };
    ctx.metrics.step(report::step_name(&step), outcome);
    log(key, &step, &attempt, &decided.plan.message);
    Ok((decided, attempt.map(Some)))
}

/// Whoever seems to have no pod is looked for by name before that is said.
fn is_missed(decided: &Decided) -> bool {
    decided.plan.phase != Phase::Paused && decided.sight.misses_a_pod()
}

/// That quorum is lost, or that nothing can be restored, is not said on the word of a cache that may
/// lag.
fn is_new_loss(decided: &Decided) -> bool {
    use api::v1beta1::Phase::{QuorumLost, Unrecoverable};
    let said = decided.sight.cluster.status.as_ref().and_then(|status| status.phase);
    match decided.plan.phase {
        Phase::QuorumLost => said != Some(QuorumLost),
        Phase::Unrecoverable => said != Some(Unrecoverable),
        _ => false,
    }
}

fn log(key: &ObjectRef<GuardedCluster>, step: &Step, attempt: &Result<Outcome, Error>, why: &str) {
    let (namespace, name) = (key.namespace.as_deref().unwrap_or_default(), &key.name);
    match attempt {
        Ok(Outcome::Done) => tracing::info!(namespace, name, ?step, "{why}"),
        // Asked again several times a second: the status says it once.
        Ok(Outcome::NotYet(wait)) => tracing::debug!(namespace, name, ?step, wait, "{why}"),
        Err(error) => {
            tracing::warn!(namespace, name, ?step, error = error.sentence(), "failed: {why}");
        }
    }
}

/// Writes status and Events, if anything changed.
async fn report(
    decided: &mut Decided,
    attempt: &Attempt,
    backups: &Attended,
    ctx: &Context,
) -> Result<(), Error> {
    let message = match attempt {
        Ok(Some(Outcome::NotYet(why))) => format!("{}: {why}", decided.plan.message),
        Err(error) => format!("{}: {}", decided.plan.message, error.sentence()),
        Ok(_) => decided.plan.message.clone(),
    };
    let Decided { sight, cluster, plan } = decided;
    count(sight, ctx);
    let mut after = report::status(cluster, sight, plan, &message, clock::now());
    let before = sight.cluster.status.clone().unwrap_or_default();
    backup::tell(&mut after, &before, backups, clock::now());
    let (namespace, name) = (&sight.name.namespace, &sight.name.name);
    ctx.metrics.backups(namespace, name, after.backup_service_status.as_ref());
    let done = attempt.as_ref().ok().and_then(Option::as_ref);
    let mut happenings =
        report::happenings(&sight.name, &sight.observed.record, &before, &after, plan, done);
    happenings.extend(attempt.as_ref().err().and_then(|e| report::clash(&before, &after, e)));
    happenings.extend(backup::happening(&before, &after));
    if after != before {
        fault::point("before-report");
        sight.cluster = status::write(&ctx.client, &sight.cluster, after).await?;
        fault::point("after-report");
    }
    ctx.announcer.tell(sight.cluster.as_ref(), &happenings).await;
    Ok(())
}

/// Forgets the clusters that are gone, and counts those that are there.
pub fn tidy(ctx: &Context) {
    let clusters = ctx.caches.clusters.state();
    let uids: HashSet<String> = clusters.iter().filter_map(|cluster| cluster.uid()).collect();
    ctx.backup.keep(|uid| uids.contains(uid));
    ctx.pace.keep(|uid| uids.contains(uid));
    ctx.absences.keep(|uid| uids.contains(uid));
    let there = clusters.iter().map(|cluster| {
        let phase = cluster.0.as_ref().ok().and_then(|cluster| cluster.status.as_ref()?.phase);
        let namespace = cluster.namespace().unwrap_or_default();
        (namespace, cluster.name_any(), phase.map(api::v1beta1::Phase::as_str))
    });
    ctx.metrics.clusters(there);
}

fn count(sight: &Sight, ctx: &Context) {
    tidy(ctx);
    let (namespace, name) = (&sight.name.namespace, &sight.name.name);
    if let Some(members) = sight.members() {
        let healthy = members.members.iter().filter(|member| member.healthy && !member.learner);
        ctx.metrics.members(namespace, name, members.members.len(), healthy.count());
    } else {
        ctx.metrics.members(namespace, name, sight.observed.record.members.len(), 0);
    }
}

/// A failed reconcile is tried again; the status says what failed.
#[allow(clippy::needless_pass_by_value, reason = "the controller hands over these")]
pub fn on_error(cluster: Arc<GuardedCluster>, error: &Error, ctx: Arc<Context>) -> Action {
    ctx.metrics.failed(error.reason());
    let key = ObjectRef::from_obj(cluster.as_ref());
    if matches!(error, Error::Conflict { .. }) || is_namespace_ending(error) {
        tracing::debug!(
            namespace = key.namespace,
            name = key.name,
            error = error.sentence(),
            "looking again"
        );
    } else {
        tracing::warn!(
            namespace = key.namespace,
            name = key.name,
            error = error.sentence(),
            "reconcile failed"
        );
    }
    Action::requeue(error.retry_after().mul_f64(1.0 + fastrand::f64() / 5.0))
}
