//! From the raw backup policy to what can be acted on. Nothing after this reads `spec.backup`.
//!
//! The API server has refused what is wrong in form. What is left depends on how the operator was
//! started; the cluster runs on, and the condition `BackupHealthy` says the sentence.

use api::v1beta1::{BackupPolicy, Cluster, S3Source, StorageType};
use schedule::Schedule;

use super::defaults::{Bucket, Defaults, Volumes};
use super::location;

/// Backups as they are taken.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidatedBackup {
    /// How often, how many stay, as the sidecar reads it.
    pub policy: BackupPolicy,
    /// The store's URL.
    pub store: String,
    /// Where the store's credentials are.
    pub credentials: Credentials,
    /// The volume, if backups lie on one.
    pub volume: Option<Volume>,
}

/// Where the store's credentials are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// Nowhere: a volume, or the pod's own identity.
    None,
    /// In a Secret of the user's, in the cluster's namespace.
    Own {
        /// Its name.
        secret: String,
        /// What the store's client makes of it.
        form: Form,
    },
    /// In the Secret and the `ConfigMap` that the operator was started with; copied.
    Operators(Bucket),
}

/// What a Secret with credentials holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Files of the AWS SDK, `credentials` and `config`.
    Aws,
    /// A service account's key, `credentials.json`.
    Google,
    /// An account's key, `accountKey`.
    Azure,
}

/// The volume that backups lie on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its size in MiB.
    pub mebibytes: i64,
    /// Its storage class; the default one when absent.
    pub class: Option<String>,
}

/// Reads the policy; `None` without one. An error is one sentence that says what to do.
///
/// The times are read as the sidecar reads them: it would not start with what it cannot read, and could
/// tell nobody why.
pub fn validate(cluster: &Cluster, defaults: &Defaults) -> Option<Result<ValidatedBackup, String>> {
    let backup = place(cluster, defaults)?;
    Some(backup.and_then(|backup| match Schedule::from_policy(&backup.policy) {
        Ok(_) => Ok(backup),
        Err(error) => Err(error.to_string()),
    }))
}

/// Reads where the backups are, whatever the times say: that is enough to read those that are there,
/// and for the sidecar that goes on with the policy of before.
pub fn place(cluster: &Cluster, defaults: &Defaults) -> Option<Result<ValidatedBackup, String>> {
    let policy = cluster.spec.backup.as_ref()?;
    let place = match policy.storage_type {
        StorageType::PersistentVolume => on_volume(policy, defaults),
        StorageType::S3 => in_s3(policy.s3.as_ref(), defaults),
        StorageType::Gcs => in_gcs(policy),
        StorageType::Azure => in_azure(policy),
    };
    Some(place.map(|(store, credentials, volume)| ValidatedBackup {
        policy: policy.clone(),
        store,
        credentials,
        volume,
    }))
}

type Place = (String, Credentials, Option<Volume>);

fn on_volume(policy: &BackupPolicy, defaults: &Defaults) -> Result<Place, String> {
    let pv = policy.pv.as_ref().filter(|pv| pv.volume_size_in_mb > 0).ok_or(
        "backups on a PersistentVolume need its size: add pv: {volumeSizeInMB: 512} to spec.backup",
    )?;
    let class = match (&pv.storage_class_name, &defaults.volumes) {
        (Some(class), _) | (None, Volumes::Class(class)) => Some(class.clone()),
        (None, Volumes::DefaultClass) => None,
        (None, Volumes::Refused) => {
            return Err("the operator was started with --pv-provisioner=none: write \
                        pv.storageClassName, or storageType: S3"
                .into());
        }
    };
    let volume = Volume { mebibytes: pv.volume_size_in_mb, class };
    Ok((location::volume(), Credentials::None, Some(volume)))
}

fn in_s3(source: Option<&S3Source>, defaults: &Defaults) -> Result<Place, String> {
    let nothing = S3Source::default();
    let source = source.unwrap_or(&nothing);
    if let Some(bucket) = &source.bucket {
        let own = |secret: &String| Credentials::Own { secret: secret.clone(), form: Form::Aws };
        let credentials = source.credentials_secret.as_ref().map_or(Credentials::None, own);
        return Ok((location::s3(bucket, source), credentials, None));
    }
    let Some(bucket) = &defaults.bucket else {
        return Err("the operator was started without a bucket: write s3: {bucket: NAME, \
                    credentialsSecret: NAME}, or start it with --backup-s3-bucket, \
                    --backup-aws-secret and --backup-aws-config"
            .into());
    };
    Ok((location::s3(&bucket.name, source), Credentials::Operators(bucket.clone()), None))
}

fn in_gcs(policy: &BackupPolicy) -> Result<Place, String> {
    let source = policy.gcs.as_ref().ok_or("backups in GCS need gcs: {bucket: NAME}")?;
    let own = |secret: &String| Credentials::Own { secret: secret.clone(), form: Form::Google };
    let credentials = source.credentials_secret.as_ref().map_or(Credentials::None, own);
    Ok((location::gcs(source), credentials, None))
}

fn in_azure(policy: &BackupPolicy) -> Result<Place, String> {
    let missing = "backups in Azure need azure: {container: NAME, account: NAME}";
    let source = policy.azure.as_ref().ok_or(missing)?;
    let own = |secret: &String| Credentials::Own { secret: secret.clone(), form: Form::Azure };
    let credentials = source.credentials_secret.as_ref().map_or(Credentials::None, own);
    Ok((location::azure(source), credentials, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn defaults() -> Defaults {
        Defaults {
            namespace: "ops".into(),
            sidecar_image: "sidecar:1".into(),
            bucket: None,
            volumes: Volumes::DefaultClass,
        }
    }

    fn cluster(backup: &Value) -> Cluster {
        serde_json::from_value(json!({
            "apiVersion": "etcd.coreos.com/v1beta1",
            "kind": "Cluster",
            "metadata": {"name": "orders", "namespace": "shop", "uid": "u-1"},
            "spec": {"size": 3, "backup": backup},
        }))
        .unwrap()
    }

    fn read(backup: &Value, defaults: &Defaults) -> Option<Result<ValidatedBackup, String>> {
        validate(&cluster(backup), defaults)
    }

    fn good(backup: &Value, defaults: &Defaults) -> ValidatedBackup {
        read(backup, defaults).unwrap().unwrap()
    }

    #[test]
    fn without_a_policy_nothing_is_wanted() {
        assert!(read(&Value::Null, &defaults()).is_none());
    }

    #[test]
    fn a_volume_has_the_class_of_the_spec_then_of_the_operator_then_the_default() {
        let class = |backup: &Value, volumes| {
            let defaults = Defaults { volumes, ..defaults() };
            good(backup, &defaults).volume.unwrap().class
        };
        let plain = json!({"pv": {"volumeSizeInMB": 512}});
        let named = json!({"pv": {"volumeSizeInMB": 512, "storageClassName": "slow"}});
        let operators = || Volumes::Class("etcd-backup-x".into());
        assert_eq!(class(&named, operators()).as_deref(), Some("slow"));
        assert_eq!(class(&plain, operators()).as_deref(), Some("etcd-backup-x"));
        assert_eq!(class(&plain, Volumes::DefaultClass), None);
    }

    #[test]
    fn an_operator_without_volumes_says_what_to_write_instead() {
        let defaults = Defaults { volumes: Volumes::Refused, ..defaults() };
        let refused = read(&json!({"pv": {"volumeSizeInMB": 512}}), &defaults).unwrap();
        assert!(refused.unwrap_err().contains("write pv.storageClassName"));
    }

    #[test]
    fn an_empty_s3_is_the_bucket_of_the_operator() {
        let empty = json!({"storageType": "S3", "s3": {}});
        let refused = read(&empty, &defaults()).unwrap().unwrap_err();
        assert!(refused.contains("--backup-s3-bucket"), "{refused}");
        let bucket =
            Bucket { name: "all".into(), secret: "aws".into(), config: "aws-config".into() };
        let defaults = Defaults { bucket: Some(bucket.clone()), ..defaults() };
        let found = good(&empty, &defaults);
        assert_eq!(found.store, "s3://all");
        assert_eq!(found.credentials, Credentials::Operators(bucket));
    }

    #[test]
    fn times_that_the_sidecar_could_not_read_are_told_and_the_place_is_known_all_the_same() {
        for (times, words) in [
            (json!({"schedule": "0 25 * * *"}), "schedule \"0 25 * * *\": \"25\" is no hour"),
            (json!({"schedule": "0 0 30 2 *"}), "there is no such day"),
            (json!({"schedule": "@every 5m"}), "backupIntervalInSecond"),
            (
                json!({"schedule": "0 3 * * *", "timeZone": "Europe/Berlni"}),
                "timeZone \"Europe/Berlni\" is not the name of a time zone",
            ),
        ] {
            let mut backup = json!({"pv": {"volumeSizeInMB": 512}});
            backup.as_object_mut().unwrap().extend(times.as_object().unwrap().clone());
            let refused = read(&backup, &defaults()).unwrap().unwrap_err();
            assert!(refused.contains(words), "{refused}");
            assert!(place(&cluster(&backup), &defaults()).unwrap().is_ok());
        }
    }

    #[test]
    fn words_and_zones_are_read_and_an_interval_of_zero_is_none() {
        let backup = json!({
            "schedule": "@daily", "timeZone": "Europe/Berlin", "backupIntervalInSecond": 0,
            "pv": {"volumeSizeInMB": 512},
        });
        assert_eq!(good(&backup, &defaults()).policy.schedule.as_deref(), Some("@daily"));
    }

    #[test]
    fn a_bucket_of_its_own_never_gets_the_credentials_of_the_operator() {
        let bucket = Bucket { name: "all".into(), secret: "aws".into(), config: "c".into() };
        let defaults = Defaults { bucket: Some(bucket), ..defaults() };
        let own = json!({"storageType": "S3", "s3": {"bucket": "mine"}});
        assert_eq!(good(&own, &defaults).credentials, Credentials::None);
        let named = json!({"storageType": "S3",
                           "s3": {"bucket": "mine", "credentialsSecret": "keys"}});
        let expected = Credentials::Own { secret: "keys".into(), form: Form::Aws };
        assert_eq!(good(&named, &defaults).credentials, expected);
    }
}
