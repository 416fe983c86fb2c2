//! What the planner does, case by case.
//!
//! Each test builds a cluster that is well but for what the test is about, and says in its name
//! what must follow. What must hold in every case is in `properties`, what must hold over time in
//! `model`.

mod bootstrap;
#[cfg(test)]
mod builder;
mod joining;
mod leaving;
mod lost;
mod replacing;
mod strangers;
