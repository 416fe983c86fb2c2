//! A real S3 server that pods reach: it listens in the control namespace, in which scenarios run.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use testbed::s3::{ACCESS_KEY, SECRET_KEY, Server};

use super::{MANAGER, Sandbox, http, request};
use crate::localkube::layout::CONTROL_ADDRESS;

/// The bucket that is there from the start.
pub const BUCKET: &str = "etcd-backups";
/// The Secret with the keys.
pub const KEYS: &str = "bucket-keys";

/// The server, with one bucket. It ends when this is dropped.
pub struct Bucket {
    server: Server,
}

impl Bucket {
    /// Starts the server, and puts the keys into the scenario's namespace.
    pub async fn start(sandbox: &Sandbox) -> Result<Self> {
        Self::start_for(&sandbox.api()).await
    }

    /// The same for whoever has a namespace of another kind.
    pub async fn start_for(secrets: &Api<Secret>) -> Result<Self> {
        let server = Server::start_on(CONTROL_ADDRESS).await;
        server.create_bucket(BUCKET).await;
        let bucket = Self { server };
        bucket.keys(secrets, SECRET_KEY).await?;
        Ok(bucket)
    }

    /// Puts keys into the Secret; any but [`SECRET_KEY`] are wrong.
    pub async fn keys(&self, secrets: &Api<Secret>, secret_key: &str) -> Result<()> {
        self.keys_named(secrets, KEYS, secret_key).await
    }

    /// Puts keys into another Secret.
    pub async fn keys_named(
        &self,
        secrets: &Api<Secret>,
        name: &str,
        secret_key: &str,
    ) -> Result<()> {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
            "stringData": {"credentials": credentials(secret_key)},
        });
        let params = PatchParams::apply(MANAGER).force();
        request(secrets.patch(name, &params, &Patch::Apply(secret))).await.map(drop)
    }

    /// The part of a policy that says where backups lie.
    pub fn policy(&self) -> Value {
        self.policy_for(BUCKET)
    }

    /// The same with another bucket, which may not be there.
    pub fn policy_for(&self, bucket: &str) -> Value {
        policy_at(&self.server.endpoint(), bucket)
    }

    /// The files of `~/.aws` with which the server is used: credentials and configuration.
    pub fn aws_files(&self) -> (String, String) {
        let endpoint = self.server.endpoint();
        let config = format!("[default]\nregion = us-east-1\nendpoint_url = {endpoint}\n");
        (credentials(SECRET_KEY), config)
    }

    /// Makes another bucket, with nothing in it.
    pub async fn create(&self, bucket: &str) {
        self.server.create_bucket(bucket).await;
    }

    /// The bucket that is there from the start.
    pub fn name(&self) -> &'static str {
        BUCKET
    }

    /// The server, for what befalls it.
    pub fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    /// Lets the server run on when this program ends, on what it has. It goes with the local Kubernetes.
    pub fn leave(self) {
        std::mem::forget(self.server);
    }

    /// Everything below a folder of the bucket, as paths from there.
    pub async fn files(&self, folder: &str) -> Result<BTreeSet<String>> {
        let mut files = BTreeSet::new();
        let mut folders = vec![String::new()];
        while let Some(inner) = folders.pop() {
            for (name, is_folder) in self.entries(&format!("{folder}/{inner}")).await? {
                if is_folder {
                    folders.push(format!("{inner}{name}/"));
                } else {
                    files.insert(format!("{inner}{name}"));
                }
            }
        }
        Ok(files)
    }

    /// What is stored under a path, read past the credentials.
    pub async fn read(&self, path: &str) -> Result<Vec<u8>> {
        let path = format!("/buckets/{BUCKET}/{path}");
        let (status, body) = http::call("GET", &self.server.files(), &path, &[]).await?;
        ensure!(status == 200, "{path} is answered {status}");
        Ok(body)
    }

    /// Stores something else under a path, as nobody who keeps to the rules would.
    pub async fn write(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let path = format!("/buckets/{BUCKET}/{path}");
        let (status, _) = http::call("PUT", &self.server.files(), &path, bytes).await?;
        ensure!((200..300).contains(&status), "writing {path} is answered {status}");
        Ok(())
    }

    /// Names in one folder, each with whether it is a folder; none when it is not there.
    async fn entries(&self, folder: &str) -> Result<Vec<(String, bool)>> {
        let path = format!("/buckets/{BUCKET}/{folder}?limit=10000");
        let (status, body) = http::get(&self.server.files(), &path).await?;
        if status == 404 {
            return Ok(Vec::new());
        }
        ensure!(status == 200, "{path} is answered {status}: {body}");
        let list: Value = serde_json::from_str(&body).with_context(|| path.clone())?;
        let entries = list.get("Entries").and_then(Value::as_array).cloned().unwrap_or_default();
        let read = |entry: &Value| {
            let path = entry.get("FullPath")?.as_str()?;
            let mode = entry.get("Mode")?.as_u64()?;
            Some((path.rsplit('/').next()?.to_owned(), mode & FOLDER != 0))
        };
        entries.iter().map(|entry| read(entry).context("an entry without a name")).collect()
    }
}

/// Go's bit for a folder in a mode.
const FOLDER: u64 = 1 << 31;

/// The part of a policy for a bucket at any such server, whose keys are in the Secret [`KEYS`].
pub fn policy_at(endpoint: &str, bucket: &str) -> Value {
    json!({"storageType": "S3", "s3": {
        "bucket": bucket, "endpoint": endpoint, "region": "us-east-1",
        "forcePathStyle": true, "credentialsSecret": KEYS,
    }})
}

/// The content of that Secret's `credentials`.
pub fn credentials(secret_key: &str) -> String {
    format!("[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {secret_key}\n")
}
