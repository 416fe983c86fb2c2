//! A member's pod in the form that decisions are made on.

use std::collections::BTreeSet;

use api::{annotations, objects};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition};
use kube::ResourceExt;
use planner::name::ClusterName;
use planner::{NodeState, PodState, Role};

use crate::build::{ETCD_CONTAINER, GUARD_CONTAINER};
use crate::caches::Caches;

/// The label by which Kubernetes ties slices to their service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// What `etcd-restore-init guard` exits with when the data that was there is gone.
const DATA_LOST: i32 = 3;

/// The host names that the headless service publishes.
pub fn published(caches: &Caches, name: &ClusterName) -> BTreeSet<String> {
    let service = objects::headless_service(&name.name);
    let slices = caches.slices.state_filter(|slice| {
        slice.namespace().as_deref() == Some(name.namespace.as_str())
            && slice.labels().get(SERVICE_NAME) == Some(&service)
    });
    let endpoints = slices.iter().flat_map(|slice| &slice.endpoints);
    endpoints.filter_map(|endpoint| endpoint.hostname.clone()).collect()
}

/// Reads a pod.
pub fn read(pod: &Pod, name: &ClusterName, node: NodeState, published: bool) -> planner::Pod {
    planner::Pod {
        role: role(pod, name),
        terminating: pod.metadata.deletion_timestamp.is_some(),
        marked: pod.annotations().get(annotations::SERVED).is_some_and(|value| value == "true"),
        published,
        node,
        state: state(pod),
    }
}

fn role(pod: &Pod, name: &ClusterName) -> Role {
    let annotation = |key| pod.annotations().get(key).map(String::as_str);
    if annotation(annotations::ROLE) == Some(annotations::ROLE_SEED) {
        return Role::Seed;
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
        None => PodState::CrashLooping(since),
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
