//! The commands, run as a person runs them, on real etcd and real stores.

#![allow(
    clippy::large_futures,
    reason = "tests fail by panicking, and their futures need not be small"
)]

mod damage;
mod errors;
mod faults;
mod harness;
mod interrupted;
mod pruning;
mod source;
mod taking;
