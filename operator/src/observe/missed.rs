//! Pods that the list by labels does not hold.
//!
//! Anybody may take a label off a pod, and many do, to take it out of a service. List and watch go by
//! labels, so such a pod looks gone although its member serves. Before something is decided, whoever is
//! missed is asked for by name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};
use planner::name::ClusterName;

use super::is_owned;
use crate::call::within;
use crate::error::Error;

/// Adds the pods of those of these members that are there all the same, and says whether there are any.
pub async fn find(
    client: &Client,
    name: &ClusterName,
    uid: &str,
    numbers: BTreeSet<u32>,
    pods: &mut BTreeMap<u32, Arc<Pod>>,
) -> Result<bool, Error> {
    let api: Api<Pod> = Api::namespaced(client.clone(), &name.namespace);
    let missed = numbers.into_iter().filter(|number| !pods.contains_key(number));
    let asked = missed.map(|number| {
        let (api, member) = (&api, name.member(number));
        async move {
            let there = within("reading a pod", api.get_opt(&member)).await?;
            Ok::<_, Error>((number, there.filter(|pod| is_owned(&pod.metadata, uid))))
        }
    });
    let found = try_join_all(asked.collect::<Vec<_>>()).await?;
    let known = pods.len();
    pods.extend(found.into_iter().filter_map(|(number, pod)| Some((number, Arc::new(pod?)))));
    Ok(pods.len() > known)
}

#[cfg(test)]
mod tests {
    use http::{Request, Response, StatusCode};
    use kube::client::Body;
    use serde_json::{Value, json};
    use tower_test::mock;

    use super::*;

    fn pod(owner: &str) -> Value {
        json!({"metadata": {"name": "x", "ownerReferences": [
            {"apiVersion": "etcd.coreos.com/v1beta1", "kind": "Cluster", "name": "orders", "uid": owner}
        ]}})
    }

    #[tokio::test]
    async fn a_pod_without_our_labels_is_found_by_its_name_and_a_stranger_s_is_not() {
        let (service, mut server) = mock::pair::<Request<Body>, Response<Body>>();
        let client = Client::new(service, "shop");
        let answers = tokio::spawn(async move {
            let mut asked = BTreeSet::new();
            for _ in 0..3 {
                let (request, send) = server.next_request().await.unwrap();
                let path = request.uri().path().to_owned();
                let (code, body) = match path.rsplit('/').next().unwrap() {
                    "orders-0003" => (StatusCode::OK, pod("u-1")),
                    "orders-0004" => (StatusCode::OK, pod("u-0")),
                    _ => (StatusCode::NOT_FOUND, json!({"code": 404, "reason": "NotFound"})),
                };
                let body = Body::from(body.to_string().into_bytes());
                send.send_response(Response::builder().status(code).body(body).unwrap());
                asked.insert(path);
            }
            asked
        });
        let name = ClusterName { namespace: "shop".into(), name: "orders".into() };
        let seen: Pod = serde_json::from_value(pod("u-1")).unwrap();
        let mut pods = BTreeMap::from([(2, Arc::new(seen))]);
        let numbers = BTreeSet::from([2, 3, 4, 5]);
        assert!(find(&client, &name, "u-1", numbers, &mut pods).await.unwrap());
        assert_eq!(pods.keys().copied().collect::<Vec<_>>(), [2, 3]);
        let path = |number: u32| format!("/api/v1/namespaces/shop/pods/orders-000{number}");
        assert_eq!(answers.await.unwrap(), BTreeSet::from([path(3), path(4), path(5)]));
    }
}
