//! `cargo xtask test`: what CI runs, and what to run before a commit.
//!
//! Stages from the cheap to the dear, each with its name, its time and, when it fails, the command that
//! runs it alone. nextest's summary is the last thing printed.

mod stage;
pub(crate) mod tools;

use std::process::ExitCode;
use std::time::Duration;

use ::tests::command::{self, CommandError, command};
use ::tests::localkube::{self, LocalKube, layout::MOST_NODES, programs, workspace};
use ::tests::progress::Progress;
use anyhow::{Result, ensure};
use tokio::process::Command;

use stage::Stages;
use tools::Tools;

/// What starts no other program: units, properties, the model, the API's rules.
const FAST: &str = "not (kind(test) and package(/^(archive|etcd|etcd-backup-sidecar|etcd-restore-init|snapshot|testbed|tests)$/))";
/// Everything but the scenarios, which need a Kubernetes.
const WITHOUT_KUBERNETES: &str = "not (package(tests) and kind(test))";
const SCENARIOS: &str = "package(tests) and kind(test)";

/// What to leave out, and what to leave behind.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only what needs no other program, neither etcd nor a store nor Kubernetes: under a minute once
    /// everything is compiled
    #[arg(long)]
    fast: bool,
    /// Leave the local Kubernetes up
    #[arg(long, conflicts_with = "fast")]
    keep: bool,
}

/// Runs all stages up to the first that fails.
pub(crate) async fn run(options: Options) -> Result<ExitCode> {
    let progress = Progress::new();
    let mut stages = Stages::new(if options.fast { 8 } else { 11 });
    let tools = stages.work("tools", "cargo xtask test --fast", Tools::get(&progress)).await?;
    static_checks(&mut stages, &tools).await?;
    if options.fast {
        let mut fast = nextest(&tools, "default", FAST);
        stages.command("tests without other programs", &mut fast, true).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut unit = nextest(&tools, "default", WITHOUT_KUBERNETES);
    set_etcd_folders(&mut unit, &progress).await?;
    stages.command("tests without Kubernetes", &mut unit, false).await?;
    with_kubernetes(&mut stages, &tools, &progress, options.keep).await?;
    Ok(ExitCode::SUCCESS)
}

async fn static_checks(stages: &mut Stages, tools: &Tools) -> Result<()> {
    stages.command("format", &mut cargo(&["fmt", "--all", "--check"]), false).await?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    stages.command("lints", &mut cargo(&clippy), false).await?;
    let tree = "cargo tree --workspace --locked --invert ring";
    stages.work("one TLS provider", tree, check_tls_provider()).await?;
    let mut deny = command(&tools.cargo_deny);
    deny.current_dir(workspace()).args([
        "--workspace",
        "check",
        "--hide-inclusion-graph",
        "licenses",
        "bans",
        "sources",
    ]);
    stages.command("licences and sources", &mut deny, false).await?;
    let generated = async { crate::crds::run(true) };
    stages.work("generated files", "cargo xtask crds --check", generated).await?;
    let doc = ["test", "--workspace", "--doc", "--locked", "--quiet"];
    stages.command("doc tests", &mut cargo(&doc), false).await
}

/// Two TLS providers in one program make the Kubernetes client panic, so ring must not come in.
async fn check_tls_provider() -> Result<()> {
    let mut tree = cargo(&["tree", "--workspace", "--locked", "--invert", "ring"]);
    let users = match command::run(&mut tree, Duration::from_mins(5)).await {
        // Not even in Cargo.lock.
        Err(CommandError::Failed { said, .. }) if said.contains("did not match any packages") => {
            return Ok(());
        }
        other => other?,
    };
    ensure!(
        users.trim().is_empty(),
        "the TLS provider ring came in beside aws-lc-rs; switch the feature off that brings it:\n{users}"
    );
    Ok(())
}

/// Leaves the machine as it was: a Kubernetes that was up stays up.
async fn with_kubernetes(
    stages: &mut Stages,
    tools: &Tools,
    progress: &Progress,
    keep: bool,
) -> Result<()> {
    let was_up = LocalKube::attach().is_ok();
    stages.work("images", "cargo xtask images", crate::images::run()).await?;
    let result = on_kubernetes(stages, tools, progress).await;
    if !was_up && !keep {
        // Silent where it succeeds: the tests' summary stays the last thing printed.
        localkube::down(&Progress::Silent).await?;
    }
    result
}

async fn on_kubernetes(stages: &mut Stages, tools: &Tools, progress: &Progress) -> Result<()> {
    let up = async { Ok(localkube::up(MOST_NODES, progress).await?) };
    stages.work("local Kubernetes", "cargo xtask kube up", up).await?;
    let kube = LocalKube::attach()?;
    let mut scenarios = nextest(tools, "scenarios", SCENARIOS);
    set_etcd_folders(&mut scenarios, progress).await?;
    stages.command("scenarios on the local Kubernetes", &mut inside(&kube, &scenarios), true).await
}

fn cargo(args: &[&str]) -> Command {
    let mut cargo = command("cargo");
    cargo.current_dir(workspace()).args(args);
    cargo
}

/// The whole workspace each time, whatever is selected: its features then stay the same and nothing is
/// compiled twice.
fn nextest(tools: &Tools, profile: &str, filter: &str) -> Command {
    let mut nextest = command(&tools.cargo_nextest);
    nextest.current_dir(workspace()).args(["nextest", "run", "--workspace", "--locked"]);
    nextest.args(["--profile", profile, "--filterset", filter]);
    nextest
}

/// The same command in the control namespace. There is no registry to ask there: the tests without
/// Kubernetes were compiled together with these.
fn inside(kube: &LocalKube, outside: &Command) -> Command {
    let outside = outside.as_std();
    let mut inside = Command::from(kube.inside(outside.get_program(), outside.get_args()));
    inside.arg("--offline").current_dir(workspace()).kill_on_drop(true);
    inside.envs(outside.get_envs().filter_map(|(name, value)| Some((name, value?))));
    inside
}

/// Where the tests on real etcd processes find them.
async fn set_etcd_folders(tests: &mut Command, progress: &Progress) -> Result<()> {
    for built in programs::etcd_versions(progress).await? {
        let mut numbers = built.version.trim_start_matches('v').split('.');
        let (major, minor) = (numbers.next().unwrap_or(""), numbers.next().unwrap_or(""));
        tests.env(format!("ETCD_BIN_DIR_{major}_{minor}"), &built.dir);
    }
    Ok(())
}
