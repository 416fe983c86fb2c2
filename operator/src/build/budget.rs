//! The disruption budget: a drain never takes the quorum.

use api::objects;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{label_selector, metadata};
use crate::validate::Validated;

/// While a cluster shrinks, its quorum is the one of those that still vote, not of those that will.
///
/// An integer `minAvailable`: over bare pods Kubernetes knows no expected count, and
/// `maxUnavailable` would refuse every eviction.
pub fn disruption_budget(cluster: &Validated, voters: usize) -> PodDisruptionBudget {
    let quorum = planner::quorum(cluster.desired.size.max(voters));
    let quorum = i32::try_from(quorum).unwrap_or(i32::MAX);
    PodDisruptionBudget {
        metadata: metadata(cluster, objects::disruption_budget(&cluster.name.name)),
        spec: Some(PodDisruptionBudgetSpec {
            min_available: Some(IntOrString::Int(quorum)),
            selector: Some(label_selector(cluster)),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    }
}
