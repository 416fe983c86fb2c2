//! How long the store is waited for: a minute, or as long as `ETCD_BACKUP_PATIENCE` says.
//!
//! For lines on which nothing may move for longer than that, and for tests, which have less time.

use api::duration::Duration;
use archive::store::Patience;

use crate::config::Usage;

const VARIABLE: &str = "ETCD_BACKUP_PATIENCE";

/// What the environment says, read once for each store that is opened.
pub(crate) fn of_the_environment() -> Result<Patience, Usage> {
    match std::env::var_os(VARIABLE) {
        None => Ok(Patience::default()),
        Some(text) => of(&text.to_string_lossy()),
    }
}

/// The limits keep their proportion: several attempts fit into one call.
fn of(text: &str) -> Result<Patience, Usage> {
    let call: Duration = text.parse().map_err(|error| Usage(format!("{VARIABLE}: {error}")))?;
    let call = std::time::Duration::from(call);
    Ok(Patience { call, idle: call, attempt: call * 5 / 12 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_what_is_waited_anyway() {
        assert_eq!(of("60s").unwrap(), Patience::default());
        assert_eq!(of("2m").unwrap().idle, Patience::default().idle * 2);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "5", "0s", "soon"] {
            let refused = of(text).unwrap_err().to_string();
            assert!(refused.contains(VARIABLE) && refused.contains("90s"), "{refused}");
        }
    }
}
