//! Which member a snapshot is taken from.
//!
//! ```text
//! endpoints ──> any that answers ──> member list ──> status of each ──> choose (pure)
//! ```
//!
//! Only calls that leave no trace in etcd are made: asking for alarms, for one, would be an entry in
//! its log, and every look would count as a change.

use std::time::Duration;

use etcd::{ClusterId, Endpoint, Error, Member, MemberClient, MemberStatus, Timeouts, Tls, User};
use futures::future::join_all;

mod choice;

pub(crate) use choice::{Wish, by_preference, choose, first};

/// Members that are alive answer in milliseconds; a name may have to be looked up first.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    read: Duration::from_secs(5),
    // Of the changes only a sign-in by password is made, which costs etcd processor time on purpose.
    change: Duration::from_secs(15),
    kv: Duration::from_secs(5),
};

/// Why no member can be asked for a snapshot.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// Nobody answered.
    #[error("no member of etcd answers: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Unreachable(Vec<Error>),
    /// The endpoints are of several clusters.
    #[error(
        "the endpoints belong to different etcd clusters ({one} and {other}); give those of one"
    )]
    SeveralClusters {
        /// The ID of one of them.
        one: ClusterId,
        /// The ID of another.
        other: ClusterId,
    },
    /// What answered is another cluster's.
    #[error(
        "{} and these are the backups of etcd cluster {ours}, so nothing was stored; see why its \
         address leads there",
        .found.iter().map(|(url, id)| format!("{url} is etcd cluster {id},")).collect::<Vec<_>>().join(" ")
    )]
    OtherCluster {
        /// Whose backups these are.
        ours: ClusterId,
        /// Who answered, with its ID.
        found: Vec<(String, ClusterId)>,
    },
    /// All that answered are unfit.
    #[error("no member of etcd can be backed up: {}; {advice}", .unfit.join(", "))]
    Unfit {
        /// Each with why.
        unfit: Vec<String>,
        /// What to do.
        advice: &'static str,
    },
    /// Neither the chosen one nor the leader has heard from a majority.
    #[error(
        "no member of etcd can tell whether it has all that was written; see that a majority is up"
    )]
    Behind,
}

impl SourceError {
    /// A fixed word for conditions and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "EtcdUnreachable",
            Self::SeveralClusters { .. } => "SeveralClusters",
            Self::OtherCluster { .. } => "OtherCluster",
            Self::Unfit { .. } => "NoFitMember",
            Self::Behind => "Behind",
        }
    }
}

/// A member that answered.
#[derive(Clone)]
pub(crate) struct Seen {
    /// The connection to it.
    pub client: MemberClient,
    /// What it says of itself.
    pub status: MemberStatus,
    /// Its entry in the member list, if it has one.
    pub member: Option<Member>,
    /// The URL at which it answered.
    pub url: String,
}

impl Seen {
    /// Its name, or its ID while it has none.
    pub fn name(&self) -> String {
        let name = self.member.as_ref().map(|member| member.name.clone());
        name.filter(|name| !name.is_empty()).unwrap_or_else(|| self.status.member_id.to_string())
    }
}

/// Looks at all members that can be found from the endpoints. With `ours`, whoever belongs to another
/// cluster is nobody: the name or address of a member may have become another's.
pub(crate) async fn look(
    endpoints: &[String],
    tls: Option<&Tls>,
    user: Option<&User>,
    ours: Option<ClusterId>,
) -> Result<Vec<Seen>, SourceError> {
    let mut errors = Vec::new();
    let mut seen = ask_all(endpoints, tls, user, &mut errors).await;
    if let Some(ours) = ours {
        let of_others: Vec<_> = seen.extract_if(.., |one| one.status.cluster_id != ours).collect();
        if seen.is_empty() && !of_others.is_empty() {
            let found = of_others.into_iter().map(|one| (one.url, one.status.cluster_id));
            return Err(SourceError::OtherCluster { ours, found: found.collect() });
        }
    }
    let Some(first) = seen.first() else { return Err(SourceError::Unreachable(errors)) };
    if let Some(other) = seen.iter().find(|one| one.status.cluster_id != first.status.cluster_id) {
        let [one, other] = [first, other].map(|seen| seen.status.cluster_id);
        return Err(SourceError::SeveralClusters { one, other });
    }
    let cluster = first.status.cluster_id;
    let members = member_list(&seen).await;
    let is_seen = |member: &&Member| seen.iter().any(|one| one.status.member_id == member.id);
    let rest: Vec<_> = members.iter().filter(|member| !is_seen(member)).cloned().collect();
    let urls: Vec<_> = rest.iter().flat_map(|member| member.client_urls.clone()).collect();
    seen.extend(ask_all(&urls, tls, user, &mut errors).await);
    // A client URL may lead elsewhere from here, as 127.0.0.1 does.
    seen.retain(|one| one.status.cluster_id == cluster);
    for one in &mut seen {
        one.member = members.iter().find(|member| member.id == one.status.member_id).cloned();
    }
    seen.sort_by_key(|one| one.status.member_id);
    seen.dedup_by_key(|one| one.status.member_id);
    Ok(seen)
}

async fn ask_all(
    urls: &[String],
    tls: Option<&Tls>,
    user: Option<&User>,
    errors: &mut Vec<Error>,
) -> Vec<Seen> {
    let mut seen = Vec::new();
    for answer in join_all(urls.iter().map(|url| ask(url, tls, user))).await {
        match answer {
            Ok(one) => seen.push(one),
            Err(error) => errors.push(error),
        }
    }
    seen
}

async fn ask(url: &str, tls: Option<&Tls>, user: Option<&User>) -> Result<Seen, Error> {
    let endpoint = Endpoint { url: url.to_owned(), server_name: None };
    let client = match (tls, user) {
        (tls, Some(user)) => MemberClient::connect_as(&endpoint, tls, user, &TIMEOUTS).await?,
        (Some(tls), None) => MemberClient::connect_tls(&endpoint, tls, &TIMEOUTS).await?,
        (None, None) => MemberClient::connect(&endpoint, &TIMEOUTS).await?,
    };
    let status = client.status().await?;
    Ok(Seen { client, status, member: None, url: endpoint.url })
}

/// Whether the member has everything that was acknowledged to anybody before this call: it asks the
/// leader how far the others are and waits until it is there itself (a linearizable read, which leaves no
/// trace in the log). A snapshot that is begun after that misses nothing.
pub(crate) async fn is_up_to_date(one: &Seen) -> Result<(), Error> {
    one.client.member_list().await.map(drop)
}

/// As the majority knows it, or else as the first of them remembers it: it only serves to find members,
/// and what they are they say themselves.
async fn member_list(seen: &[Seen]) -> Vec<Member> {
    for one in seen.iter().filter(|one| one.status.leader.is_some() && !one.status.is_learner) {
        if let Ok(list) = one.client.member_list().await {
            return list.members;
        }
    }
    for one in seen {
        if let Ok(list) = one.client.member_list_serializable().await {
            return list.members;
        }
    }
    Vec::new()
}
