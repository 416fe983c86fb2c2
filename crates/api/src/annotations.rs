//! Annotations on pods.
//!
//! Those on member pods are what the operator and the guard tell each other. The guard reads them through a downward-API volume, so a change reaches a pod that already
//! runs.

/// `true` on a pod whose etcd has served. The guard refuses an empty data directory in such a
/// pod: the data was there and is gone, so starting empty would forge a member.
pub const SERVED: &str = "etcd.coreos.com/served";

/// How the member comes into being: [`ROLE_SEED`] or [`ROLE_JOINER`].
pub const ROLE: &str = "etcd.coreos.com/role";

/// Value of [`ROLE`]: the first member of a cluster, which waits for nobody.
pub const ROLE_SEED: &str = "seed";

/// Value of [`ROLE`]: a member that may start only once the others list it.
pub const ROLE_JOINER: &str = "joiner";

/// On a first member whose data comes from a backup: that backup's ID.
pub const RESTORED_FROM: &str = "etcd.coreos.com/restored-from";

/// The value that the pod's etcd got as `--initial-cluster`. A joiner whose value no longer fits
/// the membership is made anew.
pub const INITIAL_CLUSTER: &str = "etcd.coreos.com/initial-cluster";

/// A hash of what the spec said of pods when this one was made. One whose etcd has not run yet is made
/// anew when the spec says something else.
pub const TEMPLATE: &str = "etcd.coreos.com/template";

/// The etcd version of the pod's image, without `v`. The name is the seed's.
pub const ETCD_VERSION: &str = "etcd.version";

/// On the sidecar's pod template: a hash of its configuration, so that a change restarts it.
pub const CONFIG_HASH: &str = "etcd.coreos.com/config-hash";

/// On the sidecar's pod template: which version of the credentials' Secret it started with.
pub const CREDENTIALS_VERSION: &str = "etcd.coreos.com/credentials-version";

/// Every annotation of ours but [`ETCD_VERSION`] begins with this.
pub const PREFIX: &str = "etcd.coreos.com/";

/// On a `Backup` that the operator recorded: which stored backup it is of. Such an object asks for
/// nothing.
pub const BACKUP_ID: &str = "etcd.coreos.com/backup-id";
