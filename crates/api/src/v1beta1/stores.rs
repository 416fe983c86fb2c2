//! The stores that hold backups, as a spec names them.

use serde::{Deserialize, Serialize};

#[cfg(feature = "crd")]
use super::rules;

/// Where backups are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StorageType {
    /// On a persistent volume. The seed's manifests may write it as an empty string.
    #[default]
    #[serde(alias = "")]
    PersistentVolume,
    /// In an S3 bucket.
    S3,
    /// In a bucket of Google Cloud Storage.
    #[serde(rename = "GCS")]
    Gcs,
    /// In a container of Azure Blob Storage.
    Azure,
}

/// By hand: an enum in the schema would refuse with a bare list, the rule says what to do.
#[cfg(feature = "crd")]
impl schemars::JsonSchema for StorageType {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StorageType".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "maxLength": 64,
            "x-kubernetes-validations": rules::STORAGE_TYPE,
        })
    }
}

/// A persistent volume for backups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct PvSource {
    /// Size of the volume in MiB. It has to hold maxBackups snapshots and one more.
    #[serde(rename = "volumeSizeInMB")]
    #[cfg_attr(feature = "crd", schemars(extend("x-kubernetes-validations" = rules::VOLUME_SIZE)))]
    pub volume_size_in_mb: i64,

    /// Storage class of the volume's claim. Absent: the cluster's default class, or that of the
    /// operator's --pv-provisioner. A claim that is there already keeps its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(max = 253)))]
    pub storage_class_name: Option<String>,
}

/// An S3 bucket for backups, at Amazon or any compatible store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "crd", schemars(extend("x-kubernetes-validations" = rules::S3)))]
pub struct S3Source {
    /// Name of the bucket. Absent: the operator's --backup-s3-bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(max = 63)))]
    pub bucket: Option<String>,

    /// Folder in the bucket under which everything is kept. Absent: the bucket itself. Several
    /// clusters may share it: each has its own path below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "crd",
        schemars(length(max = 256), extend("x-kubernetes-validations" = rules::PREFIX))
    )]
    pub prefix: Option<String>,

    /// URL of a store other than Amazon's, such as http://seaweedfs.storage.svc:8333.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "crd",
        schemars(length(max = 256), extend("x-kubernetes-validations" = rules::ENDPOINT))
    )]
    pub endpoint: Option<String>,

    /// Region of the bucket. Absent: what the environment says, or us-east-1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(max = 64)))]
    pub region: Option<String>,

    /// A Secret in the cluster's namespace with an AWS credentials file under the key credentials,
    /// and a configuration file under config if one is needed. Absent: the pod's own identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "crd",
        schemars(length(max = 253), extend("x-kubernetes-validations" = rules::SECRET_NAME))
    )]
    pub credentials_secret: Option<String>,

    /// The bucket is a part of the URL's path and not of its host name, as most compatible stores
    /// want it. Absent: true with an endpoint, false without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_path_style: Option<bool>,

    /// Encryption by the store. Absent: what the bucket does by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sse: Option<ServerSideEncryption>,

    /// Keeps backups from being deleted or changed by anybody for a time. The bucket must have
    /// object lock enabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_lock: Option<ObjectLock>,
}

/// How the store encrypts what it keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct ServerSideEncryption {
    /// ID or ARN of a KMS key. Absent: keys that the store manages (SSE-S3, AES256).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(max = 2048)))]
    pub kms_key_id: Option<String>,
}

/// For how long nobody can delete a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct ObjectLock {
    /// Governance: somebody with the special permission can delete it. Compliance: nobody can.
    pub mode: ObjectLockMode,
    /// Days from the start of each backup.
    #[cfg_attr(feature = "crd", schemars(extend("x-kubernetes-validations" = rules::LOCK_DAYS)))]
    pub days: i32,
}

/// Who may break the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum ObjectLockMode {
    /// Somebody with the special permission.
    Governance,
    /// Nobody.
    Compliance,
}

/// A bucket of Google Cloud Storage. Not tested against the real service yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct GcsSource {
    /// Name of the bucket.
    #[cfg_attr(feature = "crd", schemars(length(min = 3, max = 222)))]
    pub bucket: String,

    /// Folder in the bucket under which everything is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "crd",
        schemars(length(max = 256), extend("x-kubernetes-validations" = rules::PREFIX))
    )]
    pub prefix: Option<String>,

    /// A Secret in the cluster's namespace with a service account's key under credentials.json.
    /// Absent: the pod's own identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "crd",
        schemars(length(max = 253), extend("x-kubernetes-validations" = rules::SECRET_NAME))
    )]
    pub credentials_secret: Option<String>,
}

/// A container of Azure Blob Storage. Not tested against the real service yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct AzureSource {
    /// Name of the container.
    #[cfg_attr(feature = "crd", schemars(length(min = 3, max = 63)))]
    pub container: String,

    /// Name of the storage account.
    #[cfg_attr(feature = "crd", schemars(length(min = 3, max = 24)))]
    pub account: String,

    /// Folder in the container under which everything is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "crd",
        schemars(length(max = 256), extend("x-kubernetes-validations" = rules::PREFIX))
    )]
    pub prefix: Option<String>,

    /// A Secret in the cluster's namespace with the account's key under accountKey. Absent: the
    /// pod's own identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "crd",
        schemars(length(max = 253), extend("x-kubernetes-validations" = rules::SECRET_NAME))
    )]
    pub credentials_secret: Option<String>,
}
