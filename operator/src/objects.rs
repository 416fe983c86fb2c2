//! The objects around the members: services and the disruption budget.
//!
//! They are compared with what the watch has seen and applied only when they differ, so a cluster
//! at rest costs no write.

use std::fmt::Debug;
use std::sync::Arc;

use api::labels::{self, COMPONENT_MEMBER as MEMBER};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::build;
use crate::caches::Caches;
use crate::call::within;
use crate::error::Error;
use crate::observe::{Sight, is_owned};
use crate::validate::Validated;

/// Brings the objects to what they shall be. The client service exists only once the cluster has
/// `served`, because from then on its data counts.
pub async fn ensure(
    client: &Client,
    caches: &Caches,
    cluster: &Validated,
    served: bool,
) -> Result<(), Error> {
    ensure_one(client, &caches.services, cluster, build::headless_service(cluster)).await?;
    ensure_one(client, &caches.budgets, cluster, build::disruption_budget(cluster)).await?;
    if served {
        ensure_one(client, &caches.services, cluster, build::client_service(cluster)).await?;
    }
    Ok(())
}

/// Lets the services lead to a first member from a backup, once the status says that the restore is
/// finished: it names the member then, and never before.
pub async fn admit(client: &Client, sight: &Sight) -> Result<(), Error> {
    let Some(status) = sight.cluster.status.as_ref().filter(|it| it.restore.is_none()) else {
        return Ok(());
    };
    let is_member = |pod: &Pod| status.member_statuses.iter().any(|row| row.name == pod.name_any());
    let is_kept_out =
        |pod: &&Arc<Pod>| pod.labels().get(labels::COMPONENT) != Some(&MEMBER.to_owned());
    for pod in sight.pods.values().filter(is_kept_out).filter(|pod| is_member(pod)) {
        let api: Api<Pod> = Api::namespaced(client.clone(), &sight.name.namespace);
        let patch = json!({"metadata": {"uid": pod.uid(), "labels": {labels::COMPONENT: MEMBER}}});
        let params = PatchParams {
            field_manager: Some(api::FIELD_MANAGER.into()),
            ..PatchParams::default()
        };
        let name = pod.name_any();
        tracing::info!(name, "the services lead to the restored member from now on");
        within("labelling a pod", api.patch(&name, &params, &Patch::Merge(patch))).await?;
    }
    Ok(())
}

/// Brings one object of the cluster to what it shall be.
pub async fn ensure_one<K>(
    client: &Client,
    cache: &Store<K>,
    cluster: &Validated,
    wanted: K,
) -> Result<(), Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned
        + 'static,
{
    let name = wanted.name_any();
    let clash = || Error::Clash { kind: kind::<K>(), name: name.clone() };
    let cached = cache.get(&ObjectRef::from_obj(&wanted));
    if let Some(there) = &cached {
        if !is_owned(there.meta(), &cluster.uid) {
            return Err(clash());
        }
        if is_contained(&json(&wanted), &json(there.as_ref())) {
            return Ok(());
        }
    }
    let api: Api<K> = Api::namespaced(client.clone(), &cluster.name.namespace);
    // The watch sees labelled objects only, and may lag: before applying over an object, see whose
    // it is.
    let there = within("reading an object", api.get_opt(&name)).await?;
    if there.is_some_and(|there| !is_owned(there.meta(), &cluster.uid)) {
        return Err(clash());
    }
    let params = PatchParams::apply(api::FIELD_MANAGER).force();
    tracing::info!(kind = kind::<K>(), name, "applying");
    within("applying an object", api.patch(&name, &params, &Patch::Apply(&wanted))).await?;
    Ok(())
}

/// The kind as people write it.
fn kind<K: Resource<DynamicType = ()>>() -> &'static str {
    match K::kind(&()).as_ref() {
        "Service" => "Service",
        "PodDisruptionBudget" => "PodDisruptionBudget",
        "Deployment" => "Deployment",
        "ConfigMap" => "ConfigMap",
        _ => "object",
    }
}

fn json<K: Serialize>(object: &K) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}

/// Whether everything that is wanted is there; what others added beside it does not matter.
fn is_contained(wanted: &Value, there: &Value) -> bool {
    match (wanted, there) {
        (Value::Object(wanted), Value::Object(there)) => wanted
            .iter()
            .all(|(key, value)| there.get(key).is_some_and(|other| is_contained(value, other))),
        (Value::Array(wanted), Value::Array(there)) => {
            wanted.len() == there.len()
                && wanted.iter().zip(there).all(|(wanted, there)| is_contained(wanted, there))
        }
        _ => wanted == there,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn defaults_of_the_api_server_are_no_difference() {
        let wanted = json!({"spec": {"ports": [{"port": 2379}]}});
        let there = json!({"spec": {"ports": [{"port": 2379, "protocol": "TCP"}], "type": "X"}});
        assert!(is_contained(&wanted, &there));
    }

    #[test]
    fn a_changed_or_missing_value_is_a_difference() {
        let wanted = json!({"spec": {"ports": [{"port": 2379}]}});
        for there in [
            json!({"spec": {"ports": [{"port": 1}]}}),
            json!({"spec": {"ports": []}}),
            json!({"spec": {"ports": [{"port": 2379}, {"port": 2380}]}}),
            json!({}),
        ] {
            assert!(!is_contained(&wanted, &there), "{there}");
        }
    }
}
