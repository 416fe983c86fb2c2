//! How far a pod came, from what its guard, its restore and its etcd say.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition};
use planner::PodState;

use super::restoring;
use crate::build::{ETCD_CONTAINER, GUARD_CONTAINER, RESTORE_CONTAINER};

/// What `etcd-restore-init guard` exits with when the data that was there is gone.
const DATA_LOST: i32 = 3;

/// The state of the pod, whatever its labels say.
pub fn of(pod: &Pod) -> PodState {
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

/// The container with this name.
pub fn container<'a>(
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
    use super::super::fixture::{SINCE, container, exited, pod, running, waiting};
    use super::{
        DATA_LOST, ETCD_CONTAINER, GUARD_CONTAINER, Pod, PodState, RESTORE_CONTAINER, Timestamp, of,
    };
    use serde_json::{Value, json};

    fn state_of(phase: &str, guard: &(Value, Value), etcd: &(Value, Value)) -> PodState {
        let guard = container(GUARD_CONTAINER, &guard.0, &guard.1);
        let etcd = container(ETCD_CONTAINER, &etcd.0, &etcd.1);
        of(&pod(phase, &guard, &etcd))
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
        assert_eq!(of(&pod), PodState::Pending("0/3 nodes are available".into()));
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
            of(&pod)
        };
        let report = r#"{"reason":"Damaged","message":"why","fault":"backup","retryable":false}"#;
        let refused = json!({"terminated": {"exitCode": 3, "message": report}});
        assert_eq!(with(refused), PodState::RestoreRefused("why".into()));
        assert!(matches!(with(running()), PodState::Pending(_)));
        assert_eq!(with(exited(0)), PodState::Pending("PodInitializing".into()));
    }
}
