//! The second chapter: the data of a majority is gone, twice, and comes back by itself.

use std::time::{Duration, Instant};

use ::tests::keys;
use ::tests::writer::count;
use anyhow::{Context, Result, ensure};
use api::v1beta1::{Cluster, ClusterStatus, LastRestoreStatus};
use etcd::KeyValue;

use super::held::{self, Held};
use super::ledger::Ledger;
use super::life::leader;
use super::scene::{CLUSTER, LIMIT, Scene, all_keys};
use crate::cluster::{Writer, check, is_whole, member_names};

/// Writes between a backup and the loss, so that there is something that no backup holds. They take
/// less time than there is between two backups.
const UNSAVED: u32 = 60;
/// Writes that show that clients are served again.
const SERVED: u32 = 20;

/// All that a loss leaves to compare with.
struct Lost {
    /// When the members were killed.
    at: Instant,
    /// How many recoveries there were before.
    recoveries: i32,
}

/// Tells it; so many keys of a writer are there.
pub(super) async fn tell(scene: &Scene<'_>, ledger: &mut Ledger, written: u32) -> Result<()> {
    let writer = Writer::start_at(scene.address(), written);
    let killing = Box::pin(kill_all(scene, writer));
    let (lost, held, unsaved) =
        scene.step_for(ledger, "kill all three members with their data", 8, killing).await?;
    let back = Box::pin(back_from_backup(scene, &lost, &held));
    scene.step(ledger, "the operator brings the data back by itself", 15, back).await?;
    let comparing = Box::pin(compare_all(scene, &held, &unsaved));
    let found = scene.step_for(ledger, "compare it with the newest backup", 2, comparing).await?;

    let writer = Writer::start_at(scene.address(), found);
    let killing = Box::pin(kill_all_but_one(scene, &writer));
    let (lost, before) =
        scene.step_for(ledger, "kill two of three with their data", 4, killing).await?;
    let back = Box::pin(scene.watched(&writer, back_from_survivor(scene, &lost, &writer)));
    scene.step(ledger, "the survivor is saved, the cluster comes back", 25, back).await?;
    let comparing = Box::pin(compare_survived(scene, &before, writer));
    scene.step(ledger, "compare it with what was acknowledged", 2, comparing).await
}

/// Kills them some writes after a backup. Returns what that backup holds, and says what it does not.
async fn kill_all(scene: &Scene<'_>, mut writer: Writer) -> Result<(String, (Lost, Held, String))> {
    let held = some_time_after_a_backup(scene, &writer).await?;
    let cluster = scene.cluster().await?;
    let names = member_names(&cluster);
    let lost = Lost { at: Instant::now(), recoveries: recoveries(&cluster) };
    scene.kill(&names).await?;
    writer.halt().await?;
    let acknowledged = writer.tally().acknowledged;
    let saved = count(&held.keys, "").context("the newest backup")?;
    let beyond = acknowledged.checked_sub(saved).context("a backup holds what nobody wrote")?;
    let time = writer.time_after(saved).as_secs_f64();
    let unsaved = format!("{beyond} writes of the last {time:.1} s were after the last backup");
    Ok((format!("{} are gone; {unsaved}", names.join(", ")), (lost, held, unsaved)))
}

/// Waits for a backup, then for some writes, and begins anew if there is another backup by then.
async fn some_time_after_a_backup(scene: &Scene<'_>, writer: &Writer) -> Result<Held> {
    let mut newest = held::stored(&scene.namespace).await?.into_iter().next();
    let start = Instant::now();
    while start.elapsed() < LIMIT {
        let backup = held::newer(&scene.namespace, newest.as_ref()).await?;
        let held = Held::of(backup, &scene.address()).await?;
        writer.wait_for(UNSAVED, LIMIT).await?;
        newest = held::stored(&scene.namespace).await?.into_iter().next();
        if newest.as_ref() == Some(&held.backup) {
            return Ok(held);
        }
    }
    anyhow::bail!("{UNSAVED} writes take longer than the time between two backups")
}

async fn back_from_backup(scene: &Scene<'_>, lost: &Lost, held: &Held) -> Result<String> {
    let (sentence, restore) = recovered(scene, lost).await?;
    let (wanted, taken) = (&held.backup.id, &restore.backup.id);
    ensure!(wanted == taken, "backup {taken} was restored, and the newest was {wanted}");
    scene.show().await?;
    Ok(sentence)
}

/// Waits until it is over, and shows how it looks meanwhile.
async fn recovered(scene: &Scene<'_>, lost: &Lost) -> Result<(String, LastRestoreStatus)> {
    let is_new = |now: &Cluster| recoveries(now) > lost.recoveries;
    scene.until(CLUSTER, is_new).await?;
    scene.show().await?;
    scene.until(CLUSTER, |now| is_new(now) && !is_restoring(now)).await?;
    let served = lost.at.elapsed();
    let whole = scene.until(CLUSTER, |now| is_new(now) && is_whole(now)).await?;
    let whole_after = lost.at.elapsed();
    let restore = whole.status.as_ref().and_then(|status| status.last_restore.clone());
    let restore = restore.context("the status tells no restore")?;
    let sentence = format!(
        "backup {} (revision {}) is restored; it served {} after the loss, {} vote after {}",
        restore.backup.id,
        restore.backup.revision,
        in_seconds(served),
        member_names(&whole).join(", "),
        in_seconds(whole_after),
    );
    Ok((sentence, restore))
}

fn in_seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn recoveries(cluster: &Cluster) -> i32 {
    cluster.status.as_ref().map_or(0, |status| status.recoveries)
}

fn is_restoring(cluster: &Cluster) -> bool {
    let restore = |status: &ClusterStatus| status.restore.is_some();
    cluster.status.as_ref().is_some_and(restore)
}

/// Every key of the backup is there and no other. Returns how many of them the writer wrote.
async fn compare_all(scene: &Scene<'_>, held: &Held, unsaved: &str) -> Result<(String, u32)> {
    let after = all_keys(&scene.address()).await?;
    keys::same(&held.keys, &after)?;
    let sentence = format!(
        "{}; {unsaved} and are gone",
        all_same(after.len(), &format!("backup {}", held.backup.id))
    );
    Ok((sentence, count(&after, "")?))
}

/// The sentence of an exact comparison.
pub(super) fn all_same(keys: usize, with: &str) -> String {
    format!(
        "all {keys} keys of {with}, and no other: value, mod and create revision, version and lease \
         of each are the same"
    )
}

/// Kills all but the leader, which has every write that was acknowledged.
async fn kill_all_but_one(
    scene: &Scene<'_>,
    writer: &Writer,
) -> Result<(String, (Lost, Vec<KeyValue>))> {
    writer.wait_for(SERVED, LIMIT).await?;
    let cluster = scene.until(CLUSTER, is_whole).await?;
    let before = all_keys(&scene.address()).await?;
    let survivor = leader(&cluster)?;
    let mut names = member_names(&cluster);
    names.retain(|name| *name != survivor);
    let lost = Lost { at: Instant::now(), recoveries: recoveries(&cluster) };
    scene.kill(&names).await?;
    let sentence = format!("{} are gone; {survivor}, which led, is left", names.join(" and "));
    Ok((sentence, (lost, before)))
}

async fn back_from_survivor(scene: &Scene<'_>, lost: &Lost, writer: &Writer) -> Result<String> {
    let (sentence, _) = recovered(scene, lost).await?;
    writer.wait_for(SERVED, LIMIT).await?;
    scene.show().await?;
    Ok(sentence)
}

async fn compare_survived(
    scene: &Scene<'_>,
    before: &[KeyValue],
    writer: Writer,
) -> Result<String> {
    let tally = writer.stop().await?;
    check(&scene.address(), tally.acknowledged).await?;
    keys::kept(before, &all_keys(&scene.address()).await?)?;
    Ok(format!(
        "all {} acknowledged writes are there, to the last one; of the {} keys from before the loss \
         value, mod and create revision, version and lease are the same",
        tally.acknowledged,
        before.len()
    ))
}
