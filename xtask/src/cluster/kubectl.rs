//! kubectl as a person uses it: on the Kubernetes of a context, or of the environment.

use std::time::Duration;

use ::tests::command::{command, run};
use anyhow::Result;

/// Applying a kustomization takes the longest.
const LIMIT: Duration = Duration::from_mins(2);

/// How kubectl reaches the Kubernetes.
#[derive(Clone, Debug)]
pub(crate) struct Kubectl {
    context: Option<String>,
}

impl Kubectl {
    pub(crate) fn new(context: Option<&str>) -> Self {
        Self { context: context.map(str::to_owned) }
    }

    /// Runs it and returns what it wrote.
    pub(crate) async fn run(&self, args: &[&str]) -> Result<String> {
        let mut kubectl = command("kubectl");
        if let Some(context) = &self.context {
            kubectl.args(["--context", context]);
        }
        Ok(run(kubectl.args(args), LIMIT).await?)
    }
}
