//! A member's pod in the form that decisions are made on.

#[cfg(test)]
mod fixture;
mod published;
mod restoring;
mod state;

use api::{annotations, labels};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use planner::name::ClusterName;
use planner::{NodeState, PodState, Role};

pub use self::published::published;
use super::is_owned;
use crate::build::ETCD_CONTAINER;

/// Reads a pod.
pub fn read(pod: &Pod, name: &ClusterName, node: NodeState, published: bool) -> planner::Pod {
    planner::Pod {
        role: role(pod, name),
        terminating: pod.metadata.deletion_timestamp.is_some(),
        marked: is_marked(pod),
        published,
        node,
        state: found(pod, name),
    }
}

/// How far it came, and whether anybody who goes by labels finds it.
fn found(pod: &Pod, name: &ClusterName) -> PodState {
    let state = state::of(pod);
    let is = |label, value: &str| pod.labels().get(label).is_some_and(|it| it == value);
    let uid = pod.labels().get(labels::CLUSTER_UID);
    let is_labelled = is(labels::APP, labels::APP_ETCD)
        && is(labels::CLUSTER, &name.name)
        && uid.is_some_and(|uid| is_owned(&pod.metadata, uid));
    match state {
        PodState::Running { .. } if !is_labelled => PodState::Unlabelled,
        state => state,
    }
}

/// Whether the pod bears the mark that its member has held data.
pub fn is_marked(pod: &Pod) -> bool {
    pod.annotations().get(annotations::SERVED).is_some_and(|value| value == "true")
}

/// Whether its etcd never ran and it was made from another template than this one.
pub fn is_outdated(pod: &Pod, template: &str) -> bool {
    let made_from = pod.annotations().get(annotations::TEMPLATE);
    let containers = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    let never_ran = state::container(containers, ETCD_CONTAINER).is_none_or(|etcd| {
        let waits = etcd.state.as_ref().is_none_or(|state| state.waiting.is_some());
        waits && etcd.restart_count == 0
    });
    let waits = never_ran && !is_marked(pod) && matches!(state::of(pod), PodState::Pending(_));
    waits && made_from.is_some_and(|made_from| made_from != template)
}

fn role(pod: &Pod, name: &ClusterName) -> Role {
    let annotation = |key| pod.annotations().get(key).map(String::as_str);
    if annotation(annotations::ROLE) == Some(annotations::ROLE_SEED) {
        let backup = annotation(annotations::RESTORED_FROM);
        return backup.map_or(Role::Seed, |id| Role::Restored(id.to_owned()));
    }
    let initial = annotation(annotations::INITIAL_CLUSTER).unwrap_or_default();
    let numbers = initial.split(',').filter_map(|pair| name.number(pair.split_once('=')?.0));
    Role::Joiner(numbers.collect())
}

#[cfg(test)]
mod tests {
    use super::fixture::{container, exited, pod, running, waiting};
    use super::*;
    use crate::build::GUARD_CONTAINER;
    use serde_json::{Value, json};

    #[test]
    fn a_pod_is_outdated_only_if_its_etcd_never_ran_and_its_template_is_another() {
        let etcd = |state: Value, restarts: i32| {
            let mut etcd = container(ETCD_CONTAINER, &state, &json!({}));
            etcd["restartCount"] = json!(restarts);
            etcd
        };
        let passed = container(GUARD_CONTAINER, &exited(0), &json!({}));
        let gate = container(GUARD_CONTAINER, &waiting("ErrImagePull"), &json!({}));
        let pulls = || waiting("ErrImagePull");
        for (guard, etcd, template, marked, is_so) in [
            (&passed, etcd(pulls(), 0), Some("old"), false, true),
            (&gate, etcd(waiting("PodInitializing"), 0), Some("old"), false, true),
            (&passed, etcd(pulls(), 0), Some("new"), false, false),
            (&passed, etcd(pulls(), 0), None, false, false),
            (&passed, etcd(pulls(), 0), Some("old"), true, false),
            (&passed, etcd(pulls(), 1), Some("old"), false, false),
            (&passed, etcd(running(), 0), Some("old"), false, false),
        ] {
            let mut pod = pod("Pending", guard, &etcd);
            let annotations = pod.metadata.annotations.get_or_insert_default();
            annotations.insert(annotations::SERVED.into(), marked.to_string());
            annotations.extend(template.map(|old| (annotations::TEMPLATE.into(), old.into())));
            assert_eq!(is_outdated(&pod, "new"), is_so, "{template:?} {marked} {etcd}");
        }
        // One for which no node is found has no containers yet.
        let unscheduled: Pod = serde_json::from_value(json!({
            "metadata": {"name": "p", "annotations": {annotations::TEMPLATE: "old"}},
            "status": {"phase": "Pending"}
        }))
        .unwrap();
        assert!(is_outdated(&unscheduled, "new"));
    }

    #[test]
    fn role_and_mark_are_read_from_the_annotations() {
        let name = ClusterName { namespace: "shop".into(), name: "orders".into() };
        let idle = container(ETCD_CONTAINER, &waiting("PodInitializing"), &json!({}));
        let guard = container(GUARD_CONTAINER, &running(), &json!({}));
        let mut pod = pod("Pending", &guard, &idle);
        let joiner = read(&pod, &name, NodeState::Ready, true);
        assert_eq!(joiner.role, Role::Joiner([0, 3].into()));
        assert!(joiner.marked && joiner.published && !joiner.terminating);
        let annotations = pod.metadata.annotations.get_or_insert_default();
        annotations.insert(annotations::ROLE.into(), annotations::ROLE_SEED.into());
        annotations.insert(annotations::RESTORED_FROM.into(), "b-7".into());
        let seed = read(&pod, &name, NodeState::Ready, true);
        assert_eq!(seed.role, Role::Restored("b-7".into()));
    }

    #[test]
    fn a_pod_that_runs_without_the_labels_it_is_found_by_is_told_apart() {
        let name = ClusterName { namespace: "shop".into(), name: "orders".into() };
        let etcd = container(ETCD_CONTAINER, &running(), &json!({}));
        let mut pod = pod("Running", &container(GUARD_CONTAINER, &exited(0), &json!({})), &etcd);
        let owner = json!({"apiVersion": "v1", "kind": "Cluster", "name": "orders", "uid": "u-1"});
        pod.metadata.owner_references = Some(vec![serde_json::from_value(owner).unwrap()]);
        let is_found = |pod: &Pod| {
            let state = read(pod, &name, NodeState::Ready, true).state;
            assert_eq!(state == PodState::Unlabelled, !matches!(state, PodState::Running { .. }));
            state != PodState::Unlabelled
        };
        pod.metadata.labels = Some(labels::of_restoring_member("orders", "u-1", "orders-0003"));
        assert!(is_found(&pod));
        for label in [labels::APP, labels::CLUSTER, labels::CLUSTER_UID] {
            for value in [None, Some("other")] {
                let mut changed = pod.clone();
                let labels = changed.metadata.labels.as_mut().unwrap();
                labels.remove(label);
                labels.extend(value.map(|value| (label.to_owned(), value.to_owned())));
                assert!(!is_found(&changed), "{label} {value:?}");
            }
        }
    }
}
