use tonic::{Code, Status};

use super::*;

const URL: &str = "http://10.244.1.5:2379";

fn translated(code: Code, text: &str) -> Error {
    translate(URL, &Status::new(code, text))
}

/// Code, text and meaning, as etcd 3.5.35, 3.6.16 and 3.7.3 send them (rpctypes/error.go).
#[test]
fn each_text_of_etcd_has_its_meaning() {
    use Code::{DataLoss, FailedPrecondition, NotFound, ResourceExhausted, Unavailable};
    let table = [
        (Unavailable, "no leader", Error::NoLeader),
        (Unavailable, "leader changed", Error::NoLeader),
        (FailedPrecondition, "not leader", Error::NotLeader),
        (Unavailable, "unhealthy cluster", Error::UnhealthyCluster),
        (
            FailedPrecondition,
            "can only promote a learner member which is in sync with leader",
            Error::NotInSync,
        ),
        (FailedPrecondition, "can only promote a learner member", Error::NotLearner),
        (FailedPrecondition, "too many learner members in cluster", Error::TooManyLearners),
        (
            FailedPrecondition,
            "re-configuration failed due to not enough started members",
            Error::NotEnoughStartedMembers,
        ),
        (FailedPrecondition, "Peer URLs already exists", Error::PeerUrlExists),
        (FailedPrecondition, "member ID already exist", Error::PeerUrlExists),
        (NotFound, "member not found", Error::MemberNotFound),
        (FailedPrecondition, "rpc not supported for learner", Error::LearnerRefuses),
        (FailedPrecondition, "not capable", Error::NotCapable),
        (ResourceExhausted, "too many requests", Error::Busy),
        (FailedPrecondition, "bad leader transferee", Error::BadLeaderTransferee),
        (ResourceExhausted, "mvcc: database space exceeded", Error::NoSpace),
        (DataLoss, "corrupt cluster", Error::Corrupt),
    ];
    for (code, text, meaning) in table {
        assert_eq!(translated(code, &format!("etcdserver: {text}")), meaning, "{text}");
    }
}

#[test]
fn every_way_of_etcd_to_time_out_is_a_timeout() {
    for text in [
        "request timed out",
        "request timed out, possibly due to previous leader failure",
        "request timed out, possibly due to connection lost",
        "request timed out, waiting for the applied index took too long",
    ] {
        let error = translated(Code::Unavailable, &format!("etcdserver: {text}"));
        assert_eq!(error, Error::Timeout(format!("etcd: {text}")));
    }
    let error = translated(Code::DeadlineExceeded, "context deadline exceeded");
    assert_eq!(error.reason(), "Timeout");
}

#[test]
fn refusals_that_a_user_would_lift_are_about_authentication() {
    for (code, text) in [
        (Code::InvalidArgument, "user name is empty"),
        (Code::FailedPrecondition, "user name not found"),
        (Code::PermissionDenied, "permission denied"),
        (Code::Unauthenticated, "invalid auth token"),
        (Code::InvalidArgument, "authentication failed, invalid user ID or password"),
        (Code::InvalidArgument, "revision of auth store is old"),
    ] {
        let error = translated(code, &format!("etcdserver: {text}"));
        assert_eq!(error, Error::AuthRequired(text.to_owned()));
    }
    // As 3.5 answers who may not take a snapshot.
    let error = translated(Code::Unknown, "auth: permission denied");
    assert_eq!(error, Error::AuthRequired("permission denied".to_owned()));
}

#[test]
fn what_etcd_did_not_write_is_told_by_its_code() {
    let stopping = translated(Code::Unavailable, "etcdserver: server stopped");
    assert_eq!(stopping.reason(), "Unreachable");
    let refused = translated(Code::Unavailable, "connection refused");
    assert_eq!(
        refused,
        Error::Unreachable { endpoint: URL.to_owned(), detail: "connection refused".to_owned() }
    );
    let other = translated(Code::InvalidArgument, "etcdserver: key is not provided");
    assert_eq!(
        other,
        Error::Other {
            code: "InvalidArgument".to_owned(),
            message: "key is not provided".to_owned(),
        }
    );
}

#[test]
fn refusals_that_pass_by_themselves_are_waits_and_the_rest_is_not() {
    let waits = [
        Error::NoLeader,
        Error::UnhealthyCluster,
        Error::NotInSync,
        Error::TooManyLearners,
        Error::NotEnoughStartedMembers,
        Error::NotCapable,
        Error::Busy,
    ];
    let others = [
        Error::Timeout(String::new()),
        Error::NotLeader,
        Error::PeerUrlExists,
        Error::MemberNotFound,
        Error::NotLearner,
        Error::LearnerRefuses,
        Error::BadLeaderTransferee,
        Error::AuthRequired(String::new()),
        Error::NoSpace,
        Error::Corrupt,
    ];
    assert!(waits.iter().all(Error::is_wait));
    assert!(!others.iter().any(Error::is_wait));
}
