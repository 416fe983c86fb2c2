//! A member's pod in the form that decisions are made on.

mod restoring;

use std::collections::BTreeSet;

use api::{annotations, labels, objects};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;
use planner::name::ClusterName;
use planner::{NodeState, PodState, Role};

use super::is_owned;
use crate::build::{ETCD_CONTAINER, GUARD_CONTAINER, RESTORE_CONTAINER};
use crate::caches::Caches;

/// The label by which Kubernetes ties slices to their service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// What `etcd-restore-init guard` exits with when the data that was there is gone.
const DATA_LOST: i32 = 3;

/// The UIDs of the pods whose names the headless service publishes. Not the names: an earlier cluster of
/// this name had pods of the same ones, whose addresses may still be there.
pub fn published(caches: &Caches, name: &ClusterName) -> BTreeSet<String> {
    let service = objects::headless_service(&name.name);
    let slices = caches.slices.state_filter(|slice| {
        slice.namespace().as_deref() == Some(name.namespace.as_str())
            && slice.labels().get(SERVICE_NAME) == Some(&service)
    });
    slices.iter().flat_map(|slice| named(slice)).collect()
}

/// The pods that an address of this slice gives a name.
fn named(slice: &EndpointSlice) -> impl Iterator<Item = String> + use<'_> {
    let have_names = slice.endpoints.iter().filter(|endpoint| endpoint.hostname.is_some());
    have_names.filter_map(|endpoint| endpoint.target_ref.as_ref()?.uid.clone())
}

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
    let state = state(pod);
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
    let never_ran = container(containers, ETCD_CONTAINER).is_none_or(|etcd| {
        let waits = etcd.state.as_ref().is_none_or(|state| state.waiting.is_some());
        waits && etcd.restart_count == 0
    });
    let waits = never_ran && !is_marked(pod) && matches!(state(pod), PodState::Pending(_));
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

fn state(pod: &Pod) -> PodState {
    let since = not_ready_since(pod);
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref());
    if matches!(phase, Some("Failed" | "Succeeded")) {
        return PodState::Failed(since);
    }
    let guard = container(status.and_then(|s| s.init_container_statuses.as_ref()), GUARD_CONTAINER);
    let etcd = container(status.and_then(|s| s.container_statuses.as_ref()), ETCD_CONTAINER);
    let Some(guard) = guard else { return PodState::Pending(pending(pod)) };
    if exit_code(guard) == Some(0) {
        let init = status.and_then(|status| status.init_container_statuses.as_ref());
        if let Some(unfinished) = container(init, RESTORE_CONTAINER).and_then(restoring::state) {
            return unfinished;
        }
        return etcd.map_or_else(|| PodState::Pending(pending(pod)), |etcd| main(etcd, since));
    }
    if exit_code(guard) == Some(DATA_LOST) || last_exit_code(guard) == Some(DATA_LOST) {
        return PodState::DataLost;
    }
    if guard.state.as_ref().is_some_and(|state| state.running.is_some()) {
        return PodState::Gated;
    }
    waiting_or_failing(guard, since)
}

/// The state of the etcd container, once the guard has passed.
fn main(etcd: &ContainerStatus, since: Timestamp) -> PodState {
    let running = etcd.state.as_ref().and_then(|state| state.running.as_ref());
    let Some(running) = running else { return waiting_or_failing(etcd, since) };
    PodState::Running {
        ready: etcd.ready,
        restarts: u32::try_from(etcd.restart_count).unwrap_or_default(),
        since: running.started_at.as_ref().map_or(since, |time| time.0),
    }
}

fn waiting_or_failing(container: &ContainerStatus, since: Timestamp) -> PodState {
    let waiting = container.state.as_ref().and_then(|state| state.waiting.as_ref());
    match waiting {
        Some(waiting) if waiting.reason.as_deref() == Some("CrashLoopBackOff") => {
            PodState::CrashLooping(since)
        }
        Some(waiting) => {
            let words = [waiting.reason.as_deref(), waiting.message.as_deref()];
            PodState::Pending(words.into_iter().flatten().collect::<Vec<_>>().join(": "))
        }
        // The back-off is announced only when a container ends again and again.
        None => {
            let code =
                exit_code(container).map_or_else(String::new, |code| format!(" with {code}"));
            PodState::Pending(format!("{} ended{code} and is started again", container.name))
        }
    }
}

/// Why nothing of the pod runs yet.
fn pending(pod: &Pod) -> String {
    match condition(pod, "PodScheduled") {
        Some(scheduled) if scheduled.status != "True" => {
            scheduled.message.clone().unwrap_or_else(|| "not scheduled".into())
        }
        Some(_) => "starting".into(),
        None => "not scheduled yet".into(),
    }
}

/// Since when the pod is not ready; its creation when it never was.
fn not_ready_since(pod: &Pod) -> Timestamp {
    let ready = condition(pod, "Ready").and_then(|ready| ready.last_transition_time.as_ref());
    ready
        .or(pod.metadata.creation_timestamp.as_ref())
        // A pod without any time has just been made.
        .map_or(Timestamp::MAX, |time| time.0)
}

fn condition<'a>(pod: &'a Pod, type_: &str) -> Option<&'a PodCondition> {
    pod.status.as_ref()?.conditions.as_ref()?.iter().find(|condition| condition.type_ == type_)
}

fn container<'a>(
    statuses: Option<&'a Vec<ContainerStatus>>,
    name: &str,
) -> Option<&'a ContainerStatus> {
    statuses?.iter().find(|status| status.name == name)
}

fn exit_code(container: &ContainerStatus) -> Option<i32> {
    Some(container.state.as_ref()?.terminated.as_ref()?.exit_code)
}

fn last_exit_code(container: &ContainerStatus) -> Option<i32> {
    Some(container.last_state.as_ref()?.terminated.as_ref()?.exit_code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const SINCE: &str = "2026-01-02T03:04:05Z";

    /// A pod whose guard and etcd are in these states.
    fn pod(phase: &str, guard: &Value, etcd: &Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {
                "name": "orders-0003",
                "annotations": {
                    "etcd.coreos.com/role": "joiner",
                    "etcd.coreos.com/served": "true",
                    "etcd.coreos.com/initial-cluster":
                        "orders-0000=http://orders-0000.orders.shop.svc:2380,\
                         orders-0003=http://orders-0003.orders.shop.svc:2380"
                }
            },
            "status": {
                "phase": phase,
                "conditions": [
                    {"type": "PodScheduled", "status": "True"},
                    {"type": "Ready", "status": "False", "lastTransitionTime": SINCE}
                ],
                "initContainerStatuses": [guard],
                "containerStatuses": [etcd]
            }
        }))
        .unwrap()
    }

    fn container(name: &str, state: &Value, last: &Value) -> Value {
        json!({"name": name, "image": "i", "imageID": "", "ready": false, "restartCount": 2,
               "state": state, "lastState": last})
    }

    fn state_of(phase: &str, guard: &(Value, Value), etcd: &(Value, Value)) -> PodState {
        let guard = container(GUARD_CONTAINER, &guard.0, &guard.1);
        let etcd = container(ETCD_CONTAINER, &etcd.0, &etcd.1);
        state(&pod(phase, &guard, &etcd))
    }

    fn exited(code: i32) -> Value {
        json!({"terminated": {"exitCode": code}})
    }

    fn running() -> Value {
        json!({"running": {"startedAt": SINCE}})
    }

    fn waiting(reason: &str) -> Value {
        json!({"waiting": {"reason": reason}})
    }

    fn since() -> Timestamp {
        SINCE.parse().unwrap()
    }

    #[test]
    fn the_guard_at_work_gates_the_pod() {
        let state =
            state_of("Pending", &(running(), json!({})), &(waiting("PodInitializing"), json!({})));
        assert_eq!(state, PodState::Gated);
    }

    #[test]
    fn the_guards_refusal_is_lost_data_between_its_restarts_too() {
        let idle = || (waiting("PodInitializing"), json!({}));
        for guard in [
            (exited(DATA_LOST), json!({})),
            (waiting("CrashLoopBackOff"), exited(DATA_LOST)),
            (running(), exited(DATA_LOST)),
        ] {
            assert_eq!(state_of("Pending", &guard, &idle()), PodState::DataLost, "{guard:?}");
        }
    }

    #[test]
    fn a_guard_that_passed_after_an_earlier_refusal_has_passed() {
        let state = state_of("Running", &(exited(0), exited(DATA_LOST)), &(running(), json!({})));
        assert_eq!(state, PodState::Running { ready: false, restarts: 2, since: since() });
    }

    #[test]
    fn a_guard_that_fails_otherwise_crash_loops() {
        let idle = (waiting("PodInitializing"), json!({}));
        let state = state_of("Pending", &(waiting("CrashLoopBackOff"), exited(1)), &idle);
        assert_eq!(state, PodState::CrashLooping(since()));
    }

    #[test]
    fn an_etcd_that_ended_once_is_not_said_to_crash_loop() {
        let state = state_of("Running", &(exited(0), json!({})), &(exited(2), json!({})));
        assert_eq!(state, PodState::Pending("etcd ended with 2 and is started again".into()));
    }

    #[test]
    fn an_etcd_that_fails_again_and_again_crash_loops_since_it_was_ready_last() {
        let etcd = (waiting("CrashLoopBackOff"), exited(2));
        let state = state_of("Running", &(exited(0), json!({})), &etcd);
        assert_eq!(state, PodState::CrashLooping(since()));
    }

    #[test]
    fn an_image_that_cannot_be_pulled_is_pending_with_its_reason() {
        let etcd = (waiting("ImagePullBackOff"), json!({}));
        let state = state_of("Pending", &(exited(0), json!({})), &etcd);
        assert_eq!(state, PodState::Pending("ImagePullBackOff".into()));
    }

    #[test]
    fn an_evicted_pod_failed_whatever_its_containers_say() {
        let state = state_of("Failed", &(exited(0), json!({})), &(running(), json!({})));
        assert_eq!(state, PodState::Failed(since()));
    }

    #[test]
    fn an_unschedulable_pod_says_why() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "orders-0003"},
            "status": {"phase": "Pending", "conditions": [
                {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}
            ]}
        }))
        .unwrap();
        assert_eq!(state(&pod), PodState::Pending("0/3 nodes are available".into()));
    }

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
    fn a_name_counts_as_published_only_for_the_pod_that_it_leads_to() {
        let slice: EndpointSlice = serde_json::from_value(json!({
            "addressType": "IPv4",
            "endpoints": [
                {"addresses": ["10.1.0.1"], "hostname": "orders-0000", "targetRef": {"uid": "p-1"}},
                {"addresses": ["10.1.0.2"], "targetRef": {"uid": "p-2"}},
                {"addresses": ["10.1.0.3"], "hostname": "orders-0003"}
            ]
        }))
        .unwrap();
        assert_eq!(named(&slice).collect::<Vec<_>>(), ["p-1"]);
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

    #[test]
    fn a_first_member_whose_restore_is_not_done_is_what_the_restore_says() {
        let passed = container(GUARD_CONTAINER, &exited(0), &json!({}));
        let idle = container(ETCD_CONTAINER, &waiting("PodInitializing"), &json!({}));
        let mut pod = pod("Pending", &passed, &idle);
        let mut with = |restore: Value| {
            let status = pod.status.as_mut().unwrap().init_container_statuses.as_mut().unwrap();
            status.truncate(1);
            status.push(
                serde_json::from_value(container(RESTORE_CONTAINER, &restore, &json!({}))).unwrap(),
            );
            state(&pod)
        };
        let report = r#"{"reason":"Damaged","message":"why","fault":"backup","retryable":false}"#;
        let refused = json!({"terminated": {"exitCode": 3, "message": report}});
        assert_eq!(with(refused), PodState::RestoreRefused("why".into()));
        assert!(matches!(with(running()), PodState::Pending(_)));
        assert_eq!(with(exited(0)), PodState::Pending("PodInitializing".into()));
    }
}
