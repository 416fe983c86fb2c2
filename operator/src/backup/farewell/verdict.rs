//! Whether a cluster that is being deleted may go. Pure: the state and the time to what is done next.
//!
//! Nothing keeps a deletion for ever: whoever does not come further for a minute is not waited for.

use api::sidecar::{BackupRequest, RequestState};
use api::v1beta1::FinalBackupStatus;
use jiff::{SignedDuration, Timestamp};

use crate::backup::health::seconds;
use crate::report::Happening;

/// So long nothing may happen.
pub const PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// What is to be done before the cluster may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// One more backup.
    Save,
    /// The archive of this cluster is removed.
    CleanUp,
}

/// What the sidecar says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This of the order.
    Order(Box<BackupRequest>),
    /// The archive is gone.
    Removed,
    /// Something in the archive is locked, and nobody can remove it now.
    Locked(String),
    /// Some of the archive is left.
    Left {
        /// So many backups.
        remaining: i64,
        /// Why not all are gone.
        why: String,
    },
    /// Nothing.
    Silent(String),
}

/// What is done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The cluster may go.
    Release(Happening),
    /// This is remembered, and the sidecar asked again.
    Note(FinalBackupStatus),
    /// The sidecar is asked again.
    Wait,
}

/// What is remembered before the sidecar is asked for the first time.
pub fn begin(now: Timestamp) -> FinalBackupStatus {
    FinalBackupStatus { last_progress: seconds(now), received: 0, remaining: None, failures: 0 }
}

/// Judges an answer.
pub fn judge(duty: Duty, known: &FinalBackupStatus, answer: &Answer, now: Timestamp) -> Verdict {
    if let Some(end) = end(answer) {
        return Verdict::Release(end);
    }
    if let Some(further) = further(known, answer, now) {
        return Verdict::Note(further);
    }
    if known.last_progress.0 > now {
        // By a clock that ran ahead of ours.
        return Verdict::Note(FinalBackupStatus { last_progress: seconds(now), ..known.clone() });
    }
    if now.duration_since(known.last_progress.0) >= PATIENCE {
        return Verdict::Release(given_up(duty, answer));
    }
    if has_failed(answer) {
        return Verdict::Note(FinalBackupStatus {
            failures: known.failures.saturating_add(1),
            ..known.clone()
        });
    }
    Verdict::Wait
}

fn end(answer: &Answer) -> Option<Happening> {
    let told = |warning, reason, note| Some(Happening { warning, reason, note, pod: None });
    match answer {
        Answer::Order(order) if order.state == RequestState::Stored => {
            let id = order.backup.as_ref().map(|backup| backup.id.as_str()).unwrap_or_default();
            told(false, "FinalBackupStored", format!("backup {id} was stored before the deletion"))
        }
        Answer::Removed => {
            let note = "the backups of this cluster were removed, as its policy says";
            told(false, "BackupsRemoved", note.to_owned())
        }
        Answer::Locked(why) => {
            let note = format!("backups of this cluster stay, for they are locked: {why}");
            told(true, "BackupsKept", note)
        }
        _ => None,
    }
}

/// What is remembered when the sidecar came further.
fn further(
    known: &FinalBackupStatus,
    answer: &Answer,
    now: Timestamp,
) -> Option<FinalBackupStatus> {
    let last_progress = seconds(now);
    match answer {
        Answer::Order(order) => {
            let received = i64::try_from(order.received).unwrap_or(i64::MAX);
            (received > known.received).then(|| FinalBackupStatus {
                last_progress,
                received,
                ..known.clone()
            })
        }
        Answer::Left { remaining, .. } => {
            let is_less = known.remaining.is_none_or(|before| *remaining < before);
            is_less.then(|| FinalBackupStatus {
                last_progress,
                remaining: Some(*remaining),
                ..known.clone()
            })
        }
        _ => None,
    }
}

fn has_failed(answer: &Answer) -> bool {
    matches!(answer, Answer::Order(order) if order.state == RequestState::Failed)
}

/// What is told when nothing more is waited for.
pub fn given_up(duty: Duty, answer: &Answer) -> Happening {
    let why = match answer {
        Answer::Order(order) => {
            order.message.clone().unwrap_or_else(|| "nothing has come for a minute".into())
        }
        Answer::Left { why, .. } | Answer::Silent(why) | Answer::Locked(why) => why.clone(),
        Answer::Removed => String::new(),
    };
    let (reason, note) = match duty {
        Duty::Save => (
            "FinalBackupFailed",
            format!(
                "what was written since the last backup was not saved before the deletion: {why}"
            ),
        ),
        Duty::CleanUp => {
            ("BackupsKept", format!("the backups of this cluster could not be removed: {why}"))
        }
    };
    Happening { warning: true, reason, note, pod: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn order(state: RequestState, received: u64) -> Answer {
        let message = Some("the store is gone".to_owned());
        Answer::Order(Box::new(BackupRequest {
            id: "final".into(),
            state,
            received,
            backup: None,
            message,
            failed: None,
        }))
    }

    fn save(known: &FinalBackupStatus, answer: &Answer, after: i64) -> Verdict {
        judge(Duty::Save, known, answer, at(after))
    }

    fn released(verdict: &Verdict) -> &Happening {
        let Verdict::Release(told) = verdict else { panic!("{verdict:?}") };
        told
    }

    #[test]
    fn a_stored_backup_lets_the_cluster_go() {
        let verdict = save(&begin(at(0)), &order(RequestState::Stored, 9), 500);
        assert!(!released(&verdict).warning, "even late: {verdict:?}");
        assert_eq!(released(&verdict).reason, "FinalBackupStored");
    }

    #[test]
    fn progress_buys_another_minute_each_time() {
        let mut known = begin(at(0));
        for step in 1..100 {
            let answer = order(RequestState::Uploading, u64::try_from(step).unwrap());
            let Verdict::Note(noted) = save(&known, &answer, step * 59) else { panic!("{step}") };
            known = noted;
        }
        let stuck = order(RequestState::Uploading, 99);
        assert_eq!(save(&known, &stuck, 99 * 59 + 59), Verdict::Wait);
        assert!(released(&save(&known, &stuck, 99 * 59 + 60)).warning);
    }

    #[test]
    fn whatever_the_sidecar_says_or_does_not_a_minute_without_progress_ends_it() {
        for answer in [
            order(RequestState::Pending, 0),
            order(RequestState::Uploading, 0),
            order(RequestState::Failed, 0),
            Answer::Silent("refused".into()),
            Answer::Left { remaining: 4, why: "slow".into() },
        ] {
            for duty in [Duty::Save, Duty::CleanUp] {
                let known = FinalBackupStatus { remaining: Some(4), ..begin(at(0)) };
                let early = judge(duty, &known, &answer, at(59));
                assert!(!matches!(early, Verdict::Release(_)), "{answer:?}");
                let late = judge(duty, &known, &answer, at(60));
                assert!(released(&late).warning, "{answer:?}");
            }
        }
    }

    #[test]
    fn a_minute_that_began_in_the_future_begins_now() {
        let stuck = order(RequestState::Pending, 0);
        let Verdict::Note(known) = save(&begin(at(86_400)), &stuck, 0) else { panic!() };
        assert_eq!(save(&known, &stuck, 59), Verdict::Wait);
        assert!(released(&save(&known, &stuck, 60)).warning);
    }

    #[test]
    fn a_failed_attempt_is_followed_by_another_and_is_no_progress() {
        let known = begin(at(0));
        let Verdict::Note(noted) = save(&known, &order(RequestState::Failed, 0), 30) else {
            panic!()
        };
        assert_eq!((noted.failures, noted.last_progress), (1, known.last_progress));
    }

    #[test]
    fn what_was_not_saved_is_said_with_the_reason() {
        let verdict = save(&begin(at(0)), &order(RequestState::Pending, 0), 61);
        let told = released(&verdict);
        assert_eq!(told.reason, "FinalBackupFailed");
        assert!(told.note.contains("not saved") && told.note.contains("the store is gone"));
    }

    #[test]
    fn a_clean_up_waits_while_backups_go_and_not_for_locked_ones() {
        let clean = |known: &FinalBackupStatus, answer: &Answer, after| {
            judge(Duty::CleanUp, known, answer, at(after))
        };
        let left = |remaining| Answer::Left { remaining, why: "slow".into() };
        let Verdict::Note(known) = clean(&begin(at(0)), &left(9), 40) else { panic!() };
        let Verdict::Note(known) = clean(&known, &left(8), 80) else { panic!() };
        assert_eq!(clean(&known, &left(8), 120), Verdict::Wait);
        assert_eq!(released(&clean(&known, &left(8), 140)).reason, "BackupsKept");
        let locked = clean(&known, &Answer::Locked("until 2030".into()), 81);
        assert!(released(&locked).note.contains("until 2030"));
        assert_eq!(released(&clean(&known, &Answer::Removed, 81)).reason, "BackupsRemoved");
    }
}
