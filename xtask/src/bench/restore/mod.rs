//! `cargo xtask bench restore`: what a restore by `etcd-restore-init` costs, beside the part of it that is
//! not ours, `etcdutl snapshot restore` of a snapshot that is on the disk already; and how long a cluster
//! on the local Kubernetes is away that has lost a majority.

mod alone;
mod recovery;

use ::tests::progress::Progress;
use anyhow::Result;

use super::{backup::Programs, figure::Figures, on_the_local_kubernetes};

/// What is measured.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Sizes in MB of the databases that are restored without Kubernetes
    #[arg(long, value_delimiter = ',', default_values_t = [250, 1100])]
    megabytes: Vec<u64>,
    /// Size in MB of the database that is lost on the local Kubernetes
    #[arg(long, default_value_t = 100)]
    lost_megabytes: u64,
    /// How often each is restored; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=20))]
    runs: u8,
    /// Only one of the two
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Measure the programs that were built last, and build none
    #[arg(long)]
    as_built: bool,
    /// Print JSON and not a table
    #[arg(long)]
    json: bool,
    /// The part that runs inside the local Kubernetes
    #[arg(long, hide = true)]
    inside: bool,
}

/// The two parts of the benchmark.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Without Kubernetes
    Alone,
    /// On the local Kubernetes
    Recovery,
}

/// Measures each and prints.
pub(super) async fn run(options: &Options) -> Result<()> {
    if options.inside {
        let recovery = recovery::run(options.lost_megabytes, options.runs, options.json);
        return Box::pin(recovery).await;
    }
    let progress = Progress::new();
    if options.only != Some(Part::Recovery) {
        alone(options, &progress).await?;
    }
    if options.only == Some(Part::Alone) {
        return Ok(());
    }
    let mut args = vec!["restore".to_owned(), "--inside".to_owned()];
    args.extend(["--runs".to_owned(), options.runs.to_string()]);
    args.extend(["--lost-megabytes".to_owned(), options.lost_megabytes.to_string()]);
    args.extend(options.json.then(|| "--json".to_owned()));
    on_the_local_kubernetes(args, &progress).await
}

async fn alone(options: &Options, progress: &Progress) -> Result<()> {
    let programs = Programs::get(options.as_built, progress).await?;
    for &megabytes in &options.megabytes {
        progress.say(&format!("        a database of {megabytes} MB"));
        let figures = alone::size(megabytes, options.runs, &programs, progress);
        let figures = Figures { runs: options.runs, figures: Box::pin(figures).await? };
        if options.json {
            println!("{}", serde_json::to_string_pretty(&figures)?);
        } else {
            println!("{megabytes} MB\n{figures}");
        }
    }
    Ok(())
}
