//! Waiting until something is so, and making sure that something stays so.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// Longest time for one look; most take milliseconds.
const LOOK: Duration = Duration::from_secs(30);

/// What a look saw.
pub enum Look<T> {
    /// What is waited for, with what came of it.
    Is(T),
    /// Something else, in words for whoever reads why the scenario failed.
    NotYet(String),
}

impl Look<()> {
    /// `claim` holds, or what was seen instead.
    pub fn claim(claim: bool, seen: impl FnOnce() -> String) -> Self {
        if claim { Self::Is(()) } else { Self::NotYet(seen()) }
    }
}

/// Looks until `what` is so. A look that fails has not seen it yet: while faults are made, calls fail.
/// After `limit` the error says what was seen last.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Result<Look<T>>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        let seen = match Box::pin(tokio::time::timeout(LOOK, look())).await {
            Ok(Ok(Look::Is(found))) => return Ok(found),
            Ok(Ok(Look::NotYet(seen))) => seen,
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => format!("a look that took longer than {LOOK:?}"),
        };
        ensure!(Instant::now() < deadline, "{what}: not within {limit:?}; last seen: {seen}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Makes sure that `claim` holds all the time for `duration`; the first look that fails is the error.
pub async fn holds_for(
    what: &str,
    duration: Duration,
    mut claim: impl AsyncFnMut() -> Result<()>,
) -> Result<()> {
    let end = Instant::now() + duration;
    while Instant::now() < end {
        let look = Box::pin(tokio::time::timeout(LOOK, claim())).await;
        look.context("a look that took too long").flatten().with_context(|| what.to_owned())?;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_error_says_what_was_seen_last() {
        let mut looks = 0;
        let waiting = until("a blue moon", Duration::from_millis(1), async || {
            looks += 1;
            Ok(Look::<()>::NotYet(format!("moon {looks}")))
        });
        let error = waiting.await.unwrap_err().to_string();
        assert_eq!(error, "a blue moon: not within 1ms; last seen: moon 2");
    }

    #[tokio::test]
    async fn a_claim_that_breaks_once_does_not_hold() {
        let mut looks = 0;
        let holding = holds_for("the dam", Duration::from_mins(1), async || {
            looks += 1;
            ensure!(looks != 2, "a crack");
            Ok(())
        });
        assert_eq!(format!("{:#}", holding.await.unwrap_err()), "the dam: a crack");
    }
}
