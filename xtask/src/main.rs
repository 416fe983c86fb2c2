//! `cargo xtask`: what people and CI do with this repository, each command a module of its own.

mod bench;
mod cluster;
mod crds;
mod demo;
mod images;
mod kube;
mod soak;
mod test;

use std::process::ExitCode;

use clap::Parser;

/// Work on the etcd operator: its local Kubernetes, images, tests.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// A real Kubernetes on this machine, for tests and for looking around
    #[command(subcommand)]
    Kube(kube::Command),
    /// Build the project's programs and pack them into container images
    Images,
    /// See it work: a cluster on a real Kubernetes, and what happens when parts of it die
    Demo(demo::Options),
    /// Figures beside their goals: how fast clusters come up and heal, what the operator costs
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Every way to lose a cluster, with somebody killed at every step of getting it back: hours
    Soak(soak::Options),
    /// Check and test everything, as CI does
    Test(test::Options),
    /// Write the custom resource definitions below deploy/crds
    Crds {
        /// Change nothing; fail if a file is not what would be written
        #[arg(long)]
        check: bool,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Task::parse() {
        Task::Kube(command) => Box::pin(command.run()).await,
        Task::Images => Box::pin(images::run()).await.map(done),
        Task::Demo(options) => Box::pin(demo::run(options)).await,
        Task::Bench(bench) => Box::pin(bench.run()).await,
        Task::Soak(options) => Box::pin(soak::run(options)).await,
        Task::Test(options) => Box::pin(test::run(options)).await,
        Task::Crds { check } => crds::run(check).map(done),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn done((): ()) -> ExitCode {
    ExitCode::SUCCESS
}
