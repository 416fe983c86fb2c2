//! The options behind the question mark.

use std::collections::BTreeMap;
use std::fmt;

use url::{Url, form_urlencoded::Serializer};

use crate::{
    error::{Error, Result},
    store::s3::{Encryption, Lock, Settings},
};

/// The options that were not looked at yet.
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    pub(super) fn read(url: &Url) -> Result<Self> {
        let mut options = BTreeMap::new();
        for (name, value) in url.query_pairs() {
            if options.insert(name.to_string(), value.to_string()).is_some() {
                let text = format!("the store's URL has the option {name} twice; write it once");
                return Err(Error::BadInput(text));
            }
        }
        if url.fragment().is_some() {
            let text = "the store's URL holds a #; write it as %23".to_owned();
            return Err(Error::BadInput(text));
        }
        Ok(Self(options))
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).filter(|text| !text.is_empty())
    }

    pub(super) fn endpoint(&mut self, name: &str) -> Result<Option<String>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let url = Url::parse(&text).ok();
        let good = url.is_some_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty()
        });
        let hint = "write a URL such as https://HOST:PORT, without credentials";
        if good { Ok(Some(text)) } else { Err(bad(name, &text, hint)) }
    }

    pub(super) fn yes_or_no(&mut self, name: &str) -> Result<Option<bool>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| bad(name, &text, "write true or false"))
    }

    pub(super) fn number(&mut self, name: &str) -> Result<Option<u32>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| bad(name, &text, "write a whole number"))
    }

    /// A misspelt option must not be a silent one: the lock that it was to set would be missing.
    pub(super) fn nothing_left(self, scheme: &str) -> Result<()> {
        let Some(name) = self.0.keys().next() else { return Ok(()) };
        let known = match scheme {
            "s3" => "endpoint, region, pathStyle, sse, kmsKey, lock and lockDays",
            _ => "none",
        };
        Err(Error::BadInput(format!("{scheme}:// knows no option {name}; its options are {known}")))
    }
}

fn bad(name: &str, text: &str, hint: &str) -> Error {
    Error::BadInput(format!("{name}={text} cannot be used; {hint}"))
}

/// The options of a bucket as [`Query::read`] reads them.
pub(super) fn write(
    f: &mut fmt::Formatter<'_>,
    settings: &Settings,
    lock_days: Option<u32>,
) -> fmt::Result {
    let mut options = Vec::new();
    let mut add = |name, value: Option<String>| options.extend(value.map(|value| (name, value)));
    add("endpoint", settings.endpoint.clone());
    add("region", settings.region.clone());
    add("pathStyle", settings.path_style.map(|yes| yes.to_string()));
    match &settings.encryption {
        None => {}
        Some(Encryption::Aes256) => add("sse", Some("AES256".to_owned())),
        Some(Encryption::Kms(key)) => {
            add("sse", Some("aws:kms".to_owned()));
            add("kmsKey", key.clone());
        }
    }
    let mode = settings.lock.map(|lock| match lock {
        Lock::Governance => "governance".to_owned(),
        Lock::Compliance => "compliance".to_owned(),
    });
    add("lock", mode);
    add("lockDays", lock_days.map(|days| days.to_string()));
    if options.is_empty() {
        return Ok(());
    }
    let query = Serializer::new(String::new()).extend_pairs(options).finish();
    write!(f, "?{query}")
}
