//! What a person on call reads of the backups: the status, and the condition `BackupHealthy`. Pure.

#[cfg(test)]
pub(super) mod tests;

use api::condition::{self, reason, status};
use api::sidecar::SidecarStatus;
use api::v1beta1::{BackupServiceStatus, ClusterStatus, RecentBackupStatus};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::attend::{Attended, Wanted};
use super::freshness;
use super::links::{Seen, Silence};
use super::policy::ValidatedBackup;
use crate::error::Error;
use crate::report::Happening;

/// A sidecar that is restarted is silent for seconds, which is nobody's business.
const SILENCE: SignedDuration = SignedDuration::from_secs(60);
/// One failed attempt is tried again by the sidecar itself.
const ATTEMPTS: u32 = 2;

/// What the condition says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// True, False or Unknown.
    pub status: &'static str,
    /// CamelCase.
    pub reason: String,
    /// A sentence. It names times and not ages, so that it changes only when something happens.
    pub message: String,
}

/// Puts what is known of the backups into the status that is written.
pub fn tell(after: &mut ClusterStatus, before: &ClusterStatus, seen: &Attended, now: Timestamp) {
    let known = before.backup_service_status.as_ref();
    let old = before.conditions.iter().find(|other| other.type_ == condition::BACKUP_HEALTHY);
    let claim = match &seen.wanted {
        Wanted::Nothing => {
            after.backup_service_status = None;
            return;
        }
        Wanted::Invalid(sentence) => {
            after.backup_service_status = known.cloned();
            Some(unhealthy(reason::INVALID_POLICY, sentence.clone()))
        }
        Wanted::Valid(backup) => {
            after.backup_service_status = service(seen.seen.status.as_deref(), known);
            note_first(after);
            let claim = claim(backup, seen, after.backup_service_status.as_ref(), old, now);
            claim.map(|claim| with_shortage(claim, seen.shortage.as_deref()))
        }
    };
    let generation = after.observed_generation;
    after.conditions.extend(match claim {
        Some(claim) => Some(condition_of(claim, old, generation, now)),
        None => old.cloned(),
    });
}

/// What the sidecar said, in the status's form; what it said before while it knows nothing.
fn service(
    status: Option<&SidecarStatus>,
    before: Option<&BackupServiceStatus>,
) -> Option<BackupServiceStatus> {
    let Some(status) = status.filter(|status| !status.unlisted) else { return before.cloned() };
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let recent = status.recent_backup.as_ref().map(|recent| RecentBackupStatus {
        creation_time: recent.creation_time.clone(),
        size: recent.size,
        version: recent.version.clone(),
        time_took_in_second: count(recent.time_took_in_second),
        id: recent.id.clone(),
        revision: recent.revision,
    });
    Some(BackupServiceStatus {
        recent_backup: recent,
        backups: count(status.backups),
        backup_size: status.backup_size,
        last_success: last_success(status, before),
        next: status.next.map(seconds),
        earlier_backups: count(status.earlier_backups),
        final_backup: before.and_then(|before| before.final_backup.clone()),
    })
}

/// From the first backup of its own on, a restored cluster goes back to no other.
fn note_first(after: &mut ClusterStatus) {
    let service = after.backup_service_status.as_ref();
    let is_stored = service.is_some_and(|it| it.recent_backup.is_some() || it.backups > 0);
    if let Some(last) = after.last_restore.as_mut().filter(|_| is_stored) {
        last.backed_up = true;
    }
}

/// A sidecar that was restarted knows of what is stored, but not that it found nothing new since: for
/// the same newest backup the last success does not go back.
fn last_success(status: &SidecarStatus, before: Option<&BackupServiceStatus>) -> Option<Time> {
    let last = status.last_success.map(seconds)?;
    let newest = status.recent_backup.as_ref().map(|recent| &recent.id);
    let is_same = |before: &&BackupServiceStatus| {
        newest.is_some() && before.recent_backup.as_ref().map(|recent| &recent.id) == newest
    };
    let known = before.filter(is_same).and_then(|before| before.last_success.clone());
    Some(known.filter(|known| known.0 > last.0).unwrap_or(last))
}

/// Kubernetes keeps whole seconds; a fraction would differ from what is read back.
pub fn seconds(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}

/// `None`: as before, for nothing is known that would change it.
fn claim(
    backup: &ValidatedBackup,
    attended: &Attended,
    known: Option<&BackupServiceStatus>,
    before: Option<&Condition>,
    now: Timestamp,
) -> Option<Claim> {
    if let Some(trouble) = attended.trouble.as_ref().filter(|trouble| is_lasting(trouble)) {
        return Some(unhealthy(trouble.reason(), trouble.sentence()));
    }
    let last = known.and_then(|known| known.last_success.as_ref()).map(|time| time.0);
    let why = failure(&attended.seen, now);
    if let Some(last) = last {
        let next = known.and_then(|known| known.next.as_ref()).map(|time| time.0);
        if freshness::deadline(&backup.policy, last, next).is_some_and(|deadline| now > deadline) {
            let why = why.map_or_else(String::new, |why| format!(": {}", why.message));
            let message = format!("{}, which is too long ago{why}", of(last));
            return Some(unhealthy(reason::BACKUP_TOO_OLD, message));
        }
    } else if is_overdue(backup, before, now) {
        let why = why.map_or_else(|| "none came in time".into(), |why| why.message);
        return Some(unhealthy(reason::BACKUP_TOO_OLD, format!("no backup was stored yet: {why}")));
    }
    if let Some(why) = why {
        let last = last.map_or_else(|| "no backup was stored yet".into(), of);
        return Some(Claim { message: format!("{}; {last}", why.message), ..why });
    }
    match last {
        Some(last) => Some(Claim {
            status: status::TRUE,
            reason: reason::BACKED_UP.into(),
            message: of(last),
        }),
        None if attended.seen.status.as_ref().is_none_or(|it| it.unlisted) && before.is_some() => {
            None
        }
        None => Some(Claim {
            status: status::UNKNOWN,
            reason: reason::NO_BACKUP_YET.into(),
            message: "the first backup is awaited".into(),
        }),
    }
}

/// A volume that stays as it is makes no backup worse: it is told beside what holds.
fn with_shortage(claim: Claim, shortage: Option<&str>) -> Claim {
    let Some(shortage) = shortage else { return claim };
    Claim { message: format!("{}; {shortage}", claim.message), ..claim }
}

fn of(last: Timestamp) -> String {
    format!("the last good backup is of {}", seconds(last).0)
}

/// What goes away by itself with the next look is not told.
fn is_lasting(trouble: &Error) -> bool {
    !matches!(trouble, Error::Conflict { .. } | Error::Timeout { .. })
}

/// What is wrong at the moment: the sidecar's silence, and before that is long, its last word.
fn failure(seen: &Seen, now: Timestamp) -> Option<Claim> {
    let is_long = |silence: &&Silence| now.duration_since(silence.since) > SILENCE;
    if let Some(silence) = seen.silence.as_ref().filter(is_long) {
        return Some(Claim {
            status: status::UNKNOWN,
            reason: reason::SIDECAR_UNREACHABLE.into(),
            message: format!(
                "the backup sidecar does not answer since {} ({}); see its pod",
                seconds(silence.since).0,
                silence.why
            ),
        });
    }
    let failing = seen.status.as_ref()?.failing.as_ref()?;
    let is_row = failing.attempts >= ATTEMPTS;
    is_row.then(|| {
        let since = seconds(failing.since).0;
        unhealthy(
            &camel(&failing.reason),
            format!("backups fail since {since}: {}", failing.message),
        )
    })
}

/// A condition's reason has letters and digits only, and the API server refuses others.
fn camel(reason: &str) -> String {
    let word: String = reason.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    if word.starts_with(|c: char| c.is_ascii_alphabetic()) { word } else { "BackupFailed".into() }
}

/// Whether the first backup is awaited for longer than any may be old.
fn is_overdue(backup: &ValidatedBackup, before: Option<&Condition>, now: Timestamp) -> bool {
    let Some(before) = before else { return false };
    if before.reason == reason::BACKUP_TOO_OLD {
        return true;
    }
    let since = before.last_transition_time.0;
    before.reason == reason::NO_BACKUP_YET
        && freshness::limit(&backup.policy).is_some_and(|limit| now.duration_since(since) > limit)
}

fn unhealthy(reason: &str, message: String) -> Claim {
    Claim { status: status::FALSE, reason: reason.to_owned(), message }
}

fn condition_of(
    claim: Claim,
    before: Option<&Condition>,
    generation: Option<i64>,
    now: Timestamp,
) -> Condition {
    let same = before.filter(|before| before.status == claim.status);
    Condition {
        type_: condition::BACKUP_HEALTHY.into(),
        status: claim.status.into(),
        reason: claim.reason,
        message: claim.message,
        observed_generation: generation,
        last_transition_time: same
            .map_or_else(|| seconds(now), |same| same.last_transition_time.clone()),
    }
}

/// What is told when the condition changes: trouble, and that it is over.
pub fn happening(before: &ClusterStatus, after: &ClusterStatus) -> Option<Happening> {
    let find = |status: &ClusterStatus| {
        let mut all = status.conditions.iter();
        all.find(|condition| condition.type_ == condition::BACKUP_HEALTHY).cloned()
    };
    let (before, after) = (find(before), find(after)?);
    let is_new = before.as_ref().is_none_or(|before| before.status != after.status);
    let told =
        |warning, reason| Happening { warning, reason, note: after.message.clone(), pod: None };
    match after.status.as_str() {
        status::FALSE if is_new => Some(told(true, "BackupUnhealthy")),
        status::TRUE if is_new && before.is_some() => Some(told(false, "BackupHealthy")),
        _ => None,
    }
}
