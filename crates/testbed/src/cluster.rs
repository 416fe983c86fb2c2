//! A cluster of real etcd processes in a folder of its own.

use std::time::Duration;

use etcd::{Endpoint, Error, MemberClient, Timeouts};
use tempfile::TempDir;

use crate::{
    member::{Place, Process},
    programs::Version,
    until,
};

/// The limits of the tests' clients: longer than the defaults, since the machine may be busy.
pub const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(10),
    read: Duration::from_secs(10),
    change: Duration::from_secs(8),
    kv: Duration::from_secs(20),
};

/// Its processes end with it.
pub struct Cluster {
    pub members: Vec<Process>,
    version: Version,
    // Dropped last: the processes above write into it.
    folder: TempDir,
}

impl Cluster {
    /// Starts `size` members at once and waits until they agree on a leader.
    pub async fn start(version: Version, size: usize) -> Self {
        Self::start_with(version, size, &[]).await
    }

    /// The same with more flags for each member.
    pub async fn start_with(version: Version, size: usize, more: &[&str]) -> Self {
        let places: Vec<_> = (0..size).map(|n| Place::new(&format!("quince-{n}"))).collect();
        let initial = initial_cluster(&places);
        let flags = [&["--initial-cluster", &initial], more].concat();
        let folder = tempfile::tempdir().unwrap();
        let members = places
            .iter()
            .map(|place| Process::start(version, place, folder.path(), &flags))
            .collect();
        let cluster = Self { members, version, folder };
        cluster.wait_until_serving().await;
        cluster
    }

    /// Starts the process of a member that was added at `place`.
    pub fn join(&mut self, place: &Place) {
        let mut places: Vec<_> = self.members.iter().map(|m| m.place.clone()).collect();
        places.push(place.clone());
        let initial = initial_cluster(&places);
        let flags = ["--initial-cluster", &initial, "--initial-cluster-state", "existing"];
        self.members.push(Process::start(self.version, place, self.folder.path(), &flags));
    }

    /// A client of the member with that index.
    pub async fn client(&self, index: usize) -> MemberClient {
        self.client_within(index, TIMEOUTS).await
    }

    /// The same with other limits.
    pub async fn client_within(&self, index: usize, timeouts: Timeouts) -> MemberClient {
        let url = self.members[index].place.client_url.clone();
        connect(&url, timeouts).await
    }

    /// Index of the leader, as the member `index` sees it.
    pub async fn leader(&self) -> usize {
        for index in 0..self.members.len() {
            let status = self.client(index).await.status().await.unwrap();
            if status.leader == Some(status.member_id) {
                return index;
            }
        }
        panic!("no member says that it leads");
    }

    async fn wait_until_serving(&self) {
        for index in 0..self.members.len() {
            let client = self.client(index).await;
            until("every member has published its name", async || {
                let list = client.member_list().await.ok()?;
                list.members.iter().all(|member| !member.name.is_empty()).then_some(())
            })
            .await;
        }
    }
}

/// Connects to a member that is starting.
pub async fn connect(url: &str, timeouts: Timeouts) -> MemberClient {
    let endpoint = Endpoint { url: url.to_owned(), server_name: None };
    until(&format!("{url} accepts connections"), async || {
        MemberClient::connect(&endpoint, &timeouts).await.ok()
    })
    .await
}

/// Asks for a change until etcd answers it, whatever it answers. etcd 3.5 now and then drops a change
/// unanswered that comes within milliseconds of the one before
/// (<https://github.com/etcd-io/etcd/issues/15528>), as only tests do.
pub async fn answered<T>(mut change: impl AsyncFnMut() -> Result<T, Error>) -> Result<T, Error> {
    until("etcd answers the change", async || match change().await {
        Err(Error::Timeout(_)) => None,
        answer => Some(answer),
    })
    .await
}

fn initial_cluster(places: &[Place]) -> String {
    let entries: Vec<_> =
        places.iter().map(|place| format!("{}={}", place.name, place.peer_url)).collect();
    entries.join(",")
}
