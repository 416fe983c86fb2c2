//! What the SDK and the store say, by meaning.

use std::error::Error as StdError;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::error::{Error, chain};

/// `store` is the store's name, `what` the call and its object, `key` the object.
pub(super) fn translate<E>(store: &str, what: &str, key: &str, error: &SdkError<E>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    match error {
        SdkError::TimeoutError(_) => Error::Timeout(what.to_owned()),
        SdkError::ServiceError(answer) => {
            let said = Said {
                status: answer.raw().status().as_u16(),
                code: answer.err().code().unwrap_or_default(),
                message: answer.err().message().unwrap_or_default(),
            };
            said.meaning(store, what, key)
        }
        SdkError::ResponseError(answer) => {
            let said = Said { status: answer.raw().status().as_u16(), code: "", message: "" };
            match said.meaning(store, what, key) {
                Error::Other { .. } => Error::Unavailable(chain(error)),
                meaning => meaning,
            }
        }
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            Error::Unavailable(format!("{what}: no connection in time"))
        }
        _ => unsent(chain(error)),
    }
}

/// A body that broke off while it was read.
pub(super) fn broken(what: &str, error: &(dyn StdError + 'static)) -> Error {
    Error::Unavailable(format!("{what}: {}", chain(error)))
}

/// The question never left, or its answer never came.
fn unsent(detail: String) -> Error {
    let lower = detail.to_lowercase();
    if lower.contains("credential") || lower.contains("identity") || lower.contains("token file") {
        return Error::Credentials(detail);
    }
    Error::Unavailable(detail)
}

/// A store's answer: S3's code and message where there are any. HEAD has none.
struct Said<'a> {
    status: u16,
    code: &'a str,
    message: &'a str,
}

impl Said<'_> {
    fn meaning(&self, store: &str, what: &str, key: &str) -> Error {
        let Self { status, code, message } = *self;
        match code {
            "NoSuchKey" | "NoSuchUpload" | "NoSuchVersion" => Error::NotFound(key.to_owned()),
            "NoSuchBucket" => Error::NoBucket(store.to_owned()),
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "InvalidToken"
            | "TokenRefreshRequired"
            | "AuthorizationHeaderMalformed"
            | "InvalidSecurity"
            | "RequestTimeTooSkewed" => Error::Credentials(self.words()),
            "ObjectLocked" => Error::Locked(key.to_owned()),
            "AccessDenied" if is_about_lock(message) => Error::Locked(key.to_owned()),
            "SlowDown"
            | "Throttling"
            | "ThrottlingException"
            | "RequestLimitExceeded"
            | "TooManyRequests"
            | "ServerBusy" => Error::Throttled(self.words()),
            "RequestTimeout" => Error::Timeout(what.to_owned()),
            "QuotaExceeded"
            | "QuotaExceededException"
            | "InsufficientStorage"
            | "XMinioStorageFull" => Error::Full(self.words()),
            "PreconditionFailed" => Error::AlreadyExists(key.to_owned()),
            // Another conditional put of the name is under way, perhaps this one's first try. "On a 409
            // failure you should retry the upload" (AWS, `PutObject`).
            "ConditionalRequestConflict" => Error::Unavailable(self.words()),
            "NotImplemented" => Error::Unsupported(self.words()),
            _ => self.by_status(status, what, key),
        }
    }

    fn by_status(&self, status: u16, what: &str, key: &str) -> Error {
        let (what, detail) = (what.to_owned(), self.words());
        match status {
            401 => Error::Credentials(detail),
            403 => Error::Denied { what, detail },
            404 => Error::NotFound(key.to_owned()),
            412 => Error::AlreadyExists(key.to_owned()),
            408 => Error::Timeout(what),
            429 => Error::Throttled(detail),
            501 => Error::Unsupported(detail),
            507 => Error::Full(detail),
            500..=599 if says_full(self.message) => Error::Full(detail),
            // 409 as above.
            409 | 500..=599 => Error::Unavailable(detail),
            _ => Error::Other { what, detail },
        }
    }

    fn words(&self) -> String {
        let Self { status, code, message } = self;
        match (code.is_empty(), message.is_empty()) {
            (true, true) => format!("status {status}"),
            (true, false) => (*message).to_owned(),
            (false, true) => (*code).to_owned(),
            (false, false) => format!("{code}: {message}"),
        }
    }
}

/// AWS: `Access Denied because object protected by object lock.`; `MinIO`: `Object is WORM protected`.
fn is_about_lock(message: &str) -> bool {
    let message = message.to_lowercase();
    ["object lock", "worm", "retention", "legal hold"].iter().any(|hit| message.contains(hit))
}

fn says_full(message: &str) -> bool {
    let message = message.to_lowercase();
    ["no space left", "disk full", "no free volumes", "no writable volumes"]
        .iter()
        .any(|hit| message.contains(hit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(status: u16, code: &str, message: &str) -> &'static str {
        Said { status, code, message }.meaning("the bucket b", "writing x", "x").reason()
    }

    #[test]
    fn codes_decide_before_the_status() {
        for (status, code, expected) in [
            (404, "NoSuchKey", "NotFound"),
            (404, "NoSuchBucket", "NoBucket"),
            (403, "InvalidAccessKeyId", "Credentials"),
            (403, "SignatureDoesNotMatch", "Credentials"),
            (400, "ExpiredToken", "Credentials"),
            (403, "AccessDenied", "Denied"),
            (503, "SlowDown", "Throttled"),
            (500, "InternalError", "Unavailable"),
            (412, "PreconditionFailed", "AlreadyExists"),
            (409, "ConditionalRequestConflict", "Unavailable"),
            (501, "NotImplemented", "Unsupported"),
            (507, "XMinioStorageFull", "Full"),
            (418, "Teapot", "Other"),
        ] {
            assert_eq!(reason(status, code, ""), expected, "{status} {code}");
        }
    }

    #[test]
    fn answers_without_a_code_are_read_by_their_status() {
        for (status, expected) in
            [(401, "Credentials"), (403, "Denied"), (404, "NotFound"), (503, "Unavailable")]
        {
            assert_eq!(reason(status, "", ""), expected, "{status}");
        }
    }

    #[test]
    fn a_lock_is_told_from_a_missing_permission() {
        let lock = "Access Denied because object protected by object lock.";
        assert_eq!(reason(403, "AccessDenied", lock), "Locked");
        assert_eq!(reason(403, "AccessDenied", "Access Denied"), "Denied");
    }

    #[test]
    fn a_full_store_is_told_from_one_that_fails() {
        assert_eq!(reason(500, "InternalError", "no space left on device"), "Full");
        assert_eq!(reason(500, "InternalError", "oops"), "Unavailable");
    }

    #[test]
    fn missing_credentials_are_no_broken_network() {
        assert_eq!(
            unsent("dispatch failure: other: no credentials".into()).reason(),
            "Credentials"
        );
        assert_eq!(unsent("dispatch failure: io error".into()).reason(), "Unavailable");
    }
}
