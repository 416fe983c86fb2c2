//! The image's own etcdutl: the one program that is trusted to build a data directory.

mod watch;

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use tokio::{process::Command, time::timeout};

use super::{config::Config, problem::Problem, report::Bump, workspace::Workspace};
use crate::accompany;

/// Where etcd's images keep it.
const IN_THE_IMAGE: &str = "/usr/local/bin/etcdutl";
/// For questions that it answers without a file.
const PATIENCE: Duration = Duration::from_secs(30);

/// What there is to say when revisions cannot be raised as they should be.
const NO_BUMP: &str = "this etcdutl cannot raise revisions: a client that saw revisions later than the \
                       backup's misses changes; restart what watches this etcd";

/// An etcdutl that was asked what it is.
#[derive(Debug)]
pub(crate) struct Etcdutl {
    program: PathBuf,
    pub version: String,
    raises_revisions: bool,
}

impl Etcdutl {
    /// Looks for it, if it is not named, and asks it.
    pub(crate) async fn find(named: Option<&Path>) -> Result<Self, Problem> {
        let program = match named {
            Some(program) => program.to_owned(),
            None => on_path(env::var_os("PATH").as_deref()).unwrap_or(IN_THE_IMAGE.into()),
        };
        let (version, help) = tokio::try_join!(
            ask(&program, &["version"]),
            ask(&program, &["snapshot", "restore", "--help"])
        )?;
        let version = version.lines().find_map(|line| line.strip_prefix("etcdutl version: "));
        let unknown = || no_etcdutl(&program, "it does not say its version");
        let version = version.ok_or_else(unknown)?.trim().to_owned();
        let raises_revisions =
            help.contains("--bump-revision") && help.contains("--mark-compacted");
        Ok(Self { program, version, raises_revisions })
    }

    /// What it makes of the wish to raise revisions.
    pub(crate) fn bump(&self, wanted: Option<u64>) -> Bump {
        match wanted {
            Some(_) if !self.raises_revisions => Bump { by: None, remark: Some(NO_BUMP) },
            by => Bump { by, remark: None },
        }
    }

    /// Builds the data directory in the workspace from the snapshot there.
    pub(crate) async fn restore(
        &self,
        config: &Config,
        workspace: &Workspace,
        bump: Option<u64>,
        size: u64,
    ) -> Result<(), Problem> {
        let starting = || Problem::disk(format!("starting {}", self.program.display()));
        let mut command = accompany::command(&self.program).map_err(starting())?;
        let member = &config.member;
        command.args(["snapshot", "restore"]).arg(workspace.snapshot());
        command.arg("--data-dir").arg(workspace.data());
        for (flag, value) in [
            ("--name", &member.name),
            ("--initial-cluster", &member.cluster),
            ("--initial-cluster-token", &member.token),
            ("--initial-advertise-peer-urls", &member.peer_urls),
        ] {
            command.arg(format!("{flag}={value}"));
        }
        if let Some(bump) = bump {
            command.arg(format!("--bump-revision={bump}")).arg("--mark-compacted");
        }
        let child = quiet(&mut command).spawn().map_err(starting())?;
        let grows = workspace.data().join("member").join("snap").join("db");
        watch::run(child, &grows, size).await
    }
}

async fn ask(program: &Path, args: &[&str]) -> Result<String, Problem> {
    let mut command = Command::new(program);
    let answer = timeout(PATIENCE, quiet(command.args(args)).output()).await;
    let answer = answer.map_err(|_| no_etcdutl(program, "it gives no answer"))?;
    match answer {
        Ok(Output { status, stdout, .. }) if status.success() => {
            Ok(String::from_utf8_lossy(&stdout).into_owned())
        }
        Ok(Output { status, .. }) => {
            Err(no_etcdutl(program, format!("{args:?} ends with {status}")))
        }
        Err(error) => Err(no_etcdutl(program, error)),
    }
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true)
}

fn no_etcdutl(program: &Path, what: impl std::fmt::Display) -> Problem {
    let shown = program.display();
    Problem::NoEtcdutl(format!(
        "{shown} cannot be used ({what}): run this in the etcd image of the wanted version, or name its \
         etcdutl by --etcdutl"
    ))
}

fn on_path(path: Option<&OsStr>) -> Option<PathBuf> {
    env::split_paths(path?).map(|folder| folder.join("etcdutl")).find(|program| program.is_file())
}
