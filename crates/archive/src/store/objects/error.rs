//! What the crate `object_store` says, by meaning.
//!
//! Its `Generic` wraps everything that has no kind of its own: errors of the operating system, found
//! by their type, and answers of servers, of which only the text is public.

use std::error::Error as StdError;
use std::io;

use object_store::Error as Foreign;

use crate::error::{Error, chain};

/// `store` is the store's name, `what` the call and its object.
#[expect(clippy::needless_pass_by_value, reason = "as map_err gives it")]
pub(in crate::store) fn translate(store: &str, what: &str, error: Foreign) -> Error {
    let detail = || chain(&error);
    match &error {
        _ if io_error(&error).is_some_and(|io| io.kind() != io::ErrorKind::NotFound) => {
            from_io(what, &error)
        }
        Foreign::NotFound { .. } if is_about_bucket(&detail()) => Error::NoBucket(store.to_owned()),
        Foreign::NotFound { path, .. } => Error::NotFound(path.clone()),
        // A container of Azure's may answer so; a condition of ours is always "only if absent".
        Foreign::AlreadyExists { path, .. } | Foreign::Precondition { path, .. } => {
            Error::AlreadyExists(path.clone())
        }
        Foreign::PermissionDenied { .. } => {
            Error::Denied { what: what.to_owned(), detail: detail() }
        }
        Foreign::Unauthenticated { .. } => Error::Credentials(detail()),
        Foreign::NotSupported { .. } | Foreign::NotImplemented { .. } => {
            Error::Unsupported(detail())
        }
        _ => from_text(store, what, detail()),
    }
}

/// The operating system's error among the causes.
fn io_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a io::Error> {
    let mut cause = Some(error);
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return Some(io);
        }
        cause = inner.source();
    }
    None
}

fn from_io(what: &str, error: &Foreign) -> Error {
    let detail = chain(error);
    let kind = io_error(error).map_or(io::ErrorKind::Other, io::Error::kind);
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::Full(detail),
        io::ErrorKind::AlreadyExists => Error::AlreadyExists(what.to_owned()),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Error::Denied { what: what.to_owned(), detail }
        }
        io::ErrorKind::TimedOut => Error::Timeout(what.to_owned()),
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::StaleNetworkFileHandle => Error::Unavailable(detail),
        _ => Error::Other { what: what.to_owned(), detail },
    }
}

/// GCS: `The specified bucket does not exist.`; Azure: `ContainerNotFound`.
fn is_about_bucket(text: &str) -> bool {
    ["bucket does not exist", "NoSuchBucket", "ContainerNotFound"]
        .iter()
        .any(|hit| text.contains(hit))
}

/// Answers of servers and of the connection to them.
fn from_text(store: &str, what: &str, detail: String) -> Error {
    let says = |hits: &[&str]| hits.iter().any(|hit| detail.contains(hit));
    if is_about_bucket(&detail) {
        Error::NoBucket(store.to_owned())
    } else if says(&["429 Too Many Requests", "SlowDown", "ServerBusy"]) {
        Error::Throttled(detail)
    } else if says(&[
        "error sending request",
        "500 Internal",
        "502 Bad",
        "503 Service",
        "504 Gateway",
    ]) {
        Error::Unavailable(detail)
    } else if says(&["operation timed out", "request or response body error"]) {
        Error::Timeout(what.to_owned())
    } else {
        Error::Other { what: what.to_owned(), detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `object_store` 0.14 words what a server answered after its last retry.
    fn answered(status: &str, body: &str) -> Foreign {
        let text = format!(
            "Error performing GET http://127.0.0.1/b/x in 1.2s, after 2 retries, max_retries: 2, \
             retry_timeout: 45s  - Server returned non-2xx status code: {status}: {body}"
        );
        Foreign::Generic { store: "GCS", source: text.into() }
    }

    fn reason(error: Foreign) -> &'static str {
        translate("the bucket b", "reading x", error).reason()
    }

    #[test]
    fn errors_of_the_operating_system_keep_their_meaning() {
        for (number, expected) in [
            (28, "Full"),         // ENOSPC
            (122, "Full"),        // EDQUOT
            (13, "Denied"),       // EACCES
            (30, "Denied"),       // EROFS
            (5, "Other"),         // EIO
            (116, "Unavailable"), // ESTALE
            (111, "Unavailable"), // ECONNREFUSED
        ] {
            let source = Box::new(io::Error::from_raw_os_error(number));
            let error = Foreign::Generic { store: "LocalFileSystem", source };
            assert_eq!(reason(error), expected, "error number {number}");
        }
    }

    #[test]
    fn answers_of_servers_keep_their_meaning() {
        assert_eq!(reason(answered("503 Service Unavailable", "")), "Unavailable");
        assert_eq!(reason(answered("500 Internal Server Error", "")), "Unavailable");
        assert_eq!(reason(answered("429 Too Many Requests", "")), "Throttled");
        let body = "<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist.";
        assert_eq!(reason(answered("404 Not Found", body)), "NoBucket");
        assert_eq!(reason(answered("418 I'm a teapot", "")), "Other");
    }

    #[test]
    fn a_missing_object_is_told_from_a_missing_container() {
        let missing = |text: &str| Foreign::NotFound { path: "x".into(), source: text.into() };
        assert_eq!(reason(missing("<Error><Code>BlobNotFound</Code></Error>")), "NotFound");
        assert_eq!(reason(missing("<Error><Code>ContainerNotFound</Code></Error>")), "NoBucket");
    }
}
