//! The operator on a real Kubernetes: what must hold for clusters, whatever befalls them.
//!
//! Each scenario has a namespace of its own and runs beside the others, with the one operator that
//! all share. Those in `operator`, `replicas`, `nodes` and `recovery::disturbing` disturb the rest: they run one after the
//! other (`.config/nextest.toml`), and every other scenario has patience for what they do. Run them
//! inside the local Kubernetes, as `cargo xtask test` and `cargo xtask kube exec` do.

mod api_server;
mod auth;
mod backups;
mod clash;
mod clients;
mod healing;
mod life;
mod nodes;
mod operator;
mod quorum;
mod recovery;
mod replicas;
mod resize;
mod rest;
mod restore;
mod seed;
mod spec;
mod strangers;
mod watchers;

use tests::scenario::kept;
