//! `cargo xtask bench backup`: what a whole backup costs, beside its stages and beside the tools that
//! people use without us, in the same run on the same database and the same S3 server.

pub(super) mod data;
mod idle;
mod latency;
mod measure;
mod programs;
mod share;
pub(super) mod watch;

pub(super) use programs::Programs;

use ::tests::progress::Progress;
use anyhow::Result;

use super::figure::Figures;

/// What is measured.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Sizes of the database in MB; the largest that the goals name takes 4000
    #[arg(long, value_delimiter = ',', default_values_t = [250, 1100])]
    megabytes: Vec<u64>,
    /// Measure the programs that were built last, and build none
    #[arg(long)]
    as_built: bool,
    /// Print JSON and not a table
    #[arg(long)]
    json: bool,
}

/// Measures each size and prints.
pub(super) async fn run(options: &Options) -> Result<()> {
    let progress = Progress::new();
    let programs = Programs::get(options.as_built, &progress).await?;
    for &megabytes in &options.megabytes {
        progress.say(&format!("        a database of {megabytes} MB"));
        let figures = Box::pin(measure::size(megabytes, &programs, &progress)).await?;
        let figures = Figures { runs: 1, figures };
        if options.json {
            println!("{}", serde_json::to_string_pretty(&figures)?);
        } else {
            println!("{megabytes} MB\n{figures}");
        }
    }
    Ok(())
}
