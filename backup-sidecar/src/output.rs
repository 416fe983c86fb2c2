//! What commands print: results to standard output, everything else to standard error.

use std::io::{self, IsTerminal, Write};

use jiff::Timestamp;

/// Prints a line of the result. Fails when nobody reads it, as after `| head`.
pub(crate) fn line(text: impl AsRef<str>) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout().lock(), "{}", text.as_ref())?)
}

/// Prints a value of JSON, indented.
pub(crate) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?)
}

/// Prints rows under their headings, each column as wide as it has to be.
pub(crate) fn table<const N: usize>(
    headings: [&str; N],
    rows: &[[String; N]],
) -> anyhow::Result<()> {
    let headings = headings.map(str::to_owned);
    let mut widths = [0; N];
    for row in std::iter::once(&headings).chain(rows) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in std::iter::once(&headings).chain(rows) {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        line(cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// A number of bytes for people: `1.2 GiB`.
pub(crate) fn bytes(number: u64) -> String {
    indicatif::HumanBytes(number).to_string()
}

/// The hash of a database as `etcdutl snapshot status -w table` prints it; its JSON has the number.
pub(crate) fn hash(number: u32) -> String {
    format!("etcdutl's hash {number:x}")
}

/// A time for people, in whole seconds.
pub(crate) fn time(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

/// Whether a person watches standard error.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
}
