//! Where the programs of a round ask at their fault points whether to go on.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::tests::localkube::layout::CONTROL_ADDRESS;
use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A program asks as soon as it is connected.
const QUESTION: Duration = Duration::from_secs(5);

/// What is answered at the point that is meant, the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// `die`
    Die,
    /// Nothing: it waits there for what comes.
    Wait,
}

/// Who came to the point that is meant: the name of its pod.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    pub(super) host: String,
}

#[derive(Debug, Default)]
struct State {
    meant: Option<(String, Then)>,
    passed: BTreeSet<String>,
}

/// Answers until it is dropped.
pub(super) struct Points {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    hit: watch::Receiver<Option<Hit>>,
    task: JoinHandle<()>,
}

impl Points {
    /// Everybody goes on, until [`Points::mean`].
    pub(super) async fn listen() -> Result<Self> {
        let listener = TcpListener::bind((CONTROL_ADDRESS, 0)).await.context("opening a port")?;
        let address = listener.local_addr().context("opening a port")?;
        let state = Arc::new(Mutex::new(State::default()));
        let (tell, hit) = watch::channel(None);
        let task = tokio::spawn(serve(listener, Arc::clone(&state), Arc::new(tell)));
        Ok(Self { address, state, hit, task })
    }

    /// What the programs' variable holds.
    pub(super) fn variable(&self) -> String {
        format!("tcp://{}", self.address)
    }

    /// From now on the first one at this point is answered so.
    pub(super) fn mean(&self, point: &str, then: Then) {
        *lock(&self.state) = State { meant: Some((point.to_owned(), then)), ..State::default() };
    }

    /// Who was hit, waiting for it for so long.
    pub(super) async fn hit_within(&self, limit: Duration) -> Option<Hit> {
        let mut hit = self.hit.clone();
        let waiting = tokio::time::timeout(limit, hit.wait_for(Option::is_some)).await;
        waiting.ok()?.ok()?.clone()
    }

    /// Who came by since [`Points::mean`], in the order of the names.
    pub(super) fn passed(&self) -> String {
        lock(&self.state).passed.iter().cloned().collect::<Vec<_>>().join(" ")
    }
}

impl Drop for Points {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

type Tell = Arc<watch::Sender<Option<Hit>>>;

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>, tell: Tell) {
    // Those who wait for an answer that does not come.
    let mut held = Vec::new();
    while let Ok((stream, _)) = listener.accept().await {
        let answered = tokio::time::timeout(QUESTION, answer(stream, &state, &tell)).await;
        held.extend(answered.ok().flatten());
    }
}

/// The connection, if it stays open.
async fn answer(mut stream: TcpStream, state: &Mutex<State>, tell: &Tell) -> Option<TcpStream> {
    let mut line = String::new();
    BufReader::new(&mut stream).read_line(&mut line).await.ok()?;
    let mut words = line.split_whitespace();
    let (point, host) = (words.next()?, words.next().unwrap_or_default());
    let then = decide(&mut lock(state), point);
    if then.is_some() {
        tell.send_replace(Some(Hit { host: host.to_owned() }));
    }
    let word = match then {
        Some(Then::Wait) => return Some(stream),
        Some(Then::Die) => "die\n",
        None => "go\n",
    };
    stream.write_all(word.as_bytes()).await.ok()?;
    None
}

fn decide(state: &mut State, point: &str) -> Option<Then> {
    state.passed.insert(point.to_owned());
    let (_, then) = state.meant.take_if(|(meant, _)| meant == point)?;
    Some(then)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_one_at_the_point_that_is_meant_is_hit() {
        let mut state = State::default();
        assert_eq!(decide(&mut state, "reserved"), None);
        state.meant = Some(("reserved".into(), Then::Die));
        assert_eq!(decide(&mut state, "marked"), None);
        assert_eq!(decide(&mut state, "reserved"), Some(Then::Die));
        assert_eq!(decide(&mut state, "reserved"), None);
        assert_eq!(state.passed.into_iter().collect::<Vec<_>>(), ["marked", "reserved"]);
    }
}
