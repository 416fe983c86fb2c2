//! The `Cluster` resource: its root type and its spec.

use serde::{Deserialize, Serialize};

use super::{
    BackupPolicy, PodPolicy, RecoveryPolicy, RestorePolicy, SelfHostedPolicy, StoragePolicy,
    TlsPolicy,
};
#[cfg(feature = "crd")]
use super::{ClusterStatus, rules};

/// What the cluster should be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(kube::CustomResource, schemars::JsonSchema))]
#[cfg_attr(feature = "crd", schemars(extend("x-kubernetes-validations" = rules::SPEC)))]
#[cfg_attr(
    feature = "crd",
    kube(
        group = "etcd.coreos.com",
        version = "v1beta1",
        kind = "Cluster",
        plural = "clusters",
        shortname = "etcd",
        namespaced,
        doc = "An etcd cluster. The operator creates its members, keeps them healthy, and grows, \
               shrinks and heals the cluster until it is as the spec says.",
        status = "ClusterStatus",
        derive = "PartialEq",
        validation = rules::NAME,
        scale(
            spec_replicas_path = ".spec.size",
            status_replicas_path = ".status.size",
            label_selector_path = ".status.selector"
        ),
        printcolumn(
            name = "Phase",
            type_ = "string",
            json_path = ".status.phase",
            description = "The state in one word."
        ),
        printcolumn(
            name = "Ready",
            type_ = "string",
            json_path = ".status.ready",
            description = "Voting members that are ready, of the size asked for."
        ),
        printcolumn(
            name = "Version",
            type_ = "string",
            json_path = ".status.currentVersion",
            description = "The etcd version that runs."
        ),
        printcolumn(
            name = "Backup",
            type_ = "date",
            json_path = ".status.backupServiceStatus.lastSuccess",
            description = "How long ago the cluster was last found backed up."
        ),
        printcolumn(
            name = "Message",
            type_ = "string",
            json_path = ".status.message",
            priority = 1,
            description = "What happens, and who acts next."
        ),
        printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
    )
)]
pub struct ClusterSpec {
    /// Number of members, 1 to 7. 3 outlives the loss of one member, 5 of two; an even number
    /// outlives no more than the odd one below it. Members are added and removed one at a time.
    #[cfg_attr(feature = "crd", schemars(extend("x-kubernetes-validations" = rules::SIZE)))]
    pub size: i32,

    /// etcd version, such as 3.6.16; versions 3.5.11 to 3.7 are run. Absent: chosen when the
    /// cluster is created, recorded in status.currentVersion, and kept from then on. A version
    /// that cannot be run is answered by the condition UnsupportedVersion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "crd",
        schemars(length(max = 64), extend("x-kubernetes-validations" = rules::VERSION))
    )]
    pub version: Option<String>,

    /// Image repository of etcd, without tag. Absent: quay.io/coreos/etcd. The image of a member
    /// is this, a colon, v and the version: quay.io/coreos/etcd:v3.6.16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "crd",
        schemars(length(max = 255), extend("x-kubernetes-validations" = rules::REPOSITORY))
    )]
    pub repository: Option<String>,

    /// While true the operator changes nothing about the cluster, not even to heal it, and the
    /// status says so.
    #[serde(default)]
    pub paused: bool,

    /// How the members' pods are made and placed. Members that already run keep what they were
    /// made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodPolicy>,

    /// Take backups, and where to. Absent: none are taken; backups that were taken before stay. The
    /// condition BackupHealthy says how they fare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupPolicy>,

    /// Create the cluster from a backup instead of empty. Needs backup too. Of no meaning once the
    /// cluster serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<RestorePolicy>,

    /// Run the etcd that the surrounding Kubernetes itself uses. This release does not do it, and
    /// the condition UnsupportedField says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_hosted: Option<SelfHostedPolicy>,

    /// Encrypt and authenticate the traffic. Absent: plain HTTP. This release does not do TLS
    /// yet, and the condition UnsupportedField says so.
    #[serde(rename = "TLS", default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsPolicy>,

    /// Where members keep their data. Absent: in the pods, so that it goes with the pod. This
    /// release keeps it nowhere else yet, and the condition UnsupportedField says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<StoragePolicy>,

    /// What is done about members that fail.
    #[serde(default)]
    pub recovery: RecoveryPolicy,
}
