//! How old the newest backup may become. Pure.

use api::v1beta1::BackupPolicy;
use jiff::{SignedDuration, Timestamp};

/// Seconds between backups when the policy names none, as in the seed.
const DEFAULT_INTERVAL: i64 = 1800;
/// Intervals that may pass without a backup.
const INTERVALS: i32 = 3;

/// The greatest age that the policy says or implies; none with a schedule, whose gaps differ.
pub fn limit(policy: &BackupPolicy) -> Option<SignedDuration> {
    if let Some(rpo) = policy.rpo {
        return Some(rpo.get());
    }
    if policy.schedule.is_some() {
        return None;
    }
    let seconds = policy.backup_interval_in_second.filter(|seconds| *seconds > 0);
    Some(SignedDuration::from_secs(seconds.unwrap_or(DEFAULT_INTERVAL)).saturating_mul(INTERVALS))
}

/// From when on a backup of `last` is too old. With a schedule it is the run after the next one,
/// which is about as far from the next as that is from the last: a run may be missed, two may not.
pub fn deadline(
    policy: &BackupPolicy,
    last: Timestamp,
    next: Option<Timestamp>,
) -> Option<Timestamp> {
    let allowed = match limit(policy) {
        Some(limit) => limit,
        None => next.filter(|next| *next > last)?.duration_since(last).saturating_mul(2),
    };
    Some(last.checked_add(allowed).unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn deadline_of(policy: Value, next: Option<&str>) -> Option<String> {
        let policy: BackupPolicy = serde_json::from_value(policy).unwrap();
        let last = "2026-11-24T03:00:00Z".parse().unwrap();
        deadline(&policy, last, next.map(|next| next.parse().unwrap())).map(|at| at.to_string())
    }

    #[test]
    fn three_intervals_may_pass() {
        let at = |policy| deadline_of(policy, None).unwrap();
        assert_eq!(at(json!({"backupIntervalInSecond": 600})), "2026-11-24T03:30:00Z");
        assert_eq!(at(json!({})), "2026-11-24T04:30:00Z");
        assert_eq!(at(json!({"backupIntervalInSecond": 0})), "2026-11-24T04:30:00Z");
    }

    #[test]
    fn what_the_policy_says_counts() {
        assert_eq!(
            deadline_of(json!({"rpo": "2h", "schedule": "0 3 * * *"}), None).unwrap(),
            "2026-11-24T05:00:00Z"
        );
    }

    #[test]
    fn one_run_of_a_schedule_may_be_missed() {
        let daily = json!({"schedule": "0 3 * * *"});
        let next = Some("2026-11-25T03:00:00Z");
        assert_eq!(deadline_of(daily.clone(), next).unwrap(), "2026-11-26T03:00:00Z");
        assert_eq!(deadline_of(daily, None), None, "nobody has said yet when the next one is");
    }
}
