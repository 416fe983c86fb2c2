//! kubectl as the administrator, inside the control namespace.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::error::Error;
use super::layout::{CONTROL_NETNS, NETNS_DIR, Paths};
use crate::command::{command, run_with_input};

const LIMIT: Duration = Duration::from_secs(30);

/// The administrator's kubectl.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    pub(super) fn new(program: PathBuf, paths: &Paths) -> Self {
        Self { program, kubeconfig: paths.kubeconfig() }
    }

    /// Runs kubectl with `args` and returns its stdout.
    pub async fn run(&self, args: &[&str]) -> Result<String, Error> {
        self.run_with_input(args, "").await
    }

    /// As [`Kubectl::run`], with `input` on stdin, for `apply -f -`.
    pub async fn run_with_input(&self, args: &[&str], input: &str) -> Result<String, Error> {
        // The API server is an address, so the namespace's resolv.conf is not needed.
        let mut kubectl = command("nsenter");
        kubectl.arg(format!("--net={NETNS_DIR}/{CONTROL_NETNS}")).arg(&self.program);
        kubectl.env("KUBECONFIG", &self.kubeconfig).args(args);
        Ok(run_with_input(&mut kubectl, input, LIMIT).await?)
    }

    /// Waits until kubectl with `args` succeeds and `is_enough` holds for its stdout.
    pub(super) async fn until(
        &self,
        args: &[&str],
        is_enough: impl Fn(&str) -> bool,
        late: Late,
    ) -> Result<(), Error> {
        let deadline = Instant::now() + late.limit;
        loop {
            if self.run(args).await.is_ok_and(|said| is_enough(&said)) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let what = late.what.to_owned();
                return Err(Error::Late { what, limit: late.limit, see: late.see });
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// When to give up waiting, and what to say then.
pub(super) struct Late {
    pub(super) what: &'static str,
    pub(super) limit: Duration,
    pub(super) see: PathBuf,
}
