//! Who works: the replica that holds the Lease.
//!
//! The lease manager renews, expires and takes over. Beside it the Lease is watched: who holds it
//! learns at once that it is another's or gone, and who waits stands anew as soon as it is free.
//! The manager's calls have no time limit of their own. Each renewal is told by the watch, so a
//! watch that is silent for long says that one of them hangs, or that nothing is heard any more.

use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use k8s_openapi::api::coordination::v1::Lease;
use kube::runtime::{WatchStreamExt, watcher::watch_object};
use kube::{Api, Client};
use kube_lease_manager::{LeaseManager, LeaseManagerBuilder};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Config;

/// Name of the Lease.
pub const NAME: &str = "etcd-operator";
/// After this many seconds without renewal another replica takes over (client-go's default).
const DURATION: u64 = 15;
/// Renewed this many seconds before that.
const GRACE: u64 = 5;
/// Without a renewal for this long the Lease has expired for everybody else; twice its duration, so
/// that a watch that begins again is no silence.
const SILENCE: Duration = Duration::from_secs(2 * DURATION);
/// Making the Lease, or reading it at first, takes no longer.
const ENTER: Duration = Duration::from_secs(10);
/// The lease is released within this time, or left to expire.
const RELEASE: Duration = Duration::from_secs(2);

/// A place in the election.
pub struct Election {
    client: Client,
    namespace: String,
    replica: String,
    candidacy: Candidacy,
    holders: BoxStream<'static, Holder>,
    /// What the watch told last.
    seen: Holder,
}

/// Who holds the Lease, as the watch tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Holder {
    /// There is no Lease: somebody has deleted it.
    Gone,
    /// Nobody: it was given up.
    Nobody,
    /// This replica.
    Replica(String),
}

impl Election {
    /// Stands for election.
    pub async fn enter(client: &Client, config: &Config) -> Result<Self> {
        let (namespace, replica) = (config.lease_namespace.clone(), config.pod_name.clone());
        let candidacy = Candidacy::stand(client, &namespace, &replica).await?;
        let holders = holders(Api::namespaced(client.clone(), &namespace));
        let seen = Holder::Nobody;
        Ok(Self { client: client.clone(), namespace, replica, candidacy, holders, seen })
    }

    /// Returns once this replica holds the Lease.
    pub async fn won(&mut self) -> Result<()> {
        loop {
            let told = tokio::select! {
                won = self.candidacy.until(true) => return won,
                told = next(&mut self.holders) => told?,
            };
            // The manager asks again only when the Lease would expire, and never makes it anew.
            if is_free(told.as_ref(), &self.seen) {
                self.candidacy.withdraw();
                self.candidacy =
                    Candidacy::stand(&self.client, &self.namespace, &self.replica).await?;
            }
            self.seen = told.unwrap_or(Holder::Nobody);
        }
    }

    /// Returns once this replica does not hold the Lease any more: it must stop at once. From then on it
    /// leaves the Lease alone, whatever its manager believes: a release would end a successor's term.
    pub async fn lost(&mut self) -> Result<()> {
        let Self { candidacy, holders, replica, seen, .. } = self;
        let lost = tokio::select! {
            lost = candidacy.until(false) => lost,
            taken = taken(holders, replica, seen) => taken,
        };
        self.candidacy.withdraw();
        lost
    }

    /// Gives the Lease up, so that another replica need not wait for it to expire; one that was lost is
    /// not touched.
    pub async fn leave(self) {
        let Candidacy { state, task } = self.candidacy;
        drop(state);
        match tokio::time::timeout(RELEASE, task).await {
            Ok(Ok(Ok(_))) => tracing::info!("released the lease"),
            Ok(Err(ended)) if ended.is_cancelled() => tracing::info!("left the lease alone"),
            _ => tracing::warn!("the lease could not be released and expires by itself"),
        }
    }
}

/// Returns once the Lease is not this replica's any more, or was not seen to be for too long.
async fn taken(
    holders: &mut BoxStream<'static, Holder>,
    replica: &str,
    seen: &mut Holder,
) -> Result<()> {
    let own = Holder::Replica(replica.to_owned());
    loop {
        let Some(now) = next(holders).await? else {
            tracing::warn!("no renewal of the lease was seen for {SILENCE:?}");
            return Ok(());
        };
        // Until the watch has told of this replica, it may tell of those before.
        let is_news = now == Holder::Gone || *seen == own;
        if is_news && now != own {
            return Ok(());
        }
        *seen = now;
    }
}

/// What the watch tells next; none when it is silent for too long.
async fn next(holders: &mut BoxStream<'static, Holder>) -> Result<Option<Holder>> {
    match tokio::time::timeout(SILENCE, holders.next()).await {
        Ok(told) => told.context("the watch of the Lease ended").map(Some),
        Err(_) => Ok(None),
    }
}

/// Whether to stand anew: it is gone, it was given up, or nobody renews it and yet it is not won.
fn is_free(told: Option<&Holder>, seen: &Holder) -> bool {
    match told {
        None | Some(Holder::Gone) => true,
        Some(Holder::Nobody) => *seen != Holder::Nobody,
        Some(Holder::Replica(_)) => false,
    }
}

/// A lease manager at work.
struct Candidacy {
    state: watch::Receiver<bool>,
    task: JoinHandle<kube_lease_manager::Result<LeaseManager>>,
}

impl Candidacy {
    /// Makes the Lease if there is none, and asks for it at once.
    async fn stand(client: &Client, namespace: &str, replica: &str) -> Result<Self> {
        let building = LeaseManagerBuilder::new(client.clone(), NAME)
            .with_namespace(namespace)
            .with_identity(replica)
            // Each replica's own: by the conflict of two managers one learns that the other was first.
            .with_field_manager(format!("{}-{replica}", api::FIELD_MANAGER))
            .with_duration(DURATION)
            .with_grace(GRACE)
            .build();
        let manager = tokio::time::timeout(ENTER, building)
            .await
            .with_context(|| format!("the Kubernetes API gave no Lease within {ENTER:?}"))?
            .with_context(|| format!("the Lease {NAME} in namespace {namespace} cannot be used"))?;
        let (state, task) = manager.watch().await;
        Ok(Self { state, task })
    }

    async fn until(&mut self, wanted: bool) -> Result<()> {
        self.state.wait_for(|holds| *holds == wanted).await.context("the Lease is not watched")?;
        Ok(())
    }

    /// Ends it without a release, which would also undo what another replica has won meanwhile.
    fn withdraw(&mut self) {
        self.task.abort();
    }
}

/// Tells who holds the Lease: at first, and at every change of it.
fn holders(api: Api<Lease>) -> BoxStream<'static, Holder> {
    let seen: Pin<Box<dyn Stream<Item = _> + Send>> =
        Box::pin(watch_object(api, NAME).default_backoff());
    // A watch that broke begins again by itself.
    seen.filter_map(|seen| std::future::ready(seen.ok().map(|lease| holder(lease.as_ref()))))
        .boxed()
}

fn holder(lease: Option<&Lease>) -> Holder {
    let Some(lease) = lease else { return Holder::Gone };
    let identity = lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone());
    identity.filter(|name| !name.is_empty()).map_or(Holder::Nobody, Holder::Replica)
}

#[cfg(test)]
impl Election {
    /// That of a replica which holds the Lease and renews it for ever.
    pub fn of_a_leader(client: &Client) -> Self {
        let own = Holder::Replica("ours".into());
        let renewals = futures::stream::repeat(own.clone()).then(async |holder| {
            tokio::time::sleep(Duration::from_secs(DURATION - GRACE)).await;
            holder
        });
        let (holds, state) = watch::channel(true);
        let task = tokio::spawn(async move {
            holds.closed().await;
            std::future::pending().await
        });
        Self {
            client: client.clone(),
            namespace: "etcd-operator".into(),
            replica: "ours".into(),
            candidacy: Candidacy { state, task },
            holders: renewals.boxed(),
            seen: own,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;
    use tokio::time::{Instant, sleep};

    fn held_by(name: &str) -> Holder {
        Holder::Replica(name.to_owned())
    }

    /// One renewal every ten seconds, and silence after the last one.
    fn renewals(count: usize) -> BoxStream<'static, Holder> {
        let told = stream::iter(vec![held_by("ours"); count]).then(async |holder| {
            sleep(Duration::from_secs(DURATION - GRACE)).await;
            holder
        });
        told.chain(stream::pending()).boxed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_replica_whose_renewals_are_not_seen_any_more_steps_down() {
        let began = Instant::now();
        taken(&mut renewals(50), "ours", &mut Holder::Nobody).await.unwrap();
        assert_eq!(began.elapsed(), Duration::from_secs(500) + SILENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_replica_whose_lease_is_another_s_or_gone_steps_down_at_once() {
        for after in [held_by("theirs"), Holder::Nobody, Holder::Gone] {
            // At first the watch tells of who held it before.
            let told = [held_by("before"), held_by("ours"), after];
            let began = Instant::now();
            let mut holders = stream::iter(told).chain(stream::pending()).boxed();
            taken(&mut holders, "ours", &mut Holder::Nobody).await.unwrap();
            assert_eq!(began.elapsed(), Duration::ZERO);
        }
    }

    /// Whether the manager's release was asked for, when the watch tells this of the Lease.
    async fn releases(told: Vec<Holder>, is_lost: bool) -> bool {
        let (service, _server) = tower_test::mock::pair::<
            http::Request<kube::client::Body>,
            http::Response<kube::client::Body>,
        >();
        let (holds, state) = watch::channel(true);
        let (released, was_released) = std::sync::mpsc::channel();
        let task = tokio::spawn(async move {
            holds.closed().await;
            released.send(()).unwrap();
            std::future::pending().await
        });
        let mut election = Election {
            client: Client::new(service, "etcd-operator"),
            namespace: "etcd-operator".into(),
            replica: "ours".into(),
            candidacy: Candidacy { state, task },
            holders: stream::iter(told).chain(stream::pending()).boxed(),
            seen: Holder::Nobody,
        };
        if is_lost {
            election.lost().await.unwrap();
        }
        election.leave().await;
        was_released.try_recv().is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_was_lost_is_not_released_since_another_may_hold_it_by_now() {
        assert!(releases(vec![held_by("ours")], false).await, "one that is held is given up");
        assert!(!releases(vec![held_by("ours"), held_by("theirs")], true).await);
        assert!(!releases(vec![held_by("ours"), Holder::Gone], true).await);
    }

    #[test]
    fn who_waits_stands_anew_when_the_lease_is_free_or_nobody_renews_it() {
        let theirs = held_by("theirs");
        for (told, seen, is_so) in [
            (None, &theirs, true),
            (Some(&Holder::Gone), &theirs, true),
            (Some(&Holder::Nobody), &theirs, true),
            (Some(&Holder::Nobody), &Holder::Nobody, false),
            (Some(&theirs), &Holder::Nobody, false),
        ] {
            assert_eq!(is_free(told, seen), is_so, "{told:?} after {seen:?}");
        }
    }
}
