//! The engine with a paused clock, a store in memory and a taker that does what the test says.

mod archive;
mod failures;
mod moody;
mod orders;
mod stop;
mod times;
pub(crate) mod world;
