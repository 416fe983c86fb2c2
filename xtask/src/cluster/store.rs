//! An S3 server for backups that the pods of a namespace reach, with an empty bucket and the Secret for it:
//! `SeaweedFS`, beside the local Kubernetes, or as a pod on any other.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use ::tests::scenario::Bucket;
use ::tests::scenario::bucket::{BUCKET, KEYS, credentials, policy_at};
use anyhow::{Context, Result, anyhow, bail};
use futures::FutureExt;
use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use kube::Api;
use kube::api::PostParams;
use kube::runtime::wait::await_condition;
use serde_json::{Value, json};
use testbed::s3::{FLAGS, SECRET_KEY, identities};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Namespace, is_ready, within};

/// Of the pod, its Service and its Secret.
const NAME: &str = "s3";
const S3_PORT: u16 = 8333;
/// Of what lies behind S3, where a bucket is made without a signature.
const FILES_PORT: u16 = 8888;
/// An image may have to be pulled.
const START: Duration = Duration::from_mins(3);

/// The server. The one beside the local Kubernetes ends when this is dropped, a pod with its namespace.
pub(crate) enum Store {
    Local(Box<Bucket>),
    Pod { endpoint: String },
}

impl Store {
    /// Starts it beside the local Kubernetes, in whose control namespace this runs.
    pub(crate) async fn start_locally(namespace: &Namespace) -> Result<Self> {
        let secrets: Api<Secret> = namespace.all();
        // It belongs to the tests and dies where it fails; here that is an error like any other.
        let starting = AssertUnwindSafe(Bucket::start_for(&secrets)).catch_unwind();
        let started = starting.await.map_err(|_| anyhow!("the S3 server could not be started"))?;
        let bucket = started?;
        Ok(Self::Local(Box::new(bucket)))
    }

    /// Starts it as a pod of this image.
    pub(crate) async fn start_in(namespace: &Namespace, image: &str) -> Result<Self> {
        create::<Secret>(namespace, secret(KEYS, "credentials", &credentials(SECRET_KEY))).await?;
        create::<Secret>(namespace, secret(NAME, "identities.json", &identities())).await?;
        create::<Service>(namespace, service()).await?;
        create::<Pod>(namespace, pod(image)).await?;
        let pods: Api<Pod> = namespace.all();
        let ready = await_condition(pods, NAME, |pod: Option<&Pod>| pod.is_some_and(is_ready));
        let waited = tokio::time::timeout(START, ready).await;
        waited.with_context(|| {
            format!(
                "the S3 server, pod {NAME} of the image {image}, is not ready after {START:?}; see \
                 kubectl -n {} describe pod {NAME}, and name an image that your nodes can pull \
                 with --s3-image, or leave this part out with --no-backups",
                namespace.name()
            )
        })??;
        make_bucket(namespace).await?;
        Ok(Self::Pod { endpoint: format!("http://{NAME}.{}.svc:{S3_PORT}", namespace.name()) })
    }

    /// The part of a policy that says where backups lie.
    pub(crate) fn policy(&self) -> Value {
        match self {
            Self::Local(bucket) => bucket.policy(),
            Self::Pod { endpoint } => policy_at(endpoint, BUCKET),
        }
    }

    /// Lets it run on when this program ends.
    pub(crate) fn leave(self) {
        if let Self::Local(bucket) = self {
            bucket.leave();
        }
    }
}

async fn create<K>(namespace: &Namespace, object: Value) -> Result<()>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::Serialize
        + serde::de::DeserializeOwned,
{
    let (all, new): (Api<K>, K) = (namespace.all(), serde_json::from_value(object)?);
    within("creating the S3 server", all.create(&PostParams::default(), &new)).await.map(drop)
}

fn secret(name: &str, key: &str, content: &str) -> Value {
    json!({"metadata": {"name": name}, "stringData": {key: content}})
}

fn service() -> Value {
    json!({
        "metadata": {"name": NAME},
        "spec": {"selector": {"app": NAME}, "ports": [{"port": S3_PORT}]},
    })
}

fn pod(image: &str) -> Value {
    let mut flags = vec!["-logtostderr=true", "server", "-ip=$(POD_IP)", "-ip.bind=0.0.0.0"];
    flags.extend(["-dir=/data", "-s3.config=/etc/s3/identities.json"]);
    flags.extend(FLAGS);
    let own_address = json!({
        "name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}},
    });
    let container = json!({
        "name": "seaweedfs",
        "image": image,
        "command": ["weed"],
        "args": flags,
        "env": [own_address],
        "ports": [{"containerPort": S3_PORT}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": S3_PORT}, "periodSeconds": 1},
        "volumeMounts": [
            {"name": "data", "mountPath": "/data"},
            {"name": "temporary", "mountPath": "/tmp"},
            {"name": "config", "mountPath": "/etc/s3"},
        ],
    });
    json!({
        "metadata": {"name": NAME, "labels": {"app": NAME}},
        "spec": {
            "automountServiceAccountToken": false,
            // Its variable S3_PORT, made of the Service's name, would be taken for a flag.
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": 1,
            "containers": [container],
            "volumes": [
                {"name": "data", "emptyDir": {}},
                {"name": "temporary", "emptyDir": {}},
                {"name": "config", "secret": {"secretName": NAME}},
            ],
        },
    })
}

/// Its parts find each other a moment after it answers; a bucket can be made once they have.
async fn make_bucket(namespace: &Namespace) -> Result<()> {
    let trying = async {
        loop {
            match asked_for_bucket(namespace).await {
                Ok(()) => return,
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    };
    tokio::time::timeout(START, trying).await.context("the S3 server makes no bucket")
}

async fn asked_for_bucket(namespace: &Namespace) -> Result<()> {
    let pods: Api<Pod> = namespace.all();
    let forwarding = pods.portforward(NAME, &[FILES_PORT]);
    let mut forwarded = within("reaching the S3 server", forwarding).await?;
    let mut stream = forwarded.take_stream(FILES_PORT).context("no stream was opened")?;
    let asking = async {
        let request = format!(
            "POST /buckets/{BUCKET}/ HTTP/1.0\r\nHost: {NAME}\r\nContent-Length: 0\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = within("making a bucket", asking).await?;
    match answer.split(' ').nth(1) {
        Some(status) if status.starts_with('2') || status == "409" => Ok(()),
        status => bail!("making a bucket is answered {status:?}"),
    }
}
