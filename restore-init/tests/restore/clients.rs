//! What clients see whose etcd was restored while they were there: those that watch, and those that
//! hold leases.

use std::{process::Stdio, time::Duration};

use serde_json::Value;
use testbed::{PATIENCE, member::Place, on_each_version, programs::Version, until};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::{
    backup::Stored,
    original::{Original, Target, etcdctl},
    program::Program,
};

on_each_version!(
    whoever_watches_from_before_a_restore_is_told_that_revisions_are_compacted,
    leases_come_back_with_their_whole_time_to_live,
);

/// `etcdctl watch`, which connects again by itself, as all clients do.
struct Watch {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watch {
    fn start(version: Version, place: &Place, more: &[&str]) -> Self {
        let mut command = Command::new(version.program("etcdctl"));
        command.args(["--endpoints", &place.client_url, "watch", "--prefix", "/leaf/"]);
        command.args(more).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next key that it tells of, if it does so within that time.
    async fn key_within(&mut self, limit: Duration) -> Option<String> {
        let telling = async {
            loop {
                let line = self.lines.next_line().await.unwrap()?;
                if line.starts_with("/leaf/") {
                    return Some(line);
                }
            }
        };
        timeout(limit, telling).await.ok().flatten()
    }

    async fn tells(&mut self, key: &str) {
        assert_eq!(self.key_within(PATIENCE).await.as_deref(), Some(key));
    }

    /// It ends, and this is what it says.
    async fn last_words(mut self) -> String {
        let mut words = String::new();
        let reading = async {
            self.child.stderr.take().unwrap().read_to_string(&mut words).await.unwrap();
            self.child.wait().await.unwrap();
        };
        timeout(PATIENCE, reading).await.expect("it is not left in silence");
        words
    }
}

/// Puts keys until a watch from the present tells of one; gives their number.
async fn watched(original: &Original, watch: &mut Watch) -> usize {
    for number in 1.. {
        original.ctl(&["put", &leaf(number), "green"]);
        let told = watch.key_within(Duration::from_millis(500)).await;
        let Some(mut last) = told else { continue };
        while last != leaf(number) {
            last = watch.key_within(PATIENCE).await.expect("it tells of each");
        }
        return number;
    }
    unreachable!("there is always one more number")
}

fn leaf(number: usize) -> String {
    format!("/leaf/{number:03}")
}

/// The etcd is gone with its data, and its backup is started under its address.
fn in_place_of(original: Original) -> Target {
    let place = original.place().clone();
    drop(original);
    Target { place, ..Target::new() }
}

async fn whoever_watches_from_before_a_restore_is_told_that_revisions_are_compacted(
    version: Version,
) {
    let original = Original::start(version).await;
    original.ctl(&["put", "/leaf/first", "green"]);
    let mut from_the_past = Watch::start(version, original.place(), &["--rev=2"]);
    from_the_past.tells("/leaf/first").await;
    let backup = Stored::of(&original).await;
    let mut from_the_present = Watch::start(version, original.place(), &[]);
    watched(&original, &mut from_the_present).await;
    let target = in_place_of(original);

    Program::new(&backup, &target, version).run().await.restored();
    let _restored = target.start(version, &[]).await;

    let new = Watch::start(version, &target.place, &["--rev=2"]);
    for watch in [from_the_past, from_the_present, new] {
        let words = watch.last_words().await;
        assert!(words.contains("required revision has been compacted"), "{words}");
    }
}

/// Why revisions are raised: without that, changes are missed and nobody is told.
#[tokio::test]
async fn with_kept_revisions_a_watch_misses_changes_in_silence() {
    let version = Version::V3_6;
    let original = Original::start(version).await;
    let backup = Stored::of(&original).await;
    let mut watch = Watch::start(version, original.place(), &[]);
    let seen = watched(&original, &mut watch).await;
    let target = in_place_of(original);

    let program = Program::new(&backup, &target, version).args(["--keep-revisions"]);
    program.run().await.restored();
    let _restored = target.start(version, &[]).await;

    for number in 1..=seen + 1 {
        let key = format!("/leaf/after-{number}");
        etcdctl(version, &target.place, &["put", &key, "green"]);
    }
    // The others bear revisions that the watch has seen already.
    watch.tells(&format!("/leaf/after-{}", seen + 1)).await;
}

/// Seconds that a lease has left, and those that it was granted.
fn time_to_live(version: Version, place: &Place, lease: &str) -> (i64, i64) {
    let told = etcdctl(version, place, &["lease", "timetolive", lease, "-w", "json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    (told["ttl"].as_i64().unwrap(), told["granted-ttl"].as_i64().unwrap())
}

fn granted(original: &Original, seconds: &str, key: &str) -> String {
    let lease = original.ctl(&["lease", "grant", seconds]);
    let lease = lease.split_whitespace().nth(1).unwrap().to_owned();
    original.ctl(&["put", key, "leaf", "--lease", &lease]);
    lease
}

async fn leases_come_back_with_their_whole_time_to_live(version: Version) {
    let original = Original::start(version).await;
    let long = granted(&original, "600", "/long");
    until("the lease has run for a while", async || {
        (time_to_live(version, original.place(), &long).0 <= 596).then_some(())
    })
    .await;
    granted(&original, "8", "/short");
    let backup = Stored::of(&original).await;
    let target = in_place_of(original);

    Program::new(&backup, &target, version).run().await.restored();
    let _restored = target.start(version, &[]).await;

    let keys = || etcdctl(version, &target.place, &["get", "/", "--prefix", "--keys-only"]);
    assert!(keys().contains("/short\n"), "{}", keys());
    let (left, granted) = time_to_live(version, &target.place, &long);
    assert!((597..=600).contains(&left) && granted == 600, "{left} s of {granted} s");
    until("a lease that nobody keeps runs out", async || {
        (!keys().contains("/short\n")).then_some(())
    })
    .await;
    assert!(keys().contains("/long\n"), "{}", keys());
}
