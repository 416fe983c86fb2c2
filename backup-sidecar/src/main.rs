//! `etcd-backup-sidecar`: the only program that writes backups.

#[allow(dead_code, reason = "main is being written")]
mod metrics;
#[allow(dead_code, reason = "main is being written")]
mod schedule;
#[allow(dead_code, unused_imports, reason = "main is being written")]
mod serve;

fn main() {}
