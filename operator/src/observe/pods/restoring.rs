//! A first member whose data comes from a backup: how far that is, from the container that makes its
//! data directory and from the line that it leaves when it ends.

use api::restore::{Fault, RestoreReport};
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus};
use planner::PodState;

/// The state of the pod while its data is not there; none once it is.
///
/// Only a backup that is damaged, gone or of an unknown format is refused: an older one may do.
/// Whatever else fails (the store, the disk, the way to the sidecar, a version that does not fit) is
/// tried again in this pod, or after a person has changed the spec.
pub fn state(restore: &ContainerStatus) -> Option<PodState> {
    let (now, last) = (restore.state.as_ref(), restore.last_state.as_ref());
    if now.and_then(exit_code) == Some(0) {
        return None;
    }
    let ended = [now, last].into_iter().flatten().filter_map(report);
    let Some(report) = ended.into_iter().next() else {
        return Some(PodState::Pending(beginning(now)));
    };
    if report.fault == Some(Fault::Backup) && !report.retryable {
        return Some(PodState::RestoreRefused(report.message));
    }
    let how =
        if now.is_some_and(|now| now.running.is_some()) { "is tried again" } else { "failed" };
    Some(PodState::Pending(format!("the restore {how}: {}", report.message)))
}

fn beginning(state: Option<&ContainerState>) -> String {
    if state.is_some_and(|state| state.running.is_some()) {
        return "its backup is being fetched, checked and restored".into();
    }
    let waiting = state.and_then(|state| state.waiting.as_ref());
    let words = waiting.map(|waiting| [waiting.reason.as_deref(), waiting.message.as_deref()]);
    let words: Vec<&str> = words.into_iter().flatten().flatten().collect();
    if words.is_empty() { "the restore ended without a word".into() } else { words.join(": ") }
}

fn exit_code(state: &ContainerState) -> Option<i32> {
    Some(state.terminated.as_ref()?.exit_code)
}

/// What a container that ended has said.
fn report(state: &ContainerState) -> Option<RestoreReport> {
    let message = state.terminated.as_ref()?.message.as_deref()?;
    serde_json::from_str(message.trim()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn container(state: &Value, last: &Value) -> ContainerStatus {
        serde_json::from_value(json!({
            "name": "restore", "image": "i", "imageID": "", "ready": false, "restartCount": 1,
            "state": state, "lastState": last,
        }))
        .unwrap()
    }

    fn ended(code: i32, report: &Value) -> Value {
        json!({"terminated": {"exitCode": code, "message": format!("{report}\n")}})
    }

    fn refusal(fault: &str, retryable: bool) -> Value {
        let report =
            json!({"reason": "R", "message": "why", "retryable": retryable, "fault": fault});
        ended(if retryable { 1 } else { 3 }, &report)
    }

    #[test]
    fn only_the_backup_itself_is_refused() {
        let refused = PodState::RestoreRefused("why".into());
        let idle = json!({});
        assert_eq!(state(&container(&refusal("backup", false), &idle)), Some(refused.clone()));
        for (fault, retryable) in
            [("backup", true), ("store", false), ("disk", true), ("target", false), ("new", false)]
        {
            let got = state(&container(&refusal(fault, retryable), &idle));
            let expected = PodState::Pending("the restore failed: why".into());
            assert_eq!(got, Some(expected), "{fault} {retryable}");
        }
    }

    #[test]
    fn a_refusal_is_one_between_the_restarts_too() {
        let refused = refusal("backup", false);
        for now in [json!({"waiting": {"reason": "CrashLoopBackOff"}}), json!({"running": {}})] {
            let got = state(&container(&now, &refused));
            assert_eq!(got, Some(PodState::RestoreRefused("why".into())), "{now}");
        }
    }

    #[test]
    fn what_is_under_way_is_told() {
        let running = state(&container(&json!({"running": {}}), &json!({})));
        let Some(PodState::Pending(words)) = running else { panic!("{running:?}") };
        assert!(words.contains("being fetched"), "{words}");
        let again = state(&container(&json!({"running": {}}), &refusal("store", true)));
        assert_eq!(again, Some(PodState::Pending("the restore is tried again: why".into())));
        let pulling =
            state(&container(&json!({"waiting": {"reason": "ErrImagePull"}}), &json!({})));
        assert_eq!(pulling, Some(PodState::Pending("ErrImagePull".into())));
    }

    #[test]
    fn a_restore_that_went_well_is_nothing_to_wait_for() {
        let done = ended(0, &json!({"reason": "Restored", "message": "done"}));
        assert_eq!(state(&container(&done, &refusal("store", true))), None);
    }
}
