//! Where a member is reached, and how long each kind of call may take.

use std::time::Duration;

/// One member's client address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The URL that is dialled, `http://10.244.1.5:2379`. The operator dials members by pod IP: an
    /// early look-up of a pod's name leaves "no such host" in the DNS cache for half a minute.
    /// With certificates it is an https URL.
    pub url: String,
    /// The name the member is known by, sent as the request's authority in place of the IP; with
    /// TLS also the name that its certificate must be for.
    pub server_name: Option<String>,
}

/// The longest each kind of call may take, from asking to the whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Opening the connection.
    pub connect: Duration,
    /// Reading: status, member list, alarms.
    pub read: Duration,
    /// Changing the membership or the leader. Longer than a read, since it waits for a majority's
    /// disks.
    pub change: Duration,
    /// Reading and writing keys, per request.
    pub kv: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            read: Duration::from_secs(2),
            change: Duration::from_secs(5),
            kv: Duration::from_secs(5),
        }
    }
}
