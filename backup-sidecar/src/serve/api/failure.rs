//! Answers that are not 2xx: a status and one sentence.

use std::fmt::Display;

use api::sidecar::ApiError;
use archive::Error;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::serve::engine::Refusal;

/// An answer that is not 2xx.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    error: ApiError,
}

impl Failure {
    pub(super) fn new(status: StatusCode, reason: &str, message: impl Display) -> Self {
        let error = ApiError { reason: reason.to_owned(), message: message.to_string() };
        Self { status, error }
    }

    pub(super) fn bad(message: impl Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadInput", message)
    }

    pub(super) fn not_found(message: impl Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    /// The same request may be answered soon.
    pub(super) fn later(reason: &str, message: impl Display) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, reason, message)
    }

    /// What should not happen.
    pub(super) fn inner(error: impl Display) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal", error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.error).unwrap_or_default();
        let json = [(header::CONTENT_TYPE, "application/json")];
        let mut response = (self.status, json, body).into_response();
        if matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(status_of(error.reason()), error.reason(), error)
    }
}

/// By the reasons of [`Error`]. What the store refuses or cannot do now is 503: the request is good and
/// somebody can mend it.
fn status_of(reason: &str) -> StatusCode {
    match reason {
        "NotFound" => StatusCode::NOT_FOUND,
        "BadInput" => StatusCode::BAD_REQUEST,
        "Locked" => StatusCode::LOCKED,
        "NoBucket" | "Credentials" | "Denied" | "Throttled" | "Unavailable" | "Timeout"
        | "Full" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::ReadOnly => Self::new(StatusCode::FORBIDDEN, "ReadOnly", refusal),
            Refusal::Stopping => Self::later("Stopping", refusal),
            Refusal::TooMany => Self::new(StatusCode::TOO_MANY_REQUESTS, "TooMany", refusal),
            Refusal::Erased => Self::new(StatusCode::GONE, "Erased", refusal),
            Refusal::BadOrder(_) => Self::bad(refusal),
            Refusal::Failed(problem) if problem.reason == "Locked" => {
                Self::new(StatusCode::LOCKED, problem.reason, problem)
            }
            // The seed's answer to a backup that failed.
            Refusal::Failed(problem) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, problem.reason, problem)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::taker::Problem;

    #[test]
    fn each_trouble_of_the_store_has_its_status() {
        let denied = Error::Denied { what: "list".into(), detail: "AccessDenied".into() };
        for (error, status) in [
            (Error::NotFound("the backup".into()), 404),
            (Error::BadInput("write another".into()), 400),
            (Error::Locked("the backup".into()), 423),
            (denied, 503),
            (Error::Unavailable("refused".into()), 503),
            (Error::damaged("the backup", "it is no JSON"), 500),
        ] {
            assert_eq!(Failure::from(error.clone()).status.as_u16(), status, "{error}");
        }
    }

    #[test]
    fn an_archive_that_is_locked_is_423_and_other_failures_of_the_engine_500() {
        for (reason, status) in [("Locked", 423), ("Full", 500)] {
            let refusal = Refusal::Failed(Problem::new(reason, "try later"));
            assert_eq!(Failure::from(refusal).status.as_u16(), status);
        }
    }
}
