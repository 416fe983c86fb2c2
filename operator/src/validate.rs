//! From the raw `Cluster` to what can be acted on. Nothing after this reads the spec.
//!
//! The API server has refused what is wrong in form. Left to say here is what this release cannot
//! do: what would be dangerous to ignore blocks the cluster, the rest is named and left out.

use api::condition::reason;
use api::image;
use api::v1beta1::{Cluster, ClusterSpec, PodPolicy, QuorumLossPolicy};
use kube::ResourceExt;
use planner::name::ClusterName;
use planner::version::Version;
use planner::{Desired, QuorumLoss};

/// A cluster as it is run.
pub struct Validated {
    /// Its name.
    pub name: ClusterName,
    /// Its UID, which tells it from an earlier cluster of the same name.
    pub uid: String,
    /// What decisions depend on.
    pub desired: Desired,
    /// The etcd version that members run; empty text never.
    pub version: String,
    /// The image of that version.
    pub image: String,
    /// How pods shall be.
    pub pod: PodPolicy,
    /// A restore that a person asks for goes on from the backup's own revision.
    pub keep_revisions: bool,
    /// What the spec asks for and does not get.
    pub unmet: Vec<Unmet>,
}

/// Something in the spec that is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// The condition that says so.
    pub condition: &'static str,
    /// Its reason.
    pub reason: &'static str,
    /// A sentence that says what to write instead or what it means.
    pub message: String,
    /// Nothing is started while this holds.
    pub blocks: bool,
}

/// Reads the spec, and the version that the status recorded.
pub fn validate(cluster: &Cluster) -> Validated {
    let spec = &cluster.spec;
    // Until there is data, the version is not more than a wish.
    let serving = cluster.status.as_ref().filter(|status| status.served);
    let running = serving.and_then(|status| status.current_version.clone());
    let version = running.clone().unwrap_or_else(|| wanted_version(spec));
    let mut unmet: Vec<Unmet> = version_unmet(spec, running.as_deref()).into_iter().collect();
    unmet.extend(fields_unmet(spec, serving.is_some()));
    let repository = spec.repository.as_deref().unwrap_or(image::DEFAULT_REPOSITORY);
    let name = ClusterName {
        namespace: cluster.namespace().unwrap_or_default(),
        name: cluster.name_any(),
    };
    Validated {
        uid: cluster.uid().unwrap_or_default(),
        desired: Desired {
            cluster: name.clone(),
            // The schema admits 1 to 7; anything else would have been refused.
            size: usize::try_from(spec.size).unwrap_or(1).clamp(1, 7),
            paused: spec.paused,
            replace_after: spec.recovery.replace_after.get(),
            from_backup: spec.restore.is_some(),
            quorum_loss: match spec.recovery.quorum_loss {
                QuorumLossPolicy::Automatic => QuorumLoss::Automatic,
                QuorumLossPolicy::Manual => QuorumLoss::Manual,
            },
            approved: cluster.annotations().get(planner::APPROVAL).cloned(),
        },
        image: image::reference(repository, &version),
        name,
        version,
        pod: spec.pod.clone().unwrap_or_default(),
        keep_revisions: spec.restore.as_ref().is_some_and(|restore| restore.keep_revisions),
        unmet,
    }
}

impl Validated {
    /// Why nothing may be started, if so.
    pub fn blocked(&self) -> Option<&Unmet> {
        self.unmet.iter().find(|unmet| unmet.blocks)
    }
}

fn wanted_version(spec: &ClusterSpec) -> String {
    let wanted = spec.version.as_deref().unwrap_or(image::DEFAULT_VERSION);
    wanted.trim_start_matches('v').to_owned()
}

fn version_unmet(spec: &ClusterSpec, running: Option<&str>) -> Option<Unmet> {
    let wanted = wanted_version(spec);
    let condition = api::condition::UNSUPPORTED_VERSION;
    let unmet = |reason, message, blocks| Some(Unmet { condition, reason, message, blocks });
    if let Some(running) = running {
        if spec.version.is_none() || wanted == running {
            return None;
        }
        let message = format!(
            "the members run {running}, and this release does not change the version of a \
             running cluster: write version: {running}"
        );
        return unmet(reason::VERSION_CHANGE, message, false);
    }
    let supported = wanted.parse().is_ok_and(|version: Version| version.is_supported());
    if supported {
        return None;
    }
    // Which of the two it is matters only outside of what is supported.
    let too_old =
        wanted.parse::<Version>().is_ok_and(|version| (version.major, version.minor) < (3, 6));
    let reason = if too_old { reason::VERSION_TOO_OLD } else { reason::VERSION_TOO_NEW };
    let message = format!(
        "etcd {wanted} cannot be run: the lowest version is {}, the highest 3.7; write version: {} \
         or leave it out",
        image::OLDEST_VERSION,
        image::DEFAULT_VERSION
    );
    unmet(reason, message, true)
}

/// What later releases do. Whatever would leave the user with less safety than asked for blocks.
fn fields_unmet(spec: &ClusterSpec, is_running: bool) -> Vec<Unmet> {
    let unmet = |asked: bool, field: &str, unstarted: &str, running: &str| {
        asked.then(|| Unmet {
            condition: api::condition::UNSUPPORTED_FIELD,
            reason: reason::NOT_IMPLEMENTED,
            message: if is_running {
                format!(
                    "spec.{field} is not done by this release; the cluster runs on as it was, {running}: \
                     remove the field"
                )
            } else {
                format!("spec.{field} is not done by this release; the cluster is not started{unstarted}")
            },
            blocks: true,
        })
    };
    [
        unmet(
            spec.tls.is_some(),
            "TLS",
            ", since it would run without encryption",
            "without encryption",
        ),
        unmet(
            spec.storage.is_some(),
            "storage",
            ", since its data would not outlive its pods",
            "and its data does not outlive its pods",
        ),
        unmet(
            spec.self_hosted.is_some(),
            "selfHosted",
            ": remove the field for an ordinary cluster",
            "as an ordinary cluster",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cluster(spec: &serde_json::Value, status: &serde_json::Value) -> Cluster {
        serde_json::from_value(json!({
            "apiVersion": "etcd.coreos.com/v1beta1",
            "kind": "Cluster",
            "metadata": {"name": "orders", "namespace": "shop", "uid": "u-1"},
            "spec": spec,
            "status": status,
        }))
        .unwrap()
    }

    fn fresh(spec: &serde_json::Value) -> Validated {
        validate(&cluster(spec, &json!({})))
    }

    fn serving(version: &str) -> serde_json::Value {
        json!({"currentVersion": version, "served": true})
    }

    #[test]
    fn a_version_that_was_tried_and_never_served_can_be_mended() {
        let spec = json!({"size": 3, "version": "3.6.16"});
        let validated =
            validate(&cluster(&spec, &json!({"currentVersion": "3.6.99", "nextMember": 1})));
        assert_eq!(validated.version, "3.6.16");
        assert!(validated.unmet.is_empty());
    }

    #[test]
    fn without_a_version_a_new_cluster_gets_the_default() {
        let validated = fresh(&json!({"size": 3}));
        assert_eq!(validated.version, image::DEFAULT_VERSION);
        assert!(validated.unmet.is_empty());
    }

    #[test]
    fn without_a_version_a_running_cluster_keeps_what_it_runs() {
        let validated = validate(&cluster(&json!({"size": 3}), &serving("3.5.35")));
        assert_eq!(validated.version, "3.5.35");
        assert!(validated.unmet.is_empty());
    }

    #[test]
    fn another_version_for_a_running_cluster_is_named_and_not_done() {
        let spec = json!({"size": 3, "version": "3.6.16"});
        let validated = validate(&cluster(&spec, &serving("3.5.35")));
        assert_eq!(validated.version, "3.5.35");
        assert_eq!(validated.unmet[0].reason, reason::VERSION_CHANGE);
        assert!(validated.blocked().is_none());
    }

    #[test]
    fn the_version_of_2017_blocks_and_names_the_lowest() {
        let validated = fresh(&json!({"size": 3, "version": "3.1.4"}));
        let blocked = validated.blocked().unwrap();
        assert_eq!(blocked.condition, api::condition::UNSUPPORTED_VERSION);
        assert!(blocked.message.contains(image::OLDEST_VERSION), "{}", blocked.message);
    }

    #[test]
    fn a_leading_v_is_stripped() {
        let validated =
            fresh(&json!({"size": 1, "version": "v3.6.16", "repository": "r.test/etcd"}));
        assert_eq!(validated.image, "r.test/etcd:v3.6.16");
    }

    #[test]
    fn what_would_weaken_the_cluster_blocks_it() {
        for (field, value) in [
            ("TLS", json!({"static": {"member": {"peerSecret": "s"}}})),
            ("storage", json!({})),
            ("selfHosted", json!({})),
        ] {
            let validated = fresh(&json!({"size": 3, field: value}));
            let blocked = validated.blocked().unwrap_or_else(|| panic!("{field} does not block"));
            let said = |validated: &Validated| validated.blocked().unwrap().message.clone();
            assert!(blocked.message.contains(&format!("spec.{field}")), "{}", blocked.message);
            assert!(said(&validated).contains("is not started"));
            // It runs, so a sentence that says otherwise would send somebody looking for nothing.
            let running = validate(&cluster(&json!({"size": 3, field: value}), &serving("3.6.16")));
            assert!(said(&running).contains("runs on"), "{}", said(&running));
            assert!(!said(&running).contains("not started"), "{}", said(&running));
        }
    }

    #[test]
    fn a_version_that_cannot_be_run_is_too_old_or_too_new() {
        for (version, reason) in [
            ("3.5.10", reason::VERSION_TOO_OLD),
            ("2.9.0", reason::VERSION_TOO_OLD),
            ("3.8.0", reason::VERSION_TOO_NEW),
            ("4.0.0", reason::VERSION_TOO_NEW),
        ] {
            let validated = fresh(&json!({"size": 3, "version": version}));
            assert_eq!(validated.blocked().unwrap().reason, reason, "{version}");
        }
    }

    #[test]
    fn a_restore_begins_from_a_backup() {
        let spec = json!({"size": 3, "backup": {"pv": {"volumeSizeInMB": 512}},
                          "restore": {"backupClusterName": "old", "keepRevisions": true}});
        let validated = fresh(&spec);
        assert!(validated.unmet.is_empty() && validated.desired.from_backup);
        assert!(validated.keep_revisions);
    }

    #[test]
    fn a_backup_policy_is_done() {
        let validated = fresh(&json!({"size": 3, "backup": {"pv": {"volumeSizeInMB": 512}}}));
        assert!(validated.unmet.is_empty());
    }
}
