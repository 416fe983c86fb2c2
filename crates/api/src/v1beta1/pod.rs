//! How the members' pods are made and placed.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, LocalObjectReference, ResourceRequirements, Toleration, TopologySpreadConstraint,
};
use serde::{Deserialize, Serialize};

#[cfg(feature = "crd")]
use super::rules;

/// How the members' pods are made and placed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct PodPolicy {
    /// Labels that a node must have to run a member. Empty: any node.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(
        feature = "crd",
        schemars(extend(
            "maxProperties" = 32,
            "additionalProperties" = rules::label_value(),
            "x-kubernetes-map-type" = "atomic",
            "x-kubernetes-validations" = rules::NODE_SELECTOR
        ))
    )]
    pub node_selector: BTreeMap<String, String>,

    /// Never run two members of this cluster on one node. A member for which no node is left
    /// stays Pending.
    #[serde(default)]
    pub anti_affinity: bool,

    /// CPU and memory of the etcd container. Absent: none asked for, none limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,

    /// Labels put on the pods beside the operator's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(
        feature = "crd",
        schemars(extend(
            "maxProperties" = 32,
            "additionalProperties" = rules::label_value(),
            "x-kubernetes-validations" = rules::POD_LABELS
        ))
    )]
    pub labels: BTreeMap<String, String>,

    /// Annotations put on the pods beside the operator's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(
        feature = "crd",
        schemars(extend("maxProperties" = 32, "x-kubernetes-validations" = rules::POD_ANNOTATIONS))
    )]
    pub annotations: BTreeMap<String, String>,

    /// Taints of nodes that members bear.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        feature = "crd",
        schemars(extend("maxItems" = 32, "x-kubernetes-list-type" = "atomic"))
    )]
    pub tolerations: Vec<Toleration>,

    /// Kubernetes' scheduling rules for the pods. With antiAffinity true, its rule is added to
    /// these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,

    /// How evenly members spread over zones or nodes. The labelSelector has to select the
    /// members, such as matchLabels: {etcd_cluster: NAME}.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        feature = "crd",
        schemars(extend(
            "maxItems" = 16,
            "x-kubernetes-list-type" = "map",
            "x-kubernetes-list-map-keys" = ["topologyKey", "whenUnsatisfiable"]
        ))
    )]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,

    /// PriorityClass of the pods. Absent: the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(max = 253)))]
    pub priority_class_name: Option<String>,

    /// Secrets in the cluster's namespace with which images are pulled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        feature = "crd",
        schemars(extend(
            "maxItems" = 16,
            "x-kubernetes-list-type" = "map",
            "x-kubernetes-list-map-keys" = ["name"]
        ))
    )]
    pub image_pull_secrets: Vec<LocalObjectReference>,
}
