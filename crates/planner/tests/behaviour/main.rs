//! What the planner does, case by case.
//!
//! Each test builds a cluster that is well but for what the test is about, and says in its name
//! what must follow. What must hold in every case is in `properties`, what must hold over time in
//! `model`.

#[cfg(test)]
mod archive;
mod bootstrap;
#[cfg(test)]
mod builder;
mod joining;
mod leaving;
mod lost;
mod recovery;
mod replacing;
mod restoring;
mod strangers;
