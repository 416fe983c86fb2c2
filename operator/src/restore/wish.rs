//! From the raw `spec.restore` to what is looked for, and where. Pure; an error is a sentence that says
//! what to write.

use api::objects;
use api::v1beta1::{
    Backup, BackupPolicy, Cluster, PvSource, RestoreLocation, RestorePolicy, StorageType,
};
use jiff::Timestamp;
use kube::ResourceExt;

use crate::backup::{Credentials, Defaults, ValidatedBackup, place_of, volume_store};

/// What is looked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// Namespace of the cluster that was backed up.
    pub namespace: String,
    /// Its name.
    pub cluster: String,
    /// Its UID, if only one is meant.
    pub uid: Option<String>,
    /// ID of the backup, if only one is meant.
    pub id: Option<String>,
    /// Which one of several.
    pub target: Target,
    /// Where they are: the store, and what it is opened with.
    pub place: ValidatedBackup,
    /// The claim of the volume, if they are on one.
    pub claim: Option<String>,
}

/// Which one of several backups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The newest.
    Latest,
    /// The last one at or before a revision.
    Revision(i64),
    /// The last one that was complete by then.
    Time(Timestamp),
}

/// Reads the wish. `backup` finds a `Backup` of the namespace.
pub fn read<'a>(
    cluster: &Cluster,
    defaults: &Defaults,
    backup: impl FnOnce(&str) -> Option<&'a Backup>,
) -> Result<Wish, String> {
    let restore = cluster.spec.restore.as_ref().ok_or("spec.restore is gone")?;
    if let Some(name) = &restore.backup {
        let found = backup(name);
        let found = found.ok_or_else(|| {
            format!(
                "there is no Backup {name} in this namespace: `kubectl get etcdbackup` lists them"
            )
        })?;
        return of_backup(cluster, defaults, found);
    }
    if let Some(location) = &restore.location {
        return at_location(cluster, defaults, restore, location);
    }
    let name = restore.backup_cluster_name.clone();
    let name = name.ok_or("write one of backupClusterName, backup and location in spec.restore")?;
    let own = own_place(cluster, defaults)?;
    let claim = own.volume.is_some().then(|| objects::backup_claim(&name));
    Ok(Wish {
        namespace: cluster.namespace().unwrap_or_default(),
        cluster: name,
        uid: None,
        id: None,
        target: target(restore),
        place: own,
        claim,
    })
}

/// Where this cluster's own backups will be, which is where those of the seed's `backupClusterName` are.
fn own_place(cluster: &Cluster, defaults: &Defaults) -> Result<ValidatedBackup, String> {
    let missing = "spec.backup is missing: it says where the backups are";
    place_of(cluster, defaults).ok_or(missing)?
}

fn of_backup(cluster: &Cluster, defaults: &Defaults, backup: &Backup) -> Result<Wish, String> {
    let name = backup.name_any();
    let status = backup.status.clone().unwrap_or_default();
    let unknown =
        || format!("Backup {name} is not stored: {}", status.message.clone().unwrap_or_default());
    let id = status.id.clone().ok_or_else(unknown)?;
    let location = status.location.clone().ok_or_else(unknown)?;
    let source = &backup.spec.cluster_name;
    let (place, claim) = if location.starts_with(&volume_store()) {
        (on_volume(cluster), Some(objects::backup_claim(source)))
    } else {
        (own_place(cluster, defaults)?, None)
    };
    let root = place.store.split('?').next().unwrap_or_default().trim_end_matches('/');
    if !location.strip_prefix(root).is_some_and(|rest| rest.starts_with('/')) {
        return Err(format!(
            "Backup {name} lies at {location}, and spec.backup is for {root}: name its place in \
             spec.restore.location instead"
        ));
    }
    Ok(Wish {
        namespace: cluster.namespace().unwrap_or_default(),
        cluster: source.clone(),
        uid: status.cluster_uid,
        id: Some(id),
        target: Target::Latest,
        place,
        claim,
    })
}

fn at_location(
    cluster: &Cluster,
    defaults: &Defaults,
    restore: &RestorePolicy,
    location: &RestoreLocation,
) -> Result<Wish, String> {
    let claim = location.pv.as_ref().map(|pv| pv.claim_name.clone());
    let place =
        if claim.is_some() { on_volume(cluster) } else { in_store(cluster, defaults, location)? };
    let namespace = location.namespace.clone().or_else(|| cluster.namespace());
    Ok(Wish {
        namespace: namespace.unwrap_or_default(),
        cluster: location.cluster_name.clone(),
        uid: location.uid.clone(),
        id: None,
        target: target(restore),
        place,
        claim,
    })
}

/// A volume that is there: neither its size nor its class matters.
fn on_volume(cluster: &Cluster) -> ValidatedBackup {
    let pv = Some(PvSource { volume_size_in_mb: 1, storage_class_name: None });
    let policy = BackupPolicy { pv, ..cluster.spec.backup.clone().unwrap_or_default() };
    let volume = Some(crate::backup::Volume { mebibytes: 1, class: None });
    ValidatedBackup { policy, store: volume_store(), credentials: Credentials::None, volume }
}

/// The location, read as a backup policy of that place would be.
fn in_store(
    cluster: &Cluster,
    defaults: &Defaults,
    location: &RestoreLocation,
) -> Result<ValidatedBackup, String> {
    let storage_type = if location.s3.is_some() {
        StorageType::S3
    } else if location.gcs.is_some() {
        StorageType::Gcs
    } else {
        StorageType::Azure
    };
    let mut as_policy = cluster.clone();
    as_policy.spec.backup = Some(BackupPolicy {
        storage_type,
        s3: location.s3.clone(),
        gcs: location.gcs.clone(),
        azure: location.azure.clone(),
        ..BackupPolicy::default()
    });
    own_place(&as_policy, defaults).map_err(|sentence| format!("spec.restore.location: {sentence}"))
}

fn target(restore: &RestorePolicy) -> Target {
    let target = restore.target.clone().unwrap_or_default();
    match (target.revision, target.time) {
        (Some(revision), _) => Target::Revision(revision),
        (None, Some(time)) => Target::Time(time.0),
        (None, None) => Target::Latest,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::backup::Volumes;

    fn defaults() -> Defaults {
        Defaults {
            namespace: "ops".into(),
            sidecar_image: "sidecar:1".into(),
            bucket: None,
            volumes: Volumes::DefaultClass,
        }
    }

    fn wish(backup: &Value, restore: &Value, object: Option<&Backup>) -> Result<Wish, String> {
        let cluster: Cluster = serde_json::from_value(json!({
            "apiVersion": "etcd.coreos.com/v1beta1", "kind": "Cluster",
            "metadata": {"name": "copy", "namespace": "shop", "uid": "u-2"},
            "spec": {"size": 3, "backup": backup, "restore": restore},
        }))
        .unwrap();
        read(&cluster, &defaults(), |name| object.filter(|it| it.name_any() == name))
    }

    fn pv() -> Value {
        json!({"pv": {"volumeSizeInMB": 512}})
    }

    fn s3() -> Value {
        json!({"storageType": "S3", "s3": {"bucket": "b", "prefix": "etcd", "endpoint": "http://w"}})
    }

    fn object(location: &str) -> Backup {
        serde_json::from_value(json!({
            "apiVersion": "etcd.coreos.com/v1beta1", "kind": "Backup",
            "metadata": {"name": "monday", "namespace": "shop"}, "spec": {"clusterName": "orders"},
            "status": {"phase": "Stored", "id": "i-1", "clusterUid": "u-1", "location": location},
        }))
        .unwrap()
    }

    #[test]
    fn a_cluster_of_the_name_is_looked_for_where_the_new_one_will_be_backed_up() {
        let by_name = json!({"backupClusterName": "orders"});
        let found = wish(&pv(), &by_name, None).unwrap();
        assert_eq!((found.namespace.as_str(), found.cluster.as_str()), ("shop", "orders"));
        assert_eq!(found.claim.as_deref(), Some("orders-pvc"));
        assert_eq!(found.target, Target::Latest);
        let found = wish(&s3(), &by_name, None).unwrap();
        assert_eq!(found.claim, None);
        assert!(found.place.store.starts_with("s3://b/etcd?"), "{}", found.place.store);
    }

    #[test]
    fn times_that_cannot_be_read_keep_no_backup_from_being_restored() {
        let mut policy = s3();
        policy["schedule"] = json!("0 25 * * *");
        assert!(wish(&policy, &json!({"backupClusterName": "orders"}), None).is_ok());
    }

    #[test]
    fn a_backup_on_a_volume_is_restored_into_a_cluster_with_a_bucket() {
        let on_volume = object("file:///var/lib/etcd-backups/v1/shop/orders/u-1/snapshots/i-1");
        let found = wish(&s3(), &json!({"backup": "monday"}), Some(&on_volume)).unwrap();
        assert_eq!((found.id.as_deref(), found.uid.as_deref()), (Some("i-1"), Some("u-1")));
        assert_eq!(found.claim.as_deref(), Some("orders-pvc"));
    }

    #[test]
    fn a_backup_in_another_bucket_needs_its_place_named() {
        let by_backup = json!({"backup": "monday"});
        let same = object("s3://b/etcd/v1/shop/orders/u-1/snapshots/i-1");
        assert!(wish(&s3(), &by_backup, Some(&same)).is_ok());
        for location in ["s3://b/etcd2/v1/x", "s3://other/v1/shop/orders/u-1/snapshots/i-1"] {
            let refused = wish(&s3(), &by_backup, Some(&object(location))).unwrap_err();
            assert!(refused.contains("spec.restore.location"), "{refused}");
        }
        let missing = wish(&s3(), &by_backup, None).unwrap_err();
        assert!(missing.contains("no Backup monday"), "{missing}");
    }

    #[test]
    fn a_location_stands_for_itself() {
        let bucket = json!({"location": {
            "clusterName": "orders", "namespace": "old", "uid": "u-7",
            "s3": {"bucket": "other", "credentialsSecret": "keys"},
        }, "target": {"revision": 42}});
        let found = wish(&pv(), &bucket, None).unwrap();
        assert_eq!((found.namespace.as_str(), found.uid.as_deref()), ("old", Some("u-7")));
        assert_eq!(found.place.store, "s3://other");
        assert!(matches!(found.place.credentials, Credentials::Own { .. }));
        assert_eq!((found.claim, found.target), (None, Target::Revision(42)));
        let volume = json!({"location": {"clusterName": "orders", "pv": {"claimName": "c"}},
                            "target": {"time": "2026-11-24T03:00:00Z"}});
        let found = wish(&s3(), &volume, None).unwrap();
        assert_eq!(found.claim.as_deref(), Some("c"));
        assert_eq!(found.target, Target::Time("2026-11-24T03:00:00Z".parse().unwrap()));
    }
}
