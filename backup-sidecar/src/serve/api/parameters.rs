//! The part of a request's address behind the question mark.

use std::time::Duration;

use super::Failure;

/// Nobody waits longer in one request.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// The parameters of a request. Ones that are not known are left alone.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn of(query: Option<&str>) -> Self {
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// An empty one counts as absent.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        let parse = |text: &str| {
            text.parse().map_err(|_| {
                Failure::bad(format!("{name}={text} is no number; write the status's sequence"))
            })
        };
        self.text(name).map(parse).transpose()
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Failure> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(text) => Err(Failure::bad(format!("{name}={text}: write true or false"))),
        }
    }

    /// How long to wait, a minute at most.
    pub(super) fn wait(&self) -> Result<Option<Duration>, Failure> {
        let parse = |text: &str| {
            let wait = text.parse::<api::duration::Duration>().map_err(Failure::bad)?;
            Ok(Duration::from(wait).min(LONGEST_WAIT))
        };
        self.text("wait").map(parse).transpose()
    }
}
