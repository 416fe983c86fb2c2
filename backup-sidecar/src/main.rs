//! `etcd-backup-sidecar`: the only program that writes backups.

#[expect(dead_code, reason = "main is being written")]
mod schedule;
#[expect(dead_code, unused_imports, reason = "main is being written")]
mod serve;

fn main() {}
