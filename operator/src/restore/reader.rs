//! The reader's objects: brought about while a restore needs them, and taken away afterwards.

use api::{annotations, objects};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use kube::api::PostParams;
use kube::core::NamespaceResourceScope;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Resource, ResourceExt};

use super::wish::Wish;
use crate::backup::{Attendant, Reading, reader};
use crate::caches::Caches;
use crate::call::within;
use crate::error::Error;
use crate::objects::ensure_one;
use crate::observe::{Sight, is_owned};
use crate::removal::remove;

/// The reader of one cluster's restore.
pub struct Reader<'a> {
    /// The cluster, and what is done with.
    pub attendant: &'a Attendant<'a>,
}

impl Reader<'_> {
    /// Brings it about. One that was made for another wish is made anew.
    pub async fn ensure(&self, wish: &Wish) -> Result<(), Error> {
        let at = self.attendant;
        let (map, service, pod) = self.wanted(wish);
        if let Some(there) = self.cached(&at.caches.pods) {
            if is_of_use(&there, &pod) {
                return Ok(());
            }
            return remove::<Pod>(at.client, at.cluster, &there.name_any()).await;
        }
        fault::point("before-reader");
        at.reader_secrets(&wish.place).await?;
        fault::point("reader-secrets");
        ensure_one(at.client, &at.caches.config_maps, at.cluster, map).await?;
        fault::point("reader-config");
        ensure_one(at.client, &at.caches.services, at.cluster, service).await?;
        fault::point("reader-service");
        self.create(&pod).await?;
        fault::point("after-reader");
        Ok(())
    }

    /// Whether it is there for just this wish: what another one lists says nothing.
    pub fn is_there(&self, wish: &Wish) -> bool {
        let there = self.cached(&self.attendant.caches.pods);
        there.is_some_and(|there| is_of_use(&there, &self.wanted(wish).2))
    }

    fn wanted(&self, wish: &Wish) -> (ConfigMap, Service, Pod) {
        let at = self.attendant;
        let reading = Reading {
            source: api::sidecar::ClusterIdentity {
                namespace: wish.namespace.clone(),
                name: wish.cluster.clone(),
                // Nobody's backups but all that bore the name are listed.
                uid: at.cluster.uid.clone(),
            },
            place: &wish.place,
            claim: wish.claim.as_deref(),
        };
        reader(at.cluster, &reading, &at.room.defaults.sidecar_image)
    }

    async fn create(&self, pod: &Pod) -> Result<(), Error> {
        let params = PostParams { field_manager: Some(api::FIELD_MANAGER.into()), dry_run: false };
        let api = self.api::<Pod>();
        let name = pod.name_any();
        tracing::info!(kind = "Pod", name, "creating the reader of a restore");
        match within("creating the reader's pod", api.create(&params, pod)).await {
            // An earlier attempt got through, unless it is somebody else's.
            Err(Error::Conflict { .. }) => {
                let there = within("reading the reader's pod", api.get(&name)).await?;
                if is_owned(&there.metadata, &self.attendant.cluster.uid) {
                    return Ok(());
                }
                Err(Error::Clash { kind: "Pod", name })
            }
            outcome => outcome.map(drop),
        }
    }

    /// Takes it away; costs nothing once it is gone.
    pub async fn clear(&self) -> Result<(), Error> {
        let at = self.attendant;
        let caches = at.caches;
        let name = objects::restore_reader(&self.attendant.cluster.name.name);
        if self.cached(&caches.pods).is_some() {
            remove::<Pod>(at.client, at.cluster, &name).await?;
            fault::point("reader-pod-gone");
        }
        if self.cached(&caches.services).is_some() {
            remove::<Service>(at.client, at.cluster, &name).await?;
            fault::point("reader-service-gone");
        }
        if self.cached(&caches.config_maps).is_some() {
            // Last: while it is there, all of this is tried again.
            self.attendant.remove_reader_secret().await?;
            fault::point("reader-secret-gone");
            remove::<ConfigMap>(at.client, at.cluster, &name).await?;
            fault::point("reader-gone");
        }
        Ok(())
    }

    /// The reader's object of one kind, if it is this cluster's and stays.
    fn cached<K>(&self, cache: &Store<K>) -> Option<std::sync::Arc<K>>
    where
        K: Resource<DynamicType = ()> + Clone + 'static,
    {
        let cluster = self.attendant.cluster;
        let name = objects::restore_reader(&cluster.name.name);
        let there = cache.get(&ObjectRef::new(&name).within(&cluster.name.namespace))?;
        is_owned(there.meta(), &cluster.uid).then_some(there)
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        let at = self.attendant;
        Api::namespaced(at.client.clone(), &at.cluster.name.namespace)
    }
}

/// Whether this pod is the wanted one and may serve yet.
fn is_of_use(there: &Pod, wanted: &Pod) -> bool {
    let made_from = |pod: &Pod| pod.annotations().get(annotations::CONFIG_HASH).cloned();
    let phase = there.status.as_ref().and_then(|status| status.phase.as_deref());
    let has_ended = matches!(phase, Some("Failed" | "Succeeded"));
    made_from(there) == made_from(wanted) && !has_ended
}

/// What the reader's pod waits for, in words.
pub fn state(caches: &Caches, sight: &Sight, uid: &str) -> String {
    let name = objects::restore_reader(&sight.name.name);
    let key = ObjectRef::new(&name).within(&sight.name.namespace);
    let Some(pod) = caches.pods.get(&key).filter(|pod| is_owned(&pod.metadata, uid)) else {
        return format!("pod {name}, which reads the backups, is being made");
    };
    match trouble(&pod) {
        Some(why) => format!("pod {name}, which reads the backups, waits: {why}"),
        None => format!("pod {name}, which reads the backups, does not answer yet"),
    }
}

fn trouble(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let mut conditions = status.conditions.iter().flatten();
    let unscheduled = conditions.find(|one| one.type_ == "PodScheduled" && one.status != "True");
    if let Some(unscheduled) = unscheduled {
        return unscheduled.message.clone();
    }
    let container = status.container_statuses.iter().flatten().next()?;
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let words = [waiting.reason.as_deref(), waiting.message.as_deref()];
    Some(words.into_iter().flatten().collect::<Vec<_>>().join(": "))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(hash: &str, status: &Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "copy-restore-reader",
                         "annotations": {annotations::CONFIG_HASH: hash}},
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn a_reader_of_another_wish_or_one_that_ended_is_of_no_use() {
        let wanted = pod("a", &json!({}));
        assert!(is_of_use(&pod("a", &json!({"phase": "Pending"})), &wanted));
        assert!(!is_of_use(&pod("b", &json!({"phase": "Running"})), &wanted));
        assert!(!is_of_use(&pod("a", &json!({"phase": "Failed"})), &wanted));
    }

    #[test]
    fn what_the_pod_waits_for_is_told() {
        let unscheduled = json!({"conditions": [{"type": "PodScheduled", "status": "False",
            "message": "the volume is attached to another node"}]});
        let told = trouble(&pod("a", &unscheduled));
        assert_eq!(told.as_deref(), Some("the volume is attached to another node"));
        let waiting = json!({"containerStatuses": [{"name": "r", "image": "i", "imageID": "",
            "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": "ContainerCreating"}}}]});
        assert_eq!(trouble(&pod("a", &waiting)).as_deref(), Some("ContainerCreating"));
        assert_eq!(trouble(&pod("a", &json!({}))), None);
    }
}
