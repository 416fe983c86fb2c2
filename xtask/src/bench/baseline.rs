//! The same without the operator, as far as plain Kubernetes goes.
//!
//! Three pods with one static member list come up as fast as etcd can, and nobody looks after them. A
//! `StatefulSet` restarts a pod on the volume of the old one; it cannot replace a member whose data is gone.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::cluster::{Namespace, at_once, is_ready, within};

const NAME: &str = "plain";
const STATIC: &str = "static";
const SET: &str = "set";
const LIMIT: Duration = Duration::from_mins(5);
const GLANCE: Duration = Duration::from_millis(50);

/// A namespace of its own for each measurement, as for the operator's clusters.
fn namespace(what: &str, run: u8) -> String {
    format!("bench-{what}-{run}")
}

/// All namespaces that so many runs make.
pub(super) fn namespaces(runs: u8) -> impl Iterator<Item = String> {
    (1..=runs).flat_map(|run| [STATIC, SET].map(|what| namespace(what, run)))
}

/// Seconds from the creation of three pods until all are ready.
pub(super) async fn static_pods(client: &Client, run: u8) -> Result<f64> {
    let name = namespace(STATIC, run);
    let namespace = Namespace::create(client, &name).await?;
    let measured = async {
        let start = Instant::now();
        make_service(&namespace).await?;
        let pods: Api<Pod> = namespace.all();
        for number in 0..3 {
            within("creating a pod", pods.create(&PostParams::default(), &pod(&name, number)?))
                .await?;
        }
        until(&namespace, |pods| pods.len() == 3 && pods.iter().all(is_ready)).await?;
        Ok(start.elapsed().as_secs_f64())
    };
    let measured = measured.await;
    namespace.delete().await?;
    measured
}

/// Seconds from the deletion of a `StatefulSet`'s pod until its successor is ready.
pub(super) async fn stateful_set(client: &Client, run: u8) -> Result<f64> {
    let name = namespace(SET, run);
    let namespace = Namespace::create(client, &name).await?;
    let measured = async {
        make_service(&namespace).await?;
        let sets: Api<StatefulSet> = namespace.all();
        let set: StatefulSet = serde_json::from_value(set(&name))?;
        within("creating the StatefulSet", sets.create(&PostParams::default(), &set)).await?;
        until(&namespace, |pods| pods.len() == 3 && pods.iter().all(is_ready)).await?;
        let all: Api<Pod> = namespace.all();
        let victim = format!("{NAME}-1");
        let before = within("reading a pod", all.get(&victim)).await?.uid();
        let start = Instant::now();
        within("killing a pod", all.delete(&victim, &at_once())).await?;
        let is_back = |pod: &Pod| pod.name_any() == victim && pod.uid() != before && is_ready(pod);
        until(&namespace, |pods| pods.iter().any(is_back)).await?;
        let seconds = start.elapsed().as_secs_f64();
        // Or it makes its pods anew while the namespace goes.
        within("deleting it", sets.delete(NAME, &DeleteParams::default())).await?;
        Ok(seconds)
    };
    let measured = measured.await;
    namespace.delete().await?;
    measured
}

async fn until(namespace: &Namespace, is_so: impl Fn(&[Pod]) -> bool) -> Result<()> {
    let pods: Api<Pod> = namespace.all();
    let start = Instant::now();
    while start.elapsed() < LIMIT {
        let there = within("listing pods", pods.list(&ListParams::default())).await?;
        if is_so(&there.items) {
            return Ok(());
        }
        tokio::time::sleep(GLANCE).await;
    }
    bail!("the baseline's pods are not ready after {LIMIT:?}")
}

async fn make_service(namespace: &Namespace) -> Result<()> {
    let service: Service = serde_json::from_value(json!({
        "metadata": {"name": NAME},
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": true,
            "selector": {"app": NAME},
            "ports": [{"name": "client", "port": 2379}, {"name": "peer", "port": 2380}],
        },
    }))?;
    let services: Api<Service> = namespace.all();
    within("creating a service", services.create(&PostParams::default(), &service)).await.map(drop)
}

/// A pod as the set would make it, on a volume that goes with it.
fn pod(namespace: &str, number: u8) -> Result<Pod> {
    let name = format!("{NAME}-{number}");
    let mut pod: Pod = serde_json::from_value(template(namespace))?;
    pod.metadata.name = Some(name.clone());
    let spec = pod.spec.get_or_insert_default();
    spec.hostname = Some(name);
    spec.subdomain = Some(NAME.to_owned());
    let volume = json!([{"name": "data", "emptyDir": {}}]);
    spec.volumes = Some(serde_json::from_value(volume)?);
    Ok(pod)
}

fn set(namespace: &str) -> Value {
    let claim = json!({
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    json!({
        "metadata": {"name": NAME},
        "spec": {
            "replicas": 3,
            "serviceName": NAME,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": {"app": NAME}},
            "template": template(namespace),
            "volumeClaimTemplates": [claim],
        },
    })
}

/// etcd with the probes that the operator's pods have.
fn template(namespace: &str) -> Value {
    let host = |name: &str| format!("{name}.{NAME}.{namespace}.svc");
    let peer = |number: u8| {
        let name = format!("{NAME}-{number}");
        format!("{name}=http://{}:2380", host(&name))
    };
    let initial = (0..3).map(peer).collect::<Vec<_>>().join(",");
    let own = host("$(POD_NAME)");
    let probe = |path: &str, period: u8, failures: u16| {
        let ask = json!({"path": path, "port": 2381});
        json!({"httpGet": ask, "periodSeconds": period, "failureThreshold": failures})
    };
    let container = json!({
        "name": "etcd",
        "image": api::image::reference(api::image::DEFAULT_REPOSITORY, api::image::DEFAULT_VERSION),
        "env": [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "command": ["/usr/local/bin/etcd"],
        "args": [
            "--name=$(POD_NAME)",
            "--data-dir=/data/etcd",
            "--listen-client-urls=http://0.0.0.0:2379",
            format!("--advertise-client-urls=http://{own}:2379"),
            "--listen-peer-urls=http://0.0.0.0:2380",
            format!("--initial-advertise-peer-urls=http://{own}:2380"),
            "--listen-metrics-urls=http://0.0.0.0:2381",
            format!("--initial-cluster={initial}"),
            "--initial-cluster-state=new",
        ],
        "startupProbe": probe("/livez", 1, 600),
        "readinessProbe": probe("/readyz", 2, 3),
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    });
    json!({"metadata": {"labels": {"app": NAME}}, "spec": {"containers": [container]}})
}
