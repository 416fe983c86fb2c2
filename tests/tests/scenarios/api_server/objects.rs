//! What is kept through an API server, and an hour of changes to it.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams,
    VersionMatch,
};
use kube::core::{GroupVersionKind, TypeMeta};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tests::scenario::request;
use tokio::task::JoinSet;

use super::plane::ApiServer;

const NAMESPACE: &str = "orchard";
/// The kinds, and how many there are of each at first.
pub(crate) const KINDS: [(&str, u32); 3] = [("ConfigMap", 200), ("Secret", 100), ("Pod", 100)];
/// Changes of one object in the hour: about 3,000 in all, besides what the API servers write themselves.
const ROUNDS: u32 = 10;
/// Requests at a time.
const AT_ONCE: u32 = 20;

/// All objects at one moment. Equal when the objects are, to their own resourceVersions.
#[derive(Debug)]
pub(crate) struct Objects {
    /// The resourceVersion of each kind's list.
    pub(crate) revisions: Vec<i64>,
    /// By kind and name.
    pub(crate) all: BTreeMap<String, DynamicObject>,
}

impl PartialEq for Objects {
    fn eq(&self, other: &Self) -> bool {
        self.all == other.all
    }
}

impl Objects {
    /// As clients ask for what is so now.
    pub(crate) async fn read(server: &ApiServer) -> Result<Self> {
        Self::list(server, &ListParams::default()).await
    }

    /// As controllers ask at their start: from the watch cache, however old it is.
    pub(crate) async fn cached(server: &ApiServer) -> Result<Self> {
        let any =
            ListParams { version_match: Some(VersionMatch::NotOlderThan), ..ListParams::default() };
        Self::list(server, &any.at("0")).await
    }

    async fn list(server: &ApiServer, how: &ListParams) -> Result<Self> {
        let mut objects = Self { revisions: Vec::new(), all: BTreeMap::new() };
        for (kind, _) in KINDS {
            let list = request(api(&server.client, kind).list(how)).await?;
            let revision = list.metadata.resource_version.context("a list has no version")?;
            objects.revisions.push(revision.parse()?);
            let named = |mut object: DynamicObject| {
                // A list says once what all of its objects are.
                object.types = Some(TypeMeta { api_version: "v1".into(), kind: kind.into() });
                (format!("{kind}/{}", object.name_any()), object)
            };
            objects.all.extend(list.items.into_iter().map(named));
        }
        Ok(objects)
    }

    /// The highest resourceVersion that whoever reads this has seen.
    pub(crate) fn revision(&self) -> i64 {
        self.revisions.iter().copied().max().unwrap_or_default()
    }

    /// The own resourceVersion of each object.
    pub(crate) fn versions(&self) -> BTreeMap<String, String> {
        let version = |(name, object): (&String, &DynamicObject)| {
            (name.clone(), object.resource_version().unwrap_or_default())
        };
        self.all.iter().map(version).collect()
    }

    /// An object that `later` has unchanged, and one of `later` that has changed since.
    pub(crate) fn differing(&self, later: &Self) -> Result<(DynamicObject, DynamicObject)> {
        let same = self.all.iter().find(|(name, object)| later.all.get(*name) == Some(object));
        let is_changed = |(name, object): &(&String, &DynamicObject)| {
            self.all.get(*name).is_some_and(|before| before != *object)
        };
        let changed = later.all.iter().find(is_changed);
        let (_, same) = same.context("all has changed")?;
        Ok((same.clone(), changed.context("nothing has changed")?.1.clone()))
    }
}

/// The objects of that kind.
pub(crate) fn api(client: &Client, kind: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", kind));
    Api::namespaced_with(client.clone(), NAMESPACE, &resource)
}

/// Makes the first objects.
pub(crate) async fn fill(server: &ApiServer) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(server.client.clone());
    let namespace = serde_json::from_value(json!({"metadata": {"name": NAMESPACE}}))?;
    request(namespaces.create(&PostParams::default(), &namespace)).await?;
    for (kind, count) in KINDS {
        side_by_side(server, move |client, turn| async move {
            for number in (turn..count).step_by(AT_ONCE as usize) {
                create(&client, kind, &format!("fig-{number:03}")).await?;
            }
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Thousands of writes: most objects change again and again, some go, others come.
pub(crate) async fn an_hour_of_writes(server: &ApiServer) -> Result<()> {
    for (kind, count) in KINDS {
        side_by_side(server, move |client, turn| async move {
            for number in (turn..count).step_by(AT_ONCE as usize) {
                let name = format!("fig-{number:03}");
                match number % 10 {
                    0 => {}
                    1 => delete(&client, kind, &name).await?,
                    _ => change(&client, kind, &name).await?,
                }
                if number % 5 == 0 {
                    create(&client, kind, &format!("plum-{number:03}")).await?;
                }
            }
            Ok(())
        })
        .await?;
    }
    Ok(())
}

async fn change(client: &Client, kind: &str, name: &str) -> Result<()> {
    for round in 0..ROUNDS {
        let patch =
            Patch::Merge(json!({"metadata": {"annotations": {"round": round.to_string()}}}));
        let api = api(client, kind);
        request(api.patch(name, &PatchParams::default(), &patch)).await?;
    }
    Ok(())
}

/// Runs that work several times at once, each with its turn.
async fn side_by_side<F>(server: &ApiServer, work: impl Fn(Client, u32) -> F) -> Result<()>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let mut all = JoinSet::new();
    for turn in 0..AT_ONCE {
        all.spawn(work(server.client.clone(), turn));
    }
    while let Some(ended) = all.join_next().await {
        ended??;
    }
    Ok(())
}

async fn create(client: &Client, kind: &str, name: &str) -> Result<DynamicObject> {
    let mut object = match kind {
        "Pod" => json!({"spec": {"containers": [{"name": "tree", "image": "localhost/tree:1"}]}}),
        _ => json!({}),
    };
    if let Some(fields) = object.as_object_mut() {
        fields.insert("apiVersion".into(), "v1".into());
        fields.insert("kind".into(), kind.into());
        fields.insert("metadata".into(), metadata(name));
    }
    let object = serde_json::from_value(object)?;
    request(api(client, kind).create(&PostParams::default(), &object)).await
}

/// As large as objects are.
fn metadata(name: &str) -> Value {
    json!({"name": name, "annotations": {"leaves": "green ".repeat(150)}})
}

async fn delete(client: &Client, kind: &str, name: &str) -> Result<()> {
    let now = DeleteParams::default().grace_period(0);
    request(api(client, kind).delete(name, &now)).await.map(drop)
}

/// Updates an object as it was read: whoever changed it since makes that a conflict.
pub(crate) async fn touch(server: &ApiServer, mut object: DynamicObject) -> Result<DynamicObject> {
    object.annotations_mut().insert("touched".into(), "yes".into());
    let kind = object.types.clone().context("an object without a kind")?.kind;
    let api = api(&server.client, &kind);
    request(api.replace(&object.name_any(), &PostParams::default(), &object)).await
}

/// Makes and deletes a `ConfigMap`; gives it as it was made.
pub(crate) async fn make_and_delete(server: &ApiServer, name: &str) -> Result<DynamicObject> {
    let made = create(&server.client, "ConfigMap", name).await?;
    delete(&server.client, "ConfigMap", name).await?;
    Ok(made)
}

/// Whether the API server said that somebody else has changed it.
pub(crate) fn is_conflict(error: &anyhow::Error) -> bool {
    let said = error.downcast_ref::<kube::Error>();
    matches!(said, Some(kube::Error::Api(status)) if status.code == 409)
}
