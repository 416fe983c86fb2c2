//! A joiner's wait: until the existing members list its peer URL.
//!
//! Nobody needs to tell the guard anything: the operator adds the member to etcd, and the next round
//! of questions sees it. There is no overall limit; the operator deletes a pod that is not wanted.

use std::{net::SocketAddr, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{
    net::lookup_host,
    time::{Instant, sleep, timeout},
};

use super::peers::{self, Member};
use crate::config::Joining;

/// A round follows the one before after at least this time,
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// at most this time in the beginning,
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// and at most this time after a while. In between it is drawn anew each time, so that joiners that
/// started together do not ask together.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How often it is said what is waited for when that does not change.
const REPEAT: Duration = Duration::from_secs(30);

/// How long a look-up of the service may take, and the least time between two of them.
const LOOK_UP: Duration = Duration::from_secs(1);

/// What a round of questions found. Equal findings are said once.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    /// This member is in a list.
    Listed(Member),
    /// Lists came, this member is in none. The last one's members, by peer URL.
    NotListed(Vec<String>),
    /// No list came.
    NoAnswer,
}

/// Waits until a member lists `joining.peer_url`, and gives that entry.
pub(crate) async fn wait(joining: &Joining) -> Member {
    let mut progress = Progress::default();
    let mut service = Service { name: joining.service.as_deref(), looked_up: None };
    let mut longest = FIRST_PAUSE;
    loop {
        let (mut found, mut failures) = ask_all(&joining.ask, &joining.peer_url).await;
        if found == Found::NoAnswer && service.may_be_looked_up() {
            let addresses = service.look_up(&mut failures).await;
            let (answer, more) = ask_all(&addresses, &joining.peer_url).await;
            found = answer;
            failures.extend(more);
        }
        if let Found::Listed(member) = found {
            return member;
        }
        progress.say(found, &failures, &joining.peer_url);
        sleep(pause(longest)).await;
        longest = LONGEST_PAUSE.min(longest.mul_f64(1.05));
    }
}

fn pause(longest: Duration) -> Duration {
    SHORTEST_PAUSE + longest.saturating_sub(SHORTEST_PAUSE).mul_f64(fastrand::f64())
}

/// Asks all at once and ends with the first list that has the URL, so one that hangs delays nobody.
/// Who gave no list, and why, comes beside.
async fn ask_all(peers: &[SocketAddr], peer_url: &str) -> (Found, Vec<String>) {
    let question = async |peer: &SocketAddr| (*peer, peers::members(*peer).await);
    let mut questions: FuturesUnordered<_> = peers.iter().map(question).collect();
    let (mut found, mut failures) = (Found::NoAnswer, Vec::new());
    while let Some((peer, answer)) = questions.next().await {
        match answer {
            Ok(members) => match members.iter().find(|member| has_url(member, peer_url)) {
                Some(member) => return (Found::Listed(member.clone()), failures),
                None => found = Found::NotListed(urls(members)),
            },
            Err(error) => failures.push(format!("{peer}: {error}")),
        }
    }
    (found, failures)
}

fn has_url(member: &Member, peer_url: &str) -> bool {
    let bare = |url: &str| url.trim_end_matches('/').to_owned();
    member.peer_urls.iter().any(|url| bare(url) == bare(peer_url))
}

fn urls(members: Vec<Member>) -> Vec<String> {
    let mut urls: Vec<_> = members.into_iter().flat_map(|member| member.peer_urls).collect();
    urls.sort();
    urls
}

/// The name of last resort.
struct Service<'a> {
    name: Option<&'a str>,
    looked_up: Option<Instant>,
}

impl Service<'_> {
    fn may_be_looked_up(&self) -> bool {
        self.name.is_some() && self.looked_up.is_none_or(|at| at.elapsed() >= LOOK_UP)
    }

    async fn look_up(&mut self, failures: &mut Vec<String>) -> Vec<SocketAddr> {
        let Some(name) = self.name else { return Vec::new() };
        let answer = timeout(LOOK_UP, lookup_host(name)).await;
        self.looked_up = Some(Instant::now());
        match answer {
            Ok(Ok(addresses)) => return addresses.collect(),
            Ok(Err(error)) => failures.push(format!("{name}: {error}")),
            Err(_) => failures.push(format!("{name}: not resolved within {LOOK_UP:?}")),
        }
        Vec::new()
    }
}

/// Says on standard error what is waited for, when that changes and every [`REPEAT`].
#[derive(Default)]
struct Progress {
    last: Option<(Found, Instant)>,
}

impl Progress {
    fn say(&mut self, found: Found, failures: &[String], peer_url: &str) {
        if self.last.as_ref().is_some_and(|(last, at)| *last == found && at.elapsed() < REPEAT) {
            return;
        }
        let failures = failures.join("; ");
        match &found {
            Found::Listed(_) => {}
            Found::NotListed(members) => {
                let members = members.join(", ");
                eprintln!("waiting until {peer_url} is a member; the members are {members}");
            }
            Found::NoAnswer => {
                eprintln!("waiting for a member to answer who the members are: {failures}");
            }
        }
        self.last = Some((found, Instant::now()));
    }
}
