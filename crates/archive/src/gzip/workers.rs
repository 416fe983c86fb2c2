//! Threads that compress blocks, and let everything else go first.
//!
//! They are not tokio's: those do work that somebody waits for, and a thread's priority can be lowered
//! but not raised again.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use bytes::Bytes;
use rustix::process::setpriority_process;
use tokio::sync::oneshot;

use super::packer::{Levels, Packer, failed};
use crate::error::Result;

/// Of the nice values. Another program that wants the same processor gets some ten times as much of it; a
/// processor that nobody else wants is used all the same.
const NICE: i32 = 10;

/// The buffer of a block, empty again, with the block's member.
pub(super) type Packed = Result<(Vec<u8>, Bytes)>;
type Job = (Vec<u8>, oneshot::Sender<Packed>);

/// Threads that end when this is dropped.
#[derive(Debug)]
pub(super) struct Workers {
    jobs: mpsc::Sender<Job>,
    waiting: Arc<Mutex<mpsc::Receiver<Job>>>,
    levels: Arc<Levels>,
    started: usize,
}

impl Workers {
    /// None yet: they are started as they are needed.
    pub(super) fn new() -> Self {
        let (jobs, waiting) = mpsc::channel();
        let waiting = Arc::new(Mutex::new(waiting));
        Self { jobs, waiting, levels: Arc::default(), started: 0 }
    }

    /// Begins to compress a block, on one more thread if there are fewer than `wanted`.
    pub(super) fn begin(
        &mut self,
        raw: Vec<u8>,
        wanted: usize,
    ) -> Result<oneshot::Receiver<Packed>> {
        if self.started < wanted {
            let (waiting, packer) = (self.waiting.clone(), Packer::new(self.levels.clone())?);
            let thread = thread::Builder::new().name("gzip".to_owned());
            thread.spawn(move || work(&waiting, packer)).map_err(|error| failed(&error))?;
            self.started = self.started.saturating_add(1);
        }
        let (send, packed) = oneshot::channel();
        self.jobs.send((raw, send)).map_err(|error| failed(&error))?;
        Ok(packed)
    }
}

fn work(waiting: &Mutex<mpsc::Receiver<Job>>, mut packer: Packer) {
    // Where that is not allowed, it is done without.
    let _as_it_is = setpriority_process(None, NICE);
    loop {
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((mut raw, done)) = job else { return };
        let member = packer.pack(&raw);
        raw.clear();
        // Nobody waits for it any more when the backup has failed.
        drop(done.send(member.map(|member| (raw, member))));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::process::getpriority_process;

    use super::*;

    #[tokio::test]
    async fn blocks_are_compressed_at_a_low_priority_and_nothing_else_is() {
        let before = getpriority_process(None).unwrap();
        let mut workers = Workers::new();
        workers.begin(b"plum".to_vec(), 1).unwrap().await.unwrap().unwrap();
        let stats = fs::read_dir("/proc/self/task")
            .unwrap()
            .map(|task| fs::read_to_string(task.unwrap().path().join("stat")).unwrap_or_default());
        let nice = |stat: String| {
            let nice = stat.rsplit(") ").next()?.split(' ').nth(16)?;
            stat.contains("(gzip)").then(|| nice.to_owned())
        };
        let found: Vec<_> = stats.filter_map(nice).collect();
        assert!(found.contains(&NICE.max(before).to_string()), "{found:?}");
        assert_eq!(getpriority_process(None).unwrap(), before);
    }
}
