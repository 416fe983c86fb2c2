//! The objects around the members: services and the disruption budget.
//!
//! They are compared with what the watch has seen and applied only when they differ, so a cluster
//! at rest costs no write.

use std::fmt::Debug;
use std::sync::Arc;

use api::labels::{self, COMPONENT_MEMBER as MEMBER};
use api::v1beta1::Cluster;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
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

/// The version of an empty store, which no object has.
const NO_VERSION: &str = "1";

/// Brings the objects to what they shall be. The client service exists only once the cluster has
/// served, because from then on its data counts.
pub async fn ensure(
    client: &Client,
    caches: &Caches,
    cluster: &Validated,
    sight: &Sight,
) -> Result<(), Error> {
    let (services, budgets) = (&caches.services, &caches.budgets);
    let named = ensure_one(client, services, cluster, build::headless_service(cluster)).await;
    let budget = build::disruption_budget(cluster, sight.voters());
    let kept = ensure_one(client, budgets, cluster, budget).await;
    let reached = if sight.observed.record.served {
        ensure_one(client, services, cluster, build::client_service(cluster)).await
    } else {
        Ok(())
    };
    // A name that is a stranger's holds up none of the others.
    named.and(kept).and(reached)
}

/// Members that no service leads to, although the status says that the restore is finished.
pub fn kept_out(sight: &Sight) -> impl Iterator<Item = &Arc<Pod>> {
    let status = sight.cluster.status.as_ref().filter(|status| status.restore.is_none());
    let rows = status.map(|status| status.member_statuses.as_slice()).unwrap_or_default();
    let is_member = |pod: &Pod| rows.iter().any(|row| row.name == pod.name_any());
    let is_kept_out = |pod: &Pod| pod.labels().get(labels::COMPONENT).is_none_or(|it| it != MEMBER);
    sight.pods.values().filter(move |pod| is_kept_out(pod) && is_member(pod))
}

/// Lets the services lead to a first member from a backup, once the status says that the restore is
/// finished: it names the member then, and never before.
pub async fn admit(client: &Client, sight: &Sight) -> Result<(), Error> {
    for pod in kept_out(sight) {
        let api: Api<Pod> = Api::namespaced(client.clone(), &sight.name.namespace);
        let patch = json!({"metadata": {"uid": pod.uid(), "labels": {labels::COMPONENT: MEMBER}}});
        let params = PatchParams {
            field_manager: Some(api::FIELD_MANAGER.into()),
            ..PatchParams::default()
        };
        let name = pod.name_any();
        tracing::info!(name, "the services lead to the restored member from now on");
        fault::point("before-admit");
        within("labelling a pod", api.patch(&name, &params, &Patch::Merge(patch))).await?;
        fault::point("after-admit");
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
    let mut wanted = wanted;
    let name = wanted.name_any();
    let clash = || Error::Clash { kind: kind::<K>(), name: name.clone() };
    let cached = cache.get(&ObjectRef::from_obj(&wanted));
    if let Some(there) = &cached {
        if !is_owned(there.meta(), &cluster.uid) && !is_leaving(there.meta(), cluster) {
            return Err(clash());
        }
        if is_owned(there.meta(), &cluster.uid)
            && is_contained(&json(&wanted), &json(there.as_ref()))
        {
            return Ok(());
        }
    }
    let api: Api<K> = Api::namespaced(client.clone(), &cluster.name.namespace);
    // The watch sees labelled objects only, and may lag: before applying over an object, see whose
    // it is.
    let there = within("reading an object", api.get_opt(&name)).await?;
    if let Some(meta) = there.as_ref().map(Resource::meta).filter(|it| !is_owned(it, &cluster.uid))
    {
        let left = "waiting until what an earlier cluster of the name left is gone";
        return Err(if is_leaving(meta, cluster) {
            Error::Conflict { what: left }
        } else {
            clash()
        });
    }
    pin(wanted.meta_mut(), there.as_ref().map(Resource::meta));
    let params = PatchParams::apply(api::FIELD_MANAGER).force();
    tracing::info!(kind = kind::<K>(), name, "applying");
    within("applying an object", api.patch(&name, &params, &Patch::Apply(&wanted))).await?;
    Ok(())
}

/// Whether it goes by itself: it is being deleted, or was an earlier cluster's of this name, whose objects
/// Kubernetes collects.
fn is_leaving(meta: &ObjectMeta, cluster: &Validated) -> bool {
    let is_earlier = |owner: &OwnerReference| {
        owner.kind == Cluster::kind(&()) && owner.name == cluster.name.name
    };
    meta.deletion_timestamp.is_some() || meta.owner_references.iter().flatten().any(is_earlier)
}

/// Has the API server refuse, with a conflict, to apply over another object than the one that was seen;
/// where there was none, over any. It creates an object whatever version is named, and none that is
/// there ever has this one (`Store.Update` in its registry).
pub(crate) fn pin(wanted: &mut ObjectMeta, there: Option<&ObjectMeta>) {
    wanted.uid = there.and_then(|there| there.uid.clone());
    let seen = there.map(|there| there.resource_version.clone());
    wanted.resource_version = seen.unwrap_or_else(|| Some(NO_VERSION.into()));
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
        (Value::Object(wanted), Value::Object(there)) => wanted.iter().all(|(key, value)| {
            there.get(key).map_or_else(|| is_nothing(value), |other| is_contained(value, other))
        }),
        (Value::Array(wanted), Value::Array(there)) => {
            wanted.len() == there.len()
                && wanted.iter().zip(there).all(|(wanted, there)| is_contained(wanted, there))
        }
        _ => wanted == there,
    }
}

/// What the API server leaves out when it stores an object.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::validate;
    use http::{Method, Request, Response};
    use kube::client::Body;
    use serde_json::json;
    use tower_test::mock;

    #[test]
    fn what_the_api_server_leaves_out_is_no_difference() {
        let wanted = json!({"spec": {"key": "", "values": [], "none": null, "operator": "Exists"}});
        assert!(is_contained(&wanted, &json!({"spec": {"operator": "Exists"}})));
        for is_something in [json!({"a": {}}), json!({"a": 0}), json!({"a": false})] {
            assert!(!is_contained(&is_something, &json!({})), "{is_something}");
        }
    }

    #[test]
    fn defaults_of_the_api_server_are_no_difference() {
        let wanted = json!({"spec": {"ports": [{"port": 2379}]}});
        let there = json!({"spec": {"ports": [{"port": 2379, "protocol": "TCP"}], "type": "X"}});
        assert!(is_contained(&wanted, &there));
    }

    /// The body of the apply that is attempted, when the API server has this object.
    async fn applied(there: Option<Value>) -> Result<Value, Error> {
        let (service, mut server) = mock::pair::<Request<Body>, Response<Body>>();
        let client = Client::new(service, "shop");
        let (store, _writer) = kube::runtime::reflector::store();
        let cluster: Cluster = serde_json::from_value(json!({
            "metadata": {"name": "orders", "namespace": "shop", "uid": "u-1"}, "spec": {"size": 3}
        }))
        .unwrap();
        let (cluster, mut sent) = (validate(&cluster), Value::Null);
        let service = build::headless_service(&cluster);
        let ensured = ensure_one(&client, &store, &cluster, service);
        let answers = async {
            while let Some((request, send)) = server.next_request().await {
                let (code, answer) = match (request.method(), &there) {
                    (&Method::GET, Some(there)) => (200, there.clone()),
                    (&Method::GET, None) => (404, json!({"code": 404, "reason": "NotFound"})),
                    _ => {
                        let body = request.into_body().collect_bytes().await.unwrap();
                        sent = serde_json::from_slice(&body).unwrap();
                        (409, json!({"code": 409, "reason": "Conflict"}))
                    }
                };
                let body = Body::from(answer.to_string().into_bytes());
                send.send_response(Response::builder().status(code).body(body).unwrap());
            }
        };
        let outcome =
            tokio::select! { outcome = ensured => outcome, () = answers => panic!("no end") };
        if matches!(outcome, Err(Error::Clash { .. })) {
            return outcome.map(|()| Value::Null);
        }
        assert!(matches!(outcome, Err(Error::Conflict { .. })), "{outcome:?}");
        Ok(sent)
    }

    #[tokio::test]
    async fn what_appears_or_changes_between_the_look_and_the_write_is_not_applied_over() {
        let owned = |uid: &str| owned("Cluster", uid);
        let meta = |sent: &Value| {
            let meta = &sent["metadata"];
            (meta["uid"].as_str().map(str::to_owned), meta["resourceVersion"].clone())
        };
        let over = applied(Some(owned("u-1"))).await.unwrap();
        assert_eq!(meta(&over), (Some("s-7".into()), json!("4711")));
        let anew = applied(None).await.unwrap();
        assert_eq!(meta(&anew), (None, json!(NO_VERSION)));
    }

    #[tokio::test]
    async fn a_stranger_s_object_is_a_clash_and_what_an_earlier_cluster_left_is_waited_for() {
        let theirs = applied(Some(owned("Deployment", "u-0"))).await;
        assert!(matches!(theirs, Err(Error::Clash { .. })));
        let nobody_s = json!({"metadata": {"name": "orders"}});
        assert!(matches!(applied(Some(nobody_s.clone())).await, Err(Error::Clash { .. })));
        let mut leaving = nobody_s;
        leaving["metadata"]["deletionTimestamp"] = json!("2026-11-24T03:00:09Z");
        for left in [owned("Cluster", "u-0"), leaving] {
            assert_eq!(applied(Some(left)).await.unwrap(), Value::Null, "nothing is applied");
        }
    }

    fn owned(kind: &str, uid: &str) -> Value {
        json!({"metadata": {"name": "orders", "uid": "s-7", "resourceVersion": "4711",
            "ownerReferences":
                [{"apiVersion": "v1", "kind": kind, "name": "orders", "uid": uid}]}})
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
