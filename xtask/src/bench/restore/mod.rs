//! `cargo xtask bench restore`: what a restore by `etcd-restore-init` costs, beside the part of it that is
//! not ours, `etcdutl snapshot restore` of a snapshot that is on the disk already.

mod alone;

use ::tests::progress::Progress;
use anyhow::Result;

use super::{backup::Programs, figure::Figures};

/// What is measured.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Sizes of the database in MB
    #[arg(long, value_delimiter = ',', default_values_t = [250, 1100])]
    megabytes: Vec<u64>,
    /// How often each is restored; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=20))]
    runs: u8,
    /// Print JSON and not a table
    #[arg(long)]
    json: bool,
}

/// Measures each size and prints.
pub(super) async fn run(options: &Options) -> Result<()> {
    let progress = Progress::new();
    let programs = Programs::get(&progress).await?;
    for &megabytes in &options.megabytes {
        progress.say(&format!("        a database of {megabytes} MB"));
        let figures = alone::size(megabytes, options.runs, &programs, &progress);
        let figures = Figures { runs: options.runs, figures: Box::pin(figures).await? };
        if options.json {
            println!("{}", serde_json::to_string_pretty(&figures)?);
        } else {
            println!("{megabytes} MB\n{figures}");
        }
    }
    Ok(())
}
