//! Every call to the Kubernetes API goes through [`within`]: it ends in time, and its errors are
//! translated once.

use std::future::Future;
use std::time::Duration;

use crate::error::Error;

/// Longer than the API server needs under load, and short enough that a reconcile ends.
const LIMIT: Duration = Duration::from_secs(10);

/// Runs one call with a limit on its time.
pub async fn within<T>(
    what: &'static str,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(LIMIT, call).await {
        Ok(answer) => answer.map_err(|error| translate(what, error)),
        Err(_) => Err(Error::Timeout { what, limit: LIMIT }),
    }
}

fn translate(what: &'static str, error: kube::Error) -> Error {
    match &error {
        kube::Error::Api(status) if status.is_conflict() || status.is_already_exists() => {
            Error::Conflict { what }
        }
        _ => Error::Kubernetes { what, source: Box::new(error) },
    }
}

/// Whether the API answered that there is no such object.
pub fn is_not_found(error: &Error) -> bool {
    let Error::Kubernetes { source, .. } = error else { return false };
    matches!(source.as_ref(), kube::Error::Api(status) if status.is_not_found())
}

/// Whether the API refuses this call, and will refuse it again: no such right, a policy, a rule.
pub fn is_refused(error: &Error) -> bool {
    let Error::Kubernetes { source, .. } = error else { return false };
    let passes = |code| matches!(code, 404 | 408 | 409 | 429);
    matches!(source.as_ref(), kube::Error::Api(status)
        if (400..500).contains(&status.code) && !passes(status.code))
}

/// Whether the API refuses because the namespace is being deleted: nothing new is made there.
pub fn is_namespace_ending(error: &Error) -> bool {
    let Error::Kubernetes { source, .. } = error else { return false };
    let kube::Error::Api(status) = source.as_ref() else { return false };
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
}
