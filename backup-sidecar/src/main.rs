//! `etcd-backup-sidecar`: the only program that writes backups.

fn main() {}
