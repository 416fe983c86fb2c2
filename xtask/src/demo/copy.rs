//! The last chapter: a new cluster under another name begins with a backup, while the first one runs on.

use ::tests::keys;
use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::held::{self, Held};
use super::ledger::Ledger;
use super::loss::all_same;
use super::scene::{Scene, all_keys};
use crate::cluster::{Address, Forward, is_whole, member_names};

const COPY: &str = "copy";
/// The backup that is asked for.
const BACKUP: &str = "for-a-copy";
const SIZE: i32 = 3;

/// Tells it.
pub(super) async fn tell(scene: &Scene<'_>, ledger: &mut Ledger) -> Result<()> {
    let asking = Box::pin(back_up(scene));
    let held = scene.step_for(ledger, "ask for a backup by a Backup object", 3, asking).await?;
    let restoring = Box::pin(restore(scene, &held));
    scene.step(ledger, "restore it under another name", 15, restoring).await?;
    let comparing = Box::pin(compare(scene, &held));
    scene.step(ledger, "compare the copy with that backup", 2, comparing).await
}

async fn back_up(scene: &Scene<'_>) -> Result<(String, Held)> {
    scene.namespace.back_up(super::scene::CLUSTER, BACKUP).await?;
    let backup = held::named(&scene.namespace, BACKUP).await?;
    let held = Held::of(backup, &scene.address()).await?;
    Ok((format!("{BACKUP} holds revision {}", held.backup.revision), held))
}

async fn restore(scene: &Scene<'_>, held: &Held) -> Result<String> {
    let mut spec = scene.spec(SIZE);
    let fields = spec.as_object_mut().context("a spec without fields")?;
    fields.insert("restore".to_owned(), json!({"backup": BACKUP}));
    scene.namespace.apply_spec(COPY, &spec).await?;
    let copy = scene.until(COPY, is_whole).await?;
    scene.show().await?;
    let restore = copy.status.as_ref().and_then(|status| status.last_restore.clone());
    let restore = restore.context("the status tells no restore")?;
    let taken = restore.backup.id;
    ensure!(taken == held.backup.id, "backup {taken} was restored, not {}", held.backup.id);
    let voters = member_names(&copy).join(", ");
    Ok(format!("backup {taken} is restored while the first cluster runs on; {voters} vote"))
}

async fn compare(scene: &Scene<'_>, held: &Held) -> Result<String> {
    let forward = Forward::open(&scene.namespace, COPY).await?;
    let after = all_keys(&Address(forward.url().to_owned())).await?;
    keys::same(&held.keys, &after)?;
    Ok(all_same(after.len(), BACKUP))
}
