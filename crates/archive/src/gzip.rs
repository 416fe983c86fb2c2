//! gzip, written in parallel and read as it comes.
//!
//! A backup is cut into blocks of [`BLOCK`] bytes, each compressed as a gzip member of its own; `gunzip`
//! reads the row of members as one file. [`Compressor`] does that on several processors at once and in
//! bounded memory. [`Decoder`] reads any well-formed gzip, one of GNU gzip's too, and never gives more
//! bytes than the manifest lets it expect; [`Unpacker`] does the same, on several processors where each
//! member says how long it is, as ours do.

mod compressor;
mod decoder;
mod header;
mod inflation;
mod members;
mod packer;
mod unpacker;
mod workers;

pub use compressor::{BLOCK, Compressor};
pub use decoder::{CHUNK, Decoder};
pub use unpacker::Unpacker;

#[cfg(test)]
mod tests;
