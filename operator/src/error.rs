//! What can fail while a cluster is looked after.
//!
//! Waiting is never an error: a plan says what is waited for. An error here means that a call did
//! not do what it should, and that the next reconcile looks again.

use std::time::Duration;

/// A call that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Kubernetes API did not answer in time.
    #[error("the Kubernetes API did not answer within {limit:?} ({what})")]
    Timeout {
        /// What was asked for.
        what: &'static str,
        /// How long was waited.
        limit: Duration,
    },
    /// The object changed meanwhile; what was decided is out of date.
    #[error("something else changed the object meanwhile ({what}); looking again")]
    Conflict {
        /// What was attempted.
        what: &'static str,
    },
    /// The Kubernetes API refused.
    #[error("the Kubernetes API refused ({what})")]
    Kubernetes {
        /// What was attempted.
        what: &'static str,
        /// Its answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// An object of a name that the cluster needs belongs to somebody else.
    #[error(
        "{kind} {name} exists and does not belong to this cluster; delete it or give the cluster \
         another name"
    )]
    Clash {
        /// The kind of the object.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// Something that a person has to make is not there.
    #[error("{kind} {name} is missing; {remedy}")]
    Missing {
        /// The kind of the object.
        kind: &'static str,
        /// Its name.
        name: String,
        /// What to do.
        remedy: String,
    },
    /// The API server dropped what was to be remembered, for it does not know the field.
    #[error(
        "the definition of Cluster in this Kubernetes is older than the operator and drops {field}; \
         apply deploy/crds"
    )]
    OldDefinition {
        /// The field.
        field: &'static str,
    },
    /// A certificate could not be made or read.
    #[error("certificates for the backup sidecar")]
    Pki(#[from] crate::pki::PkiError),
    /// The backup sidecar did not do what it was asked for.
    #[error("the backup sidecar ({what})")]
    Sidecar {
        /// What was asked for.
        what: &'static str,
        /// Its answer, or why there is none.
        #[source]
        source: crate::backup::ClientError,
    },
    /// etcd failed for another reason than one that passes by itself.
    #[error("etcd failed ({what})")]
    Etcd {
        /// What was attempted.
        what: &'static str,
        /// Its answer.
        #[source]
        source: etcd::Error,
    },
}

impl Error {
    /// A fixed word for events and metric labels.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Timeout { .. } => "KubernetesTimeout",
            Self::Conflict { .. } => "Conflict",
            Self::Kubernetes { .. } => "KubernetesRefused",
            Self::Clash { .. } => api::condition::reason::NAME_CLASH,
            Self::Missing { .. } => "Missing",
            Self::OldDefinition { .. } => "OldDefinition",
            Self::Pki(_) => "CertificateFailed",
            Self::Sidecar { source, .. } => source.reason(),
            Self::Etcd { source, .. } => source.reason(),
        }
    }

    /// How long to wait before looking again.
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::Conflict { .. } => Duration::from_millis(100),
            Self::Etcd { .. } => Duration::from_secs(1),
            Self::Timeout { .. }
            | Self::Kubernetes { .. }
            | Self::Clash { .. }
            | Self::Missing { .. }
            | Self::OldDefinition { .. }
            | Self::Pki(_)
            | Self::Sidecar { .. } => Duration::from_secs(5),
        }
    }

    /// The error with its causes, in one line.
    pub fn sentence(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(source) = cause {
            text.push_str(": ");
            text.push_str(&source.to_string());
            cause = source.source();
        }
        text
    }
}
