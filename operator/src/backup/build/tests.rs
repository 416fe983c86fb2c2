//! The objects as they are sent, whole: a change of one line must be seen and meant.

use api::v1beta1::Cluster;
use serde_json::{Value, json};

use super::*;
use crate::backup::defaults::{Bucket, Defaults, Volumes};
use crate::backup::policy::{self, ValidatedBackup};
use crate::validate::{Validated, validate};

fn object(backup: &Value) -> Cluster {
    serde_json::from_value(json!({
        "apiVersion": "etcd.coreos.com/v1beta1",
        "kind": "Cluster",
        "metadata": {"name": "orders", "namespace": "shop", "uid": "u-1"},
        "spec": {
            "size": 5,
            "version": "3.7.3",
            "pod": {
                "nodeSelector": {"disk": "ssd"},
                "tolerations": [{"key": "dedicated", "operator": "Exists"}],
                "labels": {"team": "till"}
            },
            "backup": backup
        }
    }))
    .unwrap()
}

fn on_volume() -> Value {
    json!({"backupIntervalInSecond": 300, "maxBackups": 7,
           "pv": {"volumeSizeInMB": 512, "storageClassName": "slow"}})
}

fn in_s3() -> Value {
    json!({"storageType": "S3", "schedule": "0 3 * * *", "s3": {
        "bucket": "backups", "endpoint": "http://weed.storage.svc:8333",
        "credentialsSecret": "weed-keys"
    }})
}

fn read(backup: &Value) -> (Cluster, Validated, ValidatedBackup) {
    let defaults = Defaults {
        namespace: "ops".into(),
        sidecar_image: "sidecar:1".into(),
        bucket: Some(Bucket { name: "all".into(), secret: "aws".into(), config: "conf".into() }),
        volumes: Volumes::DefaultClass,
    };
    let cluster = object(backup);
    let policy = policy::validate(&cluster, &defaults).unwrap().unwrap();
    (cluster.clone(), validate(&cluster), policy)
}

fn versions(credentials: Option<&str>) -> Versions {
    Versions { config: "0123456789abcdef".into(), credentials: credentials.map(str::to_owned) }
}

#[test]
fn deployment_on_a_volume() {
    let (_, cluster, backup) = read(&on_volume());
    insta::assert_yaml_snapshot!(deployment(&cluster, &backup, &versions(None), "sidecar:1"));
}

#[test]
fn deployment_in_s3() {
    let (_, cluster, backup) = read(&in_s3());
    let versions = versions(Some("u-9/77"));
    insta::assert_yaml_snapshot!(deployment(&cluster, &backup, &versions, "sidecar:1"));
}

#[test]
fn a_reader_of_another_cluster_s_volume() {
    let (_, cluster, backup) = read(&on_volume());
    let source = api::sidecar::ClusterIdentity {
        namespace: "shop".into(),
        name: "carts".into(),
        uid: "u-1".into(),
    };
    let reading = Reading { source, place: &backup, claim: Some("carts-pvc") };
    let (map, service, pod) = reader(&cluster, &reading, "sidecar:1");
    insta::assert_yaml_snapshot!(map);
    insta::assert_yaml_snapshot!(service);
    insta::assert_yaml_snapshot!(pod);
}

#[test]
fn a_reader_is_given_no_times() {
    let (_, cluster, mut backup) = read(&in_s3());
    backup.policy.time_zone = Some("Europe/Berlni".into());
    let source = api::sidecar::ClusterIdentity {
        namespace: "shop".into(),
        name: "carts".into(),
        uid: "u-1".into(),
    };
    let (map, ..) = reader(&cluster, &Reading { source, place: &backup, claim: None }, "sidecar:1");
    let text = &map.data.unwrap()["config.json"];
    let config: api::sidecar::SidecarConfig = serde_json::from_str(text).unwrap();
    assert_eq!((config.policy.schedule, config.policy.time_zone), (None, None));
    assert_eq!(config.policy.s3, backup.policy.s3);
}

#[test]
fn the_service_and_the_claim() {
    let (_, cluster, backup) = read(&on_volume());
    insta::assert_yaml_snapshot!(service(&cluster));
    insta::assert_yaml_snapshot!(claim(&cluster, &backup.volume.unwrap()));
}

#[test]
fn the_configuration() {
    let (object, cluster, backup) = read(&in_s3());
    let (map, _) = config_map(&object, &cluster, &backup);
    insta::assert_yaml_snapshot!(map);
}

#[test]
fn the_sidecar_reads_the_configuration_that_is_written() {
    let (object, cluster, backup) = read(&in_s3());
    let (map, _) = config_map(&object, &cluster, &backup);
    let text = &map.data.unwrap()["config.json"];
    let config: api::sidecar::SidecarConfig = serde_json::from_str(text).unwrap();
    assert_eq!(config.policy, backup.policy);
    assert_eq!(config.endpoints, ["http://orders.shop.svc:2379"]);
    assert_eq!(config.client_name.as_deref(), Some("orders-backup-client.shop.svc"));
    assert_eq!(config.spec["size"], 5);
}

#[test]
fn a_resize_restarts_nothing_and_a_change_of_policy_does() {
    let hash = |change: fn(&mut Cluster)| {
        let mut object = object(&on_volume());
        change(&mut object);
        let (_, cluster, mut backup) = read(&on_volume());
        backup.policy = object.spec.backup.clone().unwrap();
        config_map(&object, &cluster, &backup).1
    };
    let before = hash(|_| ());
    assert_eq!(hash(|object| object.spec.size = 7), before);
    assert_ne!(hash(|object| object.spec.backup.as_mut().unwrap().max_backups = Some(9)), before);
}

/// What the sidecar reads only at its start is in its pod template, itself or by its hash.
#[test]
fn every_change_of_a_policy_reaches_the_sidecar() {
    let template = |backup: &Value| {
        let (object, cluster, backup) = read(backup);
        let (_, config) = config_map(&object, &cluster, &backup);
        let versions = Versions { config, credentials: None };
        deployment(&cluster, &backup, &versions, "sidecar:1").spec.unwrap().template
    };
    let before = template(&in_s3());
    assert_eq!(template(&in_s3()), before);
    for change in [
        json!({"schedule": "0 4 * * *"}),
        json!({"timeZone": "Europe/Zurich"}),
        json!({"schedule": null, "backupIntervalInSecond": 60}),
        json!({"maxBackups": 3}),
        json!({"rpo": "1h"}),
        json!({"retention": {"keepLast": 1}}),
        json!({"retention": {"keepHourly": 1}}),
        json!({"retention": {"keepDaily": 1}}),
        json!({"retention": {"keepWeekly": 1}}),
        json!({"retention": {"keepMonthly": 1}}),
        json!({"cleanupBackupsOnClusterDelete": true}),
        json!({"storageType": "PersistentVolume", "pv": {"volumeSizeInMB": 512}}),
        json!({"storageType": "GCS", "gcs": {"bucket": "b"}}),
        json!({"storageType": "Azure", "azure": {"container": "c", "account": "a"}}),
        json!({"s3": {"bucket": "other"}}),
        json!({"s3": {"prefix": "deep"}}),
        json!({"s3": {"endpoint": "http://other.storage.svc:8333"}}),
        json!({"s3": {"region": "eu-central-1"}}),
        json!({"s3": {"credentialsSecret": "other-keys"}}),
        json!({"s3": {"forcePathStyle": false}}),
        json!({"s3": {"sse": {}}}),
        json!({"s3": {"sse": {"kmsKeyId": "k"}}}),
        json!({"s3": {"objectLock": {"mode": "Governance", "days": 1}}}),
    ] {
        let mut changed = in_s3();
        merge(&mut changed, &change);
        assert_ne!(template(&changed), before, "{change}");
    }
}

/// Puts the fields of one object into another, however deep.
fn merge(into: &mut Value, change: &Value) {
    for (name, value) in change.as_object().unwrap() {
        match into.get_mut(name).filter(|there| there.is_object() && value.is_object()) {
            Some(there) => merge(there, value),
            None => into[name.as_str()] = value.clone(),
        }
    }
}

#[test]
fn the_bucket_of_the_operator_is_opened_with_the_copied_credentials() {
    let (_, cluster, backup) = read(&json!({"storageType": "S3", "s3": {}}));
    let pod = deployment(&cluster, &backup, &versions(None), "sidecar:1").spec.unwrap().template;
    let volumes = serde_json::to_string(&pod.spec.unwrap().volumes).unwrap();
    assert!(volumes.contains("orders-backup-credentials"), "{volumes}");
}

#[test]
fn etcd_s_own_id_is_handed_over_and_restarts_the_sidecar_only_after_a_recovery() {
    let (mut object, cluster, backup) = read(&on_volume());
    let mut with = |status: Value| {
        object.status = Some(serde_json::from_value(status).unwrap());
        let (map, hash) = config_map(&object, &cluster, &backup);
        let text = map.data.unwrap().into_values().next().unwrap();
        let config: api::sidecar::SidecarConfig = serde_json::from_str(&text).unwrap();
        (config.etcd_cluster_id, hash)
    };
    let (none, unknown) = with(json!({}));
    let (first, known) = with(json!({"clusterId": "a1"}));
    assert_eq!((none, first.as_deref()), (None, Some("a1")));
    assert_eq!(unknown, known, "it becomes known while the first backup is taken");
    let restored = |cause: &str, id: &str| {
        json!({"clusterId": id, "lastRestore": {
            "cause": cause, "revision": 7, "time": "2026-11-24T03:00:09Z", "backup": {
                "id": "b", "manifestDigest": "ab", "location": "file:///x", "revision": 7,
                "finishTime": "2026-11-24T03:00:09Z"}}})
    };
    assert_eq!(with(restored("Manual", "a1")).1, known, "it began with that");
    let (second, recovered) = with(restored("Recovery", "b2"));
    assert_eq!(second.as_deref(), Some("b2"));
    assert_ne!(recovered, known);
    assert_ne!(with(restored("Recovery", "c3")).1, recovered);
}
