//! Finalizers: what the operator does before an object of ours is gone.
//!
//! Each gives up in the end, so none holds a deletion for ever.

/// On a `Cluster` with a backup policy: the final backup is taken first, or its archive removed.
pub const FINAL_BACKUP: &str = "etcd.coreos.com/final-backup";

/// On a `Backup` with deletionPolicy Delete: the stored backup is removed first.
pub const STORED_BACKUP: &str = "etcd.coreos.com/stored-backup";
