//! Durations as people write them: `90s`, `5m`, `1h30m`.
//!
//! jiff reads and prints them; this type adds that they are longer than nothing. The schema admits
//! hours, minutes and seconds in this order and nothing else, the form that every Kubernetes tool
//! understands.

use std::{fmt, str::FromStr, time};

use jiff::{
    SignedDuration,
    fmt::friendly::{Spacing, SpanPrinter},
};
use serde::{Deserialize, Serialize};

/// A length of time greater than zero, written as `90s`, `5m` or `1h30m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Duration(SignedDuration);

/// Why a text is not a [`Duration`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// jiff cannot read the text.
    #[error("{0:?} is not a duration: write hours, minutes and seconds, such as 90s, 5m or 1h30m")]
    Form(String),
    /// The text is zero or less.
    #[error("{0:?} is not a length of time: write more than zero, such as 90s, 5m or 1h30m")]
    NotPositive(String),
}

impl Duration {
    /// Five minutes.
    pub const FIVE_MINUTES: Self = Self(SignedDuration::from_mins(5));

    /// The duration for arithmetic with jiff's timestamps.
    pub const fn get(self) -> SignedDuration {
        self.0
    }
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let duration =
            text.parse::<SignedDuration>().map_err(|_| DurationError::Form(text.to_owned()))?;
        if duration.is_positive() {
            Ok(Self(duration))
        } else {
            Err(DurationError::NotPositive(text.to_owned()))
        }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PRINTER: SpanPrinter = SpanPrinter::new().spacing(Spacing::None);
        f.write_str(&PRINTER.duration_to_string(&self.0))
    }
}

impl TryFrom<String> for Duration {
    type Error = DurationError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Duration> for String {
    fn from(duration: Duration) -> Self {
        duration.to_string()
    }
}

impl From<Duration> for time::Duration {
    fn from(duration: Duration) -> Self {
        duration.0.unsigned_abs()
    }
}

#[cfg(feature = "crd")]
impl schemars::JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "maxLength": 24,
            "x-kubernetes-validations": crate::v1beta1::rules::DURATION,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_read() {
        for (text, seconds) in
            [("1s", 1), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("2h1m5s", 7265)]
        {
            assert_eq!(text.parse::<Duration>().unwrap().get().as_secs(), seconds, "{text}");
        }
    }

    #[test]
    fn what_is_printed_is_the_short_form_and_reads_back() {
        for (text, printed) in [("5m", "5m"), ("90s", "1m30s"), ("1h30m", "1h30m"), ("60m", "1h")] {
            let duration: Duration = text.parse().unwrap();
            assert_eq!(duration.to_string(), printed);
            assert_eq!(printed.parse(), Ok(duration));
        }
    }

    #[test]
    fn nonsense_is_refused_with_what_to_write() {
        for text in ["", "5", "five minutes", "m"] {
            let error = text.parse::<Duration>().unwrap_err();
            assert_eq!(error, DurationError::Form(text.to_owned()));
            assert!(error.to_string().contains("such as 90s, 5m or 1h30m"));
        }
        for text in ["0s", "-5m", "0h0m"] {
            assert_eq!(text.parse::<Duration>(), Err(DurationError::NotPositive(text.to_owned())));
        }
    }
}
