//! When a cluster is looked at again.
//!
//! What is under way is asked for often at first and then less and less, so that a pod that cannot
//! be scheduled for hours costs little. What this remembers is only comfort: after a restart it
//! starts with the short interval.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use planner::Recheck;

const SOON: Duration = Duration::from_millis(200);
const LATER: Duration = Duration::from_secs(3);
const AT_REST: Duration = Duration::from_secs(15);
/// Growth per look while nothing happens: 200 ms for the first seconds, 5 s after about a minute.
const GROWTH: f64 = 1.08;
const SLOWEST: Duration = Duration::from_secs(5);

/// How often each cluster was looked at in vain.
#[derive(Debug, Default)]
pub struct Pace {
    vain: Mutex<HashMap<String, i32>>,
}

impl Pace {
    /// The time until the next look at the cluster with this UID, up to a fifth longer by chance,
    /// so that many clusters are not looked at in step.
    pub fn next(&self, uid: &str, recheck: Recheck, acted: bool) -> Duration {
        let mut vain = self.vain.lock().unwrap_or_else(PoisonError::into_inner);
        if acted {
            vain.remove(uid);
            return Duration::from_millis(10);
        }
        let base = match recheck {
            Recheck::Soon => {
                let count = vain.entry(uid.to_owned()).or_default();
                *count = count.saturating_add(1);
                SOON.mul_f64(GROWTH.powi((*count - 20).clamp(0, 60))).min(SLOWEST)
            }
            Recheck::Later => LATER,
            Recheck::AtRest => {
                vain.remove(uid);
                AT_REST
            }
        };
        base.mul_f64(1.0 + fastrand::f64() / 5.0)
    }
}

impl Pace {
    /// Forgets all clusters but these.
    pub fn keep(&self, is_there: impl Fn(&str) -> bool) {
        let mut vain = self.vain.lock().unwrap_or_else(PoisonError::into_inner);
        vain.retain(|uid, _| is_there(uid));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_long_is_asked_about_rarely() {
        let pace = Pace::default();
        let waits: Vec<Duration> = (0..200).map(|_| pace.next("a", Recheck::Soon, false)).collect();
        assert!(waits[0] < Duration::from_millis(300), "{:?}", waits[0]);
        assert!(waits[199] >= SLOWEST, "{:?}", waits[199]);
    }

    #[test]
    fn a_step_starts_the_short_interval_again() {
        let pace = Pace::default();
        for _ in 0..200 {
            pace.next("a", Recheck::Soon, false);
        }
        pace.next("a", Recheck::Soon, true);
        assert!(pace.next("a", Recheck::Soon, false) < Duration::from_millis(300));
    }

    #[test]
    fn a_cluster_that_was_deleted_unfinished_is_forgotten() {
        let pace = Pace::default();
        for uid in ["gone", "there"] {
            pace.next(uid, Recheck::Soon, false);
        }
        pace.keep(|uid| uid == "there");
        let known: Vec<String> = pace.vain.lock().unwrap().keys().cloned().collect();
        assert_eq!(known, ["there"]);
    }

    #[test]
    fn clusters_at_rest_spread_out() {
        let pace = Pace::default();
        let waits: Vec<Duration> =
            (0..50).map(|_| pace.next("a", Recheck::AtRest, false)).collect();
        let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
        assert!(*least >= AT_REST && *most > *least);
    }
}
