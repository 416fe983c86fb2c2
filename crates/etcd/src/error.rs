//! What a call to a member can end in, named by what it means.
//!
//! etcd sends a gRPC code and a text, and one code stands for many things: "not in sync", "Peer URLs
//! already exists" and "bad leader transferee" are all `FailedPrecondition`. [`translate`] is the one
//! place that knows the texts. They are etcd's public interface: its own clients compare them too
//! (api/v3rpc/rpctypes/error.go, the same from 3.5 to 3.7).

use std::error::Error as StdError;

use tonic::{Code, Status};

/// Why a call to a member gave no answer to work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No answer in time, from the member or from the majority behind it. A change may have been
    /// made all the same: read the membership before the next one. etcd 3.5 also drops a change
    /// unanswered that comes within milliseconds of the one before (fixed in 3.6, etcd's issue
    /// 15528), so leave a read between two.
    #[error("the call timed out ({0}); whether it took effect is unknown")]
    Timeout(String),
    /// No connection: nothing listens there, or it was cut.
    #[error("{endpoint} cannot be reached ({detail}); check that the member runs")]
    Unreachable {
        /// The URL that was dialled.
        endpoint: String,
        /// What the network said.
        detail: String,
    },
    /// The two ends do not trust each other, or one of them does not speak TLS.
    #[error(
        "the TLS connection to {endpoint} failed ({detail}); check the CA, the client's certificate \
         and the name that the member's certificate is for"
    )]
    Tls {
        /// The URL that was dialled.
        endpoint: String,
        /// What rustls said.
        detail: String,
    },
    /// The endpoint's URL cannot be used.
    #[error(
        "the endpoint {endpoint} cannot be used ({detail}); write it as http://HOST:PORT, or as \
         https://HOST:PORT together with a CA"
    )]
    BadEndpoint {
        /// The URL as given.
        endpoint: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The cluster has no leader at the moment, or lost it during the call.
    #[error("the cluster has no leader now; wait for an election")]
    NoLeader,
    /// The member asked to hand over leadership does not have it.
    #[error("the member asked is not the leader; ask the leader")]
    NotLeader,
    /// strict-reconfig-check: the voters are not all connected for five seconds yet.
    #[error("etcd wants all voters connected for 5 s before it changes the membership; wait")]
    UnhealthyCluster,
    /// The learner has not caught up with the leader's log.
    #[error("the learner is not in sync with the leader yet; wait")]
    NotInSync,
    /// The cluster already has as many learners as it allows.
    #[error("the cluster has as many learners as it allows; promote or remove one first")]
    TooManyLearners,
    /// Too few voters have started for the change to keep quorum.
    #[error("too few members have started; start or remove those that have not")]
    NotEnoughStartedMembers,
    /// A member with that peer URL is in the cluster already.
    #[error("a member with this peer URL is in the cluster already")]
    PeerUrlExists,
    /// No member has that ID.
    #[error("no member of the cluster has this ID; it may have been removed")]
    MemberNotFound,
    /// Promote was asked for a member that is a voter already.
    #[error("the member is not a learner; it has been promoted already")]
    NotLearner,
    /// A learner answers status and serializable reads alone.
    #[error("a learner does not answer this call; ask a voter")]
    LearnerRefuses,
    /// The member starts and cannot do this yet.
    #[error("the member cannot do this yet; wait until it has started")]
    NotCapable,
    /// The member is overloaded.
    #[error("the member has too many requests in work; wait")]
    Busy,
    /// Leadership was to go to a member that cannot take it (no voter, or not connected).
    #[error("the chosen member cannot take leadership; choose a healthy voter")]
    BadLeaderTransferee,
    /// Authentication is on and the call came without a user that may do this.
    #[error("etcd's authentication refuses the call ({0}); give a user that may")]
    AuthRequired(String),
    /// The member ended its snapshot early, or sent more than it had said.
    #[error(
        "{endpoint} sent {received} bytes of its snapshot where {expected} were to come; take it again"
    )]
    SnapshotIncomplete {
        /// The URL that was dialled.
        endpoint: String,
        /// Bytes that came.
        received: u64,
        /// Bytes that were announced.
        expected: u64,
    },
    /// The database has reached its quota.
    #[error("the database is full; compact, defragment every member, then disarm the alarm")]
    NoSpace,
    /// The member has found its data damaged.
    #[error("etcd has found damaged data; do not copy from this member")]
    Corrupt,
    /// Anything else, in etcd's own words.
    #[error("etcd answered {code}: {message}")]
    Other {
        /// The gRPC code's name.
        code: String,
        /// etcd's text.
        message: String,
    },
}

impl Error {
    /// Whether etcd refused for a reason that passes by itself: ask again later, change nothing.
    pub fn is_wait(&self) -> bool {
        matches!(
            self,
            Self::NoLeader
                | Self::UnhealthyCluster
                | Self::NotInSync
                | Self::TooManyLearners
                | Self::NotEnoughStartedMembers
                | Self::NotCapable
                | Self::Busy
        )
    }

    /// A fixed word for events, conditions and metric labels.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Timeout(_) => "Timeout",
            Self::Unreachable { .. } => "Unreachable",
            Self::Tls { .. } => "TlsFailed",
            Self::BadEndpoint { .. } => "BadEndpoint",
            Self::NoLeader => "NoLeader",
            Self::NotLeader => "NotLeader",
            Self::UnhealthyCluster => "UnhealthyCluster",
            Self::NotInSync => "NotInSync",
            Self::TooManyLearners => "TooManyLearners",
            Self::NotEnoughStartedMembers => "NotEnoughStartedMembers",
            Self::PeerUrlExists => "PeerUrlExists",
            Self::MemberNotFound => "MemberNotFound",
            Self::NotLearner => "NotLearner",
            Self::LearnerRefuses => "LearnerRefuses",
            Self::NotCapable => "NotCapable",
            Self::Busy => "Busy",
            Self::BadLeaderTransferee => "BadLeaderTransferee",
            Self::AuthRequired(_) => "AuthRequired",
            Self::SnapshotIncomplete { .. } => "SnapshotIncomplete",
            Self::NoSpace => "NoSpace",
            Self::Corrupt => "Corrupt",
            Self::Other { .. } => "Other",
        }
    }
}

/// What `etcd-client` gave back, by meaning.
pub(crate) fn from_client(endpoint: &str, error: etcd_client::Error) -> Error {
    match error {
        etcd_client::Error::GRpcStatus(status) => translate(endpoint, &status),
        etcd_client::Error::TransportError(error) => unreachable(endpoint, &error),
        other => Error::Other { code: "Client".into(), message: other.to_string() },
    }
}

/// What a member, or the connection to it, answered, by meaning.
pub(crate) fn translate(endpoint: &str, status: &Status) -> Error {
    let text = status.message();
    // etcd 3.5 refuses a snapshot in the words of its authentication and not in its own.
    match text.strip_prefix("etcdserver: ").or_else(|| text.strip_prefix("auth: ")) {
        Some(text) => from_etcd(endpoint, status.code(), text),
        None => from_transport(endpoint, status),
    }
}

/// The texts of etcd itself.
fn from_etcd(endpoint: &str, code: Code, text: &str) -> Error {
    match text {
        "no leader" | "leader changed" => Error::NoLeader,
        "not leader" => Error::NotLeader,
        "unhealthy cluster" => Error::UnhealthyCluster,
        "can only promote a learner member which is in sync with leader" => Error::NotInSync,
        "can only promote a learner member" => Error::NotLearner,
        "too many learner members in cluster" => Error::TooManyLearners,
        "re-configuration failed due to not enough started members" => {
            Error::NotEnoughStartedMembers
        }
        // An ID is made of the peer URLs and the second: the same URL again within that second
        // (server/etcdserver/api/membership/member.go, computeMemberID).
        "Peer URLs already exists" | "member ID already exist" => Error::PeerUrlExists,
        "member not found" => Error::MemberNotFound,
        "rpc not supported for learner" => Error::LearnerRefuses,
        "not capable" => Error::NotCapable,
        "too many requests" => Error::Busy,
        "bad leader transferee" => Error::BadLeaderTransferee,
        "mvcc: database space exceeded" => Error::NoSpace,
        "corrupt cluster" => Error::Corrupt,
        "server stopped" => unreachable_because(endpoint, text),
        _ if text.starts_with("request timed out") => Error::Timeout(format!("etcd: {text}")),
        _ if is_about_auth(text) => Error::AuthRequired(text.to_owned()),
        _ => Error::Other { code: format!("{code:?}"), message: text.to_owned() },
    }
}

/// The refusals of etcd's authentication that another user or password would lift.
fn is_about_auth(text: &str) -> bool {
    matches!(
        text,
        "user name is empty"
            | "user name not found"
            | "permission denied"
            | "invalid auth token"
            | "revision of auth store is old"
    ) || text.starts_with("authentication failed")
}

/// Answers that etcd did not write: the connection's own end, or gRPC's.
fn from_transport(endpoint: &str, status: &Status) -> Error {
    match status.code() {
        Code::DeadlineExceeded => Error::Timeout(status.message().to_owned()),
        Code::Unavailable => unreachable(endpoint, status),
        _ if status.source().is_some() => unreachable(endpoint, status),
        code => Error::Other { code: format!("{code:?}"), message: status.message().to_owned() },
    }
}

/// [`Error::Unreachable`] with the innermost cause, where the operating system's words are.
pub(crate) fn unreachable(endpoint: &str, error: &(dyn StdError + 'static)) -> Error {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    if innermost.is::<tokio::time::error::Elapsed>() {
        return unreachable_because(endpoint, "it accepts no connection in time");
    }
    if let Some(refusal) = tls_refusal(innermost) {
        return Error::Tls { endpoint: endpoint.to_owned(), detail: refusal.to_string() };
    }
    match innermost.downcast_ref::<Status>() {
        Some(status) => unreachable_because(endpoint, status.message()),
        None => unreachable_because(endpoint, &innermost.to_string()),
    }
}

/// An I/O error hides its cause from `source`, and rustls' errors travel inside one.
fn tls_refusal<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    error.downcast_ref::<std::io::Error>()?.get_ref()?.downcast_ref()
}

fn unreachable_because(endpoint: &str, detail: &str) -> Error {
    Error::Unreachable { endpoint: endpoint.to_owned(), detail: detail.to_owned() }
}

#[cfg(test)]
mod tests;
