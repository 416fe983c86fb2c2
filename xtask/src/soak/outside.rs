//! All rounds, seen from outside: several at a time, each a process of its own with a log of its own.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::tests::localkube::{self, LocalKube, layout::MOST_NODES, workspace};
use ::tests::progress::{Progress, seconds};
use anyhow::{Context, Result};
use futures::StreamExt;
use futures::stream;
use tokio::process::Command;
use tokio::sync::watch;

use super::inside::LIMIT;
use super::round::Round;
use super::tally::{Played, Tally, Verdict};
use crate::images::{self, Set};

/// After its own limit, or when it is called off, a round has this long to end.
const GRACE: Duration = Duration::from_secs(30);

/// What all rounds of one call share.
struct Run<'a> {
    kube: &'a LocalKube,
    progress: &'a Progress,
    /// Begins the names of its namespaces.
    prefix: String,
    logs: PathBuf,
    until: Option<Instant>,
    side_by_side: usize,
    /// Becomes true when all of it is called off.
    stop: watch::Receiver<bool>,
    /// How many are still to be played, and how long they should take one after the other.
    ahead: Mutex<(usize, Duration)>,
}

/// Plays the rounds and leaves nothing behind but their logs.
pub(super) async fn run(
    kube: &LocalKube,
    rounds: &[Round],
    side_by_side: usize,
    time: Option<Duration>,
    progress: &Progress,
) -> Result<Tally> {
    let logs = workspace().join("target/soak");
    std::fs::create_dir_all(&logs).context("making target/soak")?;
    let began = Instant::now();
    let (call_off, stop) = watch::channel(false);
    let expected = rounds.iter().map(|round| round.course.expected).sum();
    let run = Run {
        kube,
        progress,
        prefix: format!("soak-{}", std::process::id()),
        logs,
        until: time.map(|time| began + time),
        side_by_side,
        stop,
        ahead: Mutex::new((rounds.len(), expected)),
    };
    let playing = run.all(rounds);
    tokio::pin!(playing);
    let played = tokio::select! {
        played = &mut playing => played,
        _ = tokio::signal::ctrl_c() => {
            progress.say("called off: ending the rounds that run");
            call_off.send_replace(true);
            playing.await
        }
    };
    run.tidy().await?;
    let left_out = rounds.len() - played.len();
    Ok(Tally { seconds: began.elapsed().as_secs(), left_out, rounds: played })
}

/// The Kubernetes, with the definitions of now and images that can be killed.
pub(super) async fn prepare(keep_images: bool, progress: &Progress) -> Result<LocalKube> {
    if !keep_images {
        images::make(Set::Armed).await?;
    }
    let nodes = LocalKube::attach().map_or(usize::from(MOST_NODES), |kube| kube.nodes().len());
    localkube::up(u8::try_from(nodes).unwrap_or(MOST_NODES), progress).await?;
    let kube = LocalKube::attach()?;
    let definitions = workspace().join("deploy/crds").display().to_string();
    let apply = ["apply", "--server-side", "--force-conflicts", "-k", &definitions];
    kube.kubectl().run(&apply).await.context("applying deploy/crds")?;
    Ok(kube)
}

impl Run<'_> {
    /// Those that disturb others come last, one after the other.
    async fn all(&self, rounds: &[Round]) -> Vec<Played> {
        let (solitary, sociable): (Vec<_>, Vec<_>) =
            rounds.iter().partition(|round| round.is_solitary());
        let side_by_side = stream::iter(sociable).map(|round| self.round(round));
        let mut played: Vec<Option<Played>> =
            side_by_side.buffer_unordered(self.side_by_side).collect().await;
        for round in solitary {
            played.push(self.round(round).await);
        }
        played.into_iter().flatten().collect()
    }

    /// One round; none when there is no time for it any more.
    async fn round(&self, round: &Round) -> Option<Played> {
        if *self.stop.borrow() || self.until.is_some_and(|until| Instant::now() > until) {
            return None;
        }
        let (name, began) = (round.to_string(), Instant::now());
        let log = self.logs.join(format!("{}.log", name.replace(['/', ':'], "_")));
        let playing = async {
            match Box::pin(self.play(&name, &log)).await {
                Ok(Verdict::Failed(why)) => Err(why),
                Ok(verdict) => Ok(verdict),
                Err(error) => Err(format!("{error:#}")),
            }
        };
        let outcome = self.progress.step(&name, round.course.expected, playing).await;
        let verdict = outcome.unwrap_or_else(Verdict::Failed);
        self.tell(round, &verdict);
        let log = log.display().to_string();
        Some(Played { round: name, verdict, seconds: began.elapsed().as_secs(), log })
    }

    /// What is worth saying beside the line of its time, and how much is ahead.
    fn tell(&self, round: &Round, verdict: &Verdict) {
        match verdict {
            Verdict::Passed => {}
            Verdict::NotReached => self.progress.say("        nobody came to that point"),
            Verdict::Failed(why) => self.progress.say(&format!("        {why}")),
        }
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        ahead.0 = ahead.0.saturating_sub(1);
        ahead.1 = ahead.1.saturating_sub(round.course.expected);
        let side_by_side = u32::try_from(self.side_by_side).unwrap_or(1);
        let left = seconds(ahead.1 / side_by_side);
        self.progress.say(&format!("        {} rounds to go, about {left}", ahead.0));
    }

    /// Runs this program again, in the control namespace, for one round. It ends when its input does.
    async fn play(&self, name: &str, log: &std::path::Path) -> Result<Verdict> {
        let program = std::env::current_exe().context("finding this program")?;
        let args = ["soak", "--inside", &self.prefix, "--only", name];
        let mut inside = Command::from(self.kube.inside(program, args));
        let log = std::fs::File::create(log).context("making the round's log")?;
        inside.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        // Ctrl-C is for whoever started all of it, who then calls the rounds off.
        inside.process_group(0);
        let mut child = inside.spawn().context("`ip` could not be started")?;
        let input = child.stdin.take();
        let mut stop = self.stop.clone();
        let called_off = async move {
            let _of_no_meaning = stop.wait_for(|stop| *stop).await.is_ok();
            drop(input);
            tokio::time::sleep(GRACE).await;
        };
        let ended = async {
            let output = tokio::time::timeout(LIMIT + GRACE, child.wait_with_output()).await;
            output.context("it did not end")?.context("waiting for it")
        };
        let output = tokio::select! {
            output = ended => output?,
            () = called_off => anyhow::bail!("called off, and it did not end"),
        };
        serde_json::from_slice(&output.stdout).context("it ended without a verdict; see its log")
    }

    /// What rounds that did not end by themselves have left.
    async fn tidy(&self) -> Result<()> {
        let kubectl = self.kube.kubectl();
        let all = kubectl.run(&["get", "namespaces", "-o", "name"]).await?;
        let ours = format!("namespace/t-{}-", self.prefix);
        for namespace in all.lines().filter(|name| name.starts_with(&ours)) {
            kubectl.run(&["delete", "--wait=false", "--ignore-not-found", namespace]).await?;
        }
        Ok(())
    }
}
