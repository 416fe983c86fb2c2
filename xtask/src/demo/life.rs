//! The first chapter: a cluster comes up, loses a member, grows while the operator dies, shrinks, and has
//! lost nothing.

use ::tests::keys;
use anyhow::{Context, Result, ensure};
use api::v1beta1::{Cluster, Role};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;

use super::held;
use super::ledger::Ledger;
use super::scene::{CLUSTER, EVERY, LIMIT, Scene};
use crate::cluster::{Address, Connect, Writer, at_once, check, is_whole, member_names, within};

const FIRST_KEYS: u32 = 100;
/// Where the keys lie that stay as they are.
const KINDS: &str = "kinds/";

/// Tells it; returns how many keys were written one after the other.
pub(super) async fn tell(scene: &Scene<'_>, ledger: &mut Ledger) -> Result<u32> {
    scene.step(ledger, "create a cluster of three", 12, resize(scene, 3)).await?;
    let begun = Box::pin(begin_to_write(scene));
    let writer = scene.step_for(ledger, "begin to write keys", 6, begun).await?;
    if scene.is_backed_up() {
        let backed_up = Box::pin(backed_up_twice(scene));
        scene.step(ledger, "see that it is backed up", 8, backed_up).await?;
    }
    scene.step(ledger, "kill the leader", 10, kill_leader(scene, &writer)).await?;
    let grow = grow(scene, &writer);
    scene.step(ledger, "grow to five, kill the operator meanwhile", 20, grow).await?;
    let shrink = scene.watched(&writer, resize(scene, 3));
    scene.step(ledger, "shrink to three", 10, shrink).await?;
    let read = Box::pin(read_back(scene, writer));
    scene.step_for(ledger, "read every key back and compare", 3, read).await
}

/// Asks for a size and waits until the operator says that it is reached.
async fn resize(scene: &Scene<'_>, size: i32) -> Result<String> {
    scene.namespace.apply_spec(CLUSTER, &scene.spec(size)).await?;
    let cluster = scene.until(CLUSTER, is_whole).await?;
    Ok(format!("{} vote", member_names(&cluster).join(", ")))
}

/// Keys of every kind first, one of them with a lease; then one key after the other.
async fn begin_to_write(scene: &Scene<'_>) -> Result<(String, Writer)> {
    let address = scene.address();
    let client = address.connect().await.context("connecting to write")?;
    keys::fill(&client, KINDS).await.context("writing the first keys")?;
    let member = member_names(&scene.cluster().await?);
    let member = member.first().context("the status names no member")?;
    let etcdctl = |more: &[&'static str]| {
        let exec = ["exec", member, "-c", "etcd", "--", "etcdctl"];
        exec.into_iter().chain(more.iter().copied()).map(str::to_owned).collect::<Vec<_>>()
    };
    let granted = run(scene, etcdctl(&["lease", "grant", "3600"])).await?;
    let lease = granted.split_whitespace().nth(1).context("etcd grants no lease")?;
    let mut put = etcdctl(&["put", "kinds/leased", "for an hour"]);
    put.push(format!("--lease={lease}"));
    run(scene, put).await?;
    let writer = Writer::start(address);
    writer.wait_for(FIRST_KEYS, LIMIT).await?;
    let sentence = "keys of every kind: written once, often, deleted, made anew, with a lease; and \
                    a writer that adds keys through all that follows";
    Ok((sentence.to_owned(), writer))
}

async fn run(scene: &Scene<'_>, args: Vec<String>) -> Result<String> {
    scene.kubectl(&args.iter().map(String::as_str).collect::<Vec<_>>()).await
}

async fn backed_up_twice(scene: &Scene<'_>) -> Result<String> {
    let first = held::newer(&scene.namespace, None).await?;
    let second = held::newer(&scene.namespace, Some(&first)).await?;
    scene.show().await?;
    let revision = second.revision;
    Ok(format!("every {EVERY} s into the bucket; the newest holds revision {revision}"))
}

async fn kill_leader(scene: &Scene<'_>, writer: &Writer) -> Result<String> {
    let leader = leader(&scene.until(CLUSTER, is_whole).await?)?;
    let pods: Api<Pod> = scene.namespace.all();
    let healing = async {
        within("killing a member", pods.delete(&leader, &at_once())).await?;
        let is_healed = |now: &Cluster| is_whole(now) && !member_names(now).contains(&leader);
        let healed = scene.until(CLUSTER, is_healed).await?;
        Ok(format!("{leader} is gone; {} vote", member_names(&healed).join(", ")))
    };
    scene.watched(writer, healing).await
}

/// Who leads, as the status says.
pub(super) fn leader(cluster: &Cluster) -> Result<String> {
    let mut rows = cluster.status.iter().flat_map(|status| &status.member_statuses);
    let leader = rows.find(|row| row.role == Role::Leader);
    Ok(leader.context("the status names no leader")?.name.clone())
}

async fn grow(scene: &Scene<'_>, writer: &Writer) -> Result<String> {
    let growing = async {
        scene.namespace.apply_spec(CLUSTER, &scene.spec(5)).await?;
        scene.until(CLUSTER, |now| member_names(now).len() > 3).await?;
        let killed = scene.kill_operator().await?;
        scene.say(&format!("killed all {killed} replicas of the operator"));
        let whole = scene.until(CLUSTER, is_whole).await?;
        Ok(format!("{} vote", member_names(&whole).join(", ")))
    };
    scene.watched(writer, growing).await
}

async fn read_back(scene: &Scene<'_>, writer: Writer) -> Result<(String, u32)> {
    let tally = writer.stop().await?;
    let address: Address = scene.address();
    check(&address, tally.acknowledged).await?;
    let client = address.connect().await.context("connecting to read back")?;
    let members = client.member_list().await.context("asking etcd for its members")?.members;
    let all_vote = members.len() == 3 && members.iter().all(|member| !member.is_learner);
    ensure!(all_vote, "etcd does not list three voters: {members:?}");
    let sentence = format!(
        "all {} acknowledged keys are there, none is changed; {} puts had to be made again",
        tally.acknowledged, tally.failed
    );
    Ok((sentence, tally.acknowledged))
}
