//! Times in names: `20261122T164906Z`, UTC, whole seconds.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// Sorts as the times do for the years 0 to 9999.
const FORMAT: &str = "%Y%m%dT%H%M%SZ";

/// The time in the form that names use; what is below a second is cut off.
pub(crate) fn print(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime(FORMAT).to_string()
}

/// The time that [`print`] has made this name of; nothing for anything else.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let time = DateTime::strptime(FORMAT, text).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
    (print(time) == text).then_some(time)
}

/// The whole second that a time lies in.
pub(crate) fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_survives_its_name() {
        let time: Timestamp = "2026-11-22T16:49:06.987Z".parse().unwrap();
        assert_eq!(print(time), "20261122T164906Z");
        assert_eq!(parse("20261122T164906Z"), Some(whole_second(time)));
    }

    #[test]
    fn other_texts_are_no_times() {
        for text in
            ["", "20261122T164906", "20261322T164906Z", "2026112T164906Z", "+0261122T164906Z"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
