//! A Kubernetes API server whose etcd is lost and restored: what its clients see then.
//!
//! The API server, its etcd, the backup and the restore are real programs beside the local Kubernetes,
//! not in it. The story, an hour of which is written at speed:
//!
//! ```text
//! objects ── backup ── an hour of writes ── loss ──┬── restored with --keep-revisions: what goes wrong
//!                                                  └── restored as it is meant: nothing does
//! ```
//!
//! Two API servers share the etcd. `first` is started again after the restore, `second` is not: its
//! watch cache has seen what the backup does not hold.

mod objects;
mod plane;
mod seen;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::scenario::{Look, PATIENCE, until};

use objects::{Objects, an_hour_of_writes, fill};
use plane::{ApiServer, Plane, Revisions};
use seen::{Informer, expired, revision};

/// What an API server's clients must be told within, on a busy machine.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn clients_of_an_api_server_see_current_objects_after_a_restore() -> Result<()> {
    let mut plane = Plane::start().await?;
    let (first, second) = tokio::join!(plane.api_server("first"), plane.api_server("second"));
    let (mut first, second) = (first?, second?);
    plane.say("two API servers serve");
    fill(&first).await?;
    let stored = Objects::read(&first).await?;
    let backup = plane.backup().await?;
    plane.say("a backup is taken");
    let informers = [Informer::start(&first), Informer::start(&second)];
    an_hour_of_writes(&first).await?;
    let lost = Objects::read(&second).await?;
    ensure!(lost.revision() > stored.revision() + 2500, "only {} writes", lost.revision());
    see(&informers, &lost).await?;
    plane.say("an hour is written");

    first.kill().await?;
    kept_revisions_go_back(&mut plane, &backup, &second, &lost).await?;
    plane.say("with kept revisions what is lost is given as what is so");

    plane.lose()?;
    plane.restore(&backup, Revisions::Raised).await?;
    first.restart().await?;
    plane.say("it is restored, and one API server is started again");
    let now = Objects::read(&first).await?;
    ensure!(now == stored, "what was restored is not what was stored");
    let lowest = now.revisions.iter().min();
    ensure!(lowest > Some(&lost.revision()), "{lowest:?} came after {}", lost.revision());
    never_goes_back(&second, &lost, &now).await?;
    old_watches_are_told(&[&first, &second], &[stored.revision(), lost.revision()]).await?;
    see(&informers, &now).await?;
    plane.say("all clients see it");
    writes_go_on(&first, &second, &stored, &lost).await?;
    see(&informers, &Objects::read(&first).await?).await
}

async fn see(informers: &[Informer], objects: &Objects) -> Result<()> {
    for informer in informers {
        informer.sees(objects).await?;
    }
    Ok(())
}

/// Why revisions are raised: without that, etcd counts anew what clients have seen, and an API server
/// that was not started again gives what is lost as what is so now, and nobody is told.
async fn kept_revisions_go_back(
    plane: &mut Plane,
    backup: &str,
    second: &ApiServer,
    lost: &Objects,
) -> Result<()> {
    plane.lose()?;
    plane.restore(backup, Revisions::Kept).await?;
    let back = plane.revision().await?;
    ensure!(back < lost.revision(), "etcd is at {back}, and clients saw {}", lost.revision());
    ensure!(Objects::read(second).await? == *lost, "its watch cache was told of the restore");
    Ok(())
}

/// From its watch cache, as controllers ask it, this one first gives what is lost and then, for good,
/// what is there: never an older state after a newer one.
async fn never_goes_back(server: &ApiServer, lost: &Objects, now: &Objects) -> Result<()> {
    let mut told = Vec::new();
    until("the watch cache holds what was restored", PATIENCE, async || {
        let cached = Objects::cached(server).await?;
        let goes_back = cached.revisions.iter().zip(&told).any(|(now, before)| now < before);
        assert!(!goes_back, "revisions {:?} came after {told:?}", cached.revisions);
        told.clone_from(&cached.revisions);
        let is_new = told.iter().all(|revision| *revision > lost.revision());
        Ok(Look::claim(is_new && cached == *now, || format!("revisions {told:?}")))
    })
    .await?;
    ensure!(Objects::read(server).await? == *now, "it gives another state as what is so now");
    Ok(())
}

/// Whoever watches from before the restore is told that this is not possible: it reads anew.
async fn old_watches_are_told(servers: &[&ApiServer], revisions: &[i64]) -> Result<()> {
    for server in servers {
        for revision in revisions {
            let answer = tokio::time::timeout(SOON, expired(server, *revision)).await;
            answer.with_context(|| format!("{}: silence after {revision}", server.name))??;
        }
    }
    Ok(())
}

/// Updates that begin from what was restored are taken, those from what was lost are conflicts; new
/// revisions are higher than all that were ever seen, and a watch tells each.
async fn writes_go_on(
    first: &ApiServer,
    second: &ApiServer,
    stored: &Objects,
    lost: &Objects,
) -> Result<()> {
    let watch = seen::Watch::start(second, Objects::read(second).await?.revision()).await?;
    let (kept, changed) = stored.differing(lost)?;
    let done = objects::touch(first, kept.clone()).await?;
    ensure!(revision(&done)? > lost.revision(), "a write got revision {}", revision(&done)?);
    let refused = objects::touch(first, changed).await.err();
    let refused = refused.is_some_and(|error| objects::is_conflict(&error));
    ensure!(refused, "an update of a state that is lost was taken");
    let made = objects::make_and_delete(first, "after").await?;
    watch.tells(&[revision(&done)?, revision(&made)?], SOON).await
}
