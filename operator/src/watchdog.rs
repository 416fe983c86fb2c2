//! Ends a replica that leads and does nothing.
//!
//! Every call has a limit, so every look at a cluster ends, and every cluster is looked at again
//! within seconds. If that ever stops being true, a replica that holds the Lease and renews it would
//! keep the others from the work for ever.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Longer than the longest look, whatever its members and the API server do.
const LIMIT: Duration = Duration::from_mins(3);
const GLANCE: Duration = Duration::from_secs(15);

/// Remembers when a look at any cluster ended last.
#[derive(Debug)]
pub struct Watchdog {
    last: Mutex<Instant>,
}

impl Watchdog {
    /// Begins now.
    pub fn new() -> Self {
        Self { last: Mutex::new(Instant::now()) }
    }

    /// A look has ended, whatever its outcome.
    pub fn looked(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Returns once no look has ended for three minutes although there was something to look at.
    pub async fn barks(&self, is_work_there: impl Fn() -> bool) {
        loop {
            tokio::time::sleep(GLANCE).await;
            if !is_work_there() {
                self.looked();
            }
            let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.elapsed() > LIMIT {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::{sleep, timeout};

    const HOUR: Duration = Duration::from_hours(1);

    #[tokio::test(start_paused = true)]
    async fn it_barks_when_no_look_ends() {
        timeout(HOUR, Watchdog::new().barks(|| true)).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_quiet_while_looks_end() {
        let watchdog = Watchdog::new();
        let looking = async {
            loop {
                sleep(Duration::from_secs(20)).await;
                watchdog.looked();
            }
        };
        let both = async {
            tokio::select! { () = watchdog.barks(|| true) => (), () = looking => () }
        };
        timeout(HOUR, both).await.unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_quiet_when_there_is_no_cluster() {
        timeout(HOUR, Watchdog::new().barks(|| false)).await.unwrap_err();
    }
}
