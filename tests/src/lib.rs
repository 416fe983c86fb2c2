//! What the scenarios stand on: a real Kubernetes on this machine, its faults, and how progress is shown.
//!
//! `localkube` starts and ends the Kubernetes and is what `cargo xtask kube` drives. The scenarios
//! themselves are in `tests/tests/` and run inside its control namespace; `scenario` is what they share.
//! `writer` is the constant writer of scenarios, demo and benchmark; `keys` compares what is there after a
//! restore with what was there before.

pub mod command;
pub mod keys;
pub mod localkube;
pub mod progress;
pub mod scenario;
pub mod writer;
