//! What clients see that watch.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use kube::api::{DynamicObject, WatchEvent, WatchParams};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt};
use tests::scenario::{Look, PATIENCE, until};
use tokio::task::JoinSet;

use super::objects::{KINDS, Objects, api};
use super::plane::ApiServer;

/// Between two attempts of an informer to reach its API server.
const PAUSE: Duration = Duration::from_millis(300);

/// The resourceVersion of an object as the number that etcd has for it.
pub(crate) fn revision(object: &DynamicObject) -> Result<i64> {
    Ok(object.resource_version().context("it has no version")?.parse()?)
}

/// A watch of each kind from that revision has expired, as the API server must say.
pub(crate) async fn expired(server: &ApiServer, revision: i64) -> Result<()> {
    for (kind, _) in KINDS {
        let api = api(&server.client, kind);
        let params = WatchParams::default();
        let code = match api.watch(&params, &revision.to_string()).await {
            Ok(stream) => match pin!(stream).next().await {
                Some(Ok(WatchEvent::Error(status)) | Err(kube::Error::Api(status))) => status.code,
                other => bail!("{}: a watch of {kind} from {revision}: {other:?}", server.name),
            },
            Err(kube::Error::Api(status)) => status.code,
            Err(error) => return Err(error.into()),
        };
        ensure!(code == 410, "{}: a watch of {kind} from {revision}: {code}", server.name);
    }
    Ok(())
}

/// One watch of the `ConfigMap`s.
pub(crate) struct Watch(BoxStream<'static, kube::Result<WatchEvent<DynamicObject>>>);

impl Watch {
    /// Begins after that revision.
    pub(crate) async fn start(server: &ApiServer, revision: i64) -> Result<Self> {
        let api = api(&server.client, "ConfigMap");
        let stream = api.watch(&WatchParams::default(), &revision.to_string()).await?;
        Ok(Self(stream.boxed()))
    }

    /// It tells of these revisions, in their order.
    pub(crate) async fn tells(mut self, revisions: &[i64], limit: Duration) -> Result<()> {
        for expected in revisions {
            let telling = tokio::time::timeout(limit, self.next());
            let told = telling.await.with_context(|| format!("silence about {expected}"))??;
            ensure!(told == *expected, "it told of {told} and not of {expected}");
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<i64> {
        loop {
            match self.0.try_next().await?.context("the watch ended")? {
                WatchEvent::Added(object)
                | WatchEvent::Modified(object)
                | WatchEvent::Deleted(object) => return revision(&object),
                WatchEvent::Bookmark(_) => {}
                WatchEvent::Error(status) => bail!("the watch ended: {status:?}"),
            }
        }
    }
}

/// The own resourceVersion of each object that is known, by kind and name.
type Known = Arc<Mutex<BTreeMap<String, String>>>;

/// A client that lists once and then watches, as all controllers do.
pub(crate) struct Informer {
    of: &'static str,
    known: Known,
    // Its end ends the watches.
    _watching: JoinSet<()>,
}

impl Informer {
    /// Begins to watch all kinds.
    pub(crate) fn start(server: &ApiServer) -> Self {
        let known = Known::default();
        let mut watching = JoinSet::new();
        for (kind, _) in KINDS {
            watching.spawn(follow(api(&server.client, kind), kind, known.clone()));
        }
        Self { of: server.name, known, _watching: watching }
    }

    /// Waits until it knows these objects and no others.
    pub(crate) async fn sees(&self, objects: &Objects) -> Result<()> {
        let expected = objects.versions();
        until(&format!("the informer of {} sees what is so", self.of), PATIENCE, async || {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let other = expected.iter().find(|(name, version)| known.get(*name) != Some(version));
            let seen = || format!("{} objects of {}, {other:?}", known.len(), expected.len());
            Ok(Look::claim(*known == expected, seen))
        })
        .await
    }
}

async fn follow(api: Api<DynamicObject>, kind: &'static str, known: Known) {
    let mut events = pin!(watcher(api, watcher::Config::default()));
    let mut listed = BTreeMap::new();
    while let Some(event) = events.next().await {
        let Ok(event) = event else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let named = |object: &DynamicObject| {
            (format!("{kind}/{}", object.name_any()), object.resource_version().unwrap_or_default())
        };
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Init => listed.clear(),
            Event::InitApply(object) => listed.extend([named(&object)]),
            Event::InitDone => {
                known.retain(|name, _| !name.starts_with(kind));
                known.append(&mut listed);
            }
            Event::Apply(object) => known.extend([named(&object)]),
            Event::Delete(object) => drop(known.remove(&named(&object).0)),
        }
    }
}
