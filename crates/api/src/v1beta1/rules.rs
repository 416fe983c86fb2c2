//! What admission refuses, and the sentence it refuses with.
//!
//! Each rule is CEL, evaluated by the API server; its message says what to write instead. They
//! stand together so that their wording stays alike; the fields name them. Where a rule checks a
//! range, the schema does not check it too: a person would be told twice, once badly.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::ValidationRule;
use serde::Serialize;

/// One entry of `x-kubernetes-validations`.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Rule {
    rule: &'static str,
    message: &'static str,
}

impl From<Rule> for kube::core::Rule {
    fn from(Rule { rule, message }: Rule) -> Self {
        Self::new(rule).message(message)
    }
}

impl From<Rule> for ValidationRule {
    fn from(Rule { rule, message }: Rule) -> Self {
        Self { rule: rule.to_owned(), message: Some(message.to_owned()), ..Self::default() }
    }
}

/// `metadata.name`, checked at the root: CEL sees it nowhere else. A DNS label, because members'
/// host names and services are made of it; 48 as in [`crate::objects::CLUSTER_NAME_MAX`].
pub(crate) const NAME: Rule = Rule {
    rule: r"self.metadata.name.size() <= 48 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    message: "metadata.name must be at most 48 lower-case letters, digits and dashes, begin with \
              a letter and not end with a dash, such as kv-store: host names are made of it",
};

pub(crate) const SPEC: [Rule; 2] = [
    Rule {
        rule: "!has(self.restore) || has(self.backup)",
        message: "backup policy must be set if restore policy is set: add spec.backup with the \
                  storage where the backups are",
    },
    Rule {
        rule: "!has(self.restore) || !has(self.backup) || \
               !has(self.restore.backupClusterName) || \
               self.restore.storageType == self.backup.storageType || \
               self.restore.storageType in ['', 'PersistentVolume'] && \
               self.backup.storageType in ['', 'PersistentVolume']",
        message: "restore.storageType and backup.storageType must be the same: write both as \
                  PersistentVolume or both as S3",
    },
];

pub(crate) const SIZE: [Rule; 1] = [Rule {
    rule: "self >= 1 && self <= 7",
    message: "size must be 1 to 7; write 3 to outlive the loss of one member, 5 of two",
}];

/// Semantic version 2.0.0 without build metadata, which an image tag cannot carry. Leading `v`s
/// are admitted because the seed stripped them.
pub(crate) const VERSION: [Rule; 1] = [Rule {
    rule: r"self.matches('^v*(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)(-[0-9A-Za-z-]+(\\.[0-9A-Za-z-]+)*)?$')",
    message: "version must be a full version with three numbers, such as 3.6.16",
}];

/// A repository as image references name it, of which the tag is not part.
pub(crate) const REPOSITORY: [Rule; 1] = [Rule {
    rule: r"self.matches('^([A-Za-z0-9.-]+(:[0-9]+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$')",
    message: "repository must be an image repository without tag or digest, such as \
              quay.io/coreos/etcd: the tag is made from version",
}];

/// Labels that Kubernetes would refuse on a pod, or that would make a pod lie about its cluster.
pub(crate) const POD_LABELS: [Rule; 2] = [
    LABEL_SYNTAX,
    Rule {
        rule: "self.all(k, k != 'app' && !k.startsWith('etcd_') && !k.startsWith('app.kubernetes.io/'))",
        message: "app, etcd_* and app.kubernetes.io/* are the operator's own labels: choose other \
                  keys",
    },
];

pub(crate) const NODE_SELECTOR: [Rule; 1] = [LABEL_SYNTAX];

const LABEL_SYNTAX: Rule = Rule {
    rule: "self.all(k, !format.qualifiedName().validate(k).hasValue() && \
           !format.labelValue().validate(self[k]).hasValue())",
    message: "keys and values must be Kubernetes labels: at most 63 letters, digits, '-', '_' and \
              '.', beginning and ending with a letter or digit, such as disk: ssd; write numbers \
              and true in quotes",
};

/// Schema of a label's value. The length is what lets the API server bound the rules' cost.
pub(crate) fn label_value() -> serde_json::Value {
    serde_json::json!({ "type": "string", "maxLength": 63 })
}

pub(crate) const POD_ANNOTATIONS: [Rule; 2] = [
    Rule {
        rule: "self.all(k, !format.qualifiedName().validate(k.lowerAscii()).hasValue())",
        message: "keys must be Kubernetes annotation names, such as example.com/team",
    },
    Rule {
        rule: "self.all(k, k != 'etcd.version' && !k.startsWith('etcd.coreos.com/'))",
        message: "etcd.version and etcd.coreos.com/* are the operator's own annotations: choose \
                  other keys",
    },
];

pub(crate) const BACKUP: [Rule; 5] = [
    Rule {
        rule: "self.storageType in ['S3', 'GCS', 'Azure'] || has(self.pv)",
        message: "backups on a PersistentVolume need its size: add pv: {volumeSizeInMB: 512}, or \
                  write storageType: S3",
    },
    Rule {
        rule: "self.storageType != 'GCS' || has(self.gcs)",
        message: "backups in GCS need a bucket: add gcs: {bucket: NAME}",
    },
    Rule {
        rule: "self.storageType != 'Azure' || has(self.azure)",
        message: "backups in Azure need a container: add azure: {container: NAME, account: NAME}",
    },
    Rule {
        rule: "!has(self.schedule) || !has(self.backupIntervalInSecond) || \
               self.backupIntervalInSecond == 0",
        message: "write either schedule or backupIntervalInSecond, not both",
    },
    Rule {
        rule: "!has(self.timeZone) || has(self.schedule)",
        message: "timeZone belongs to schedule: add a schedule, such as 0 3 * * *, or leave \
                  timeZone out",
    },
];

pub(crate) const STORAGE_TYPE: [Rule; 1] = [Rule {
    rule: "self in ['', 'PersistentVolume', 'S3', 'GCS', 'Azure']",
    message: "storageType must be PersistentVolume, S3, GCS or Azure; leave it out for \
              PersistentVolume",
}];

/// Five fields of the characters that a CronJob's schedule has, or a word that stands for them.
/// Whether it ever comes true is seen by who reads it, and told by a condition.
pub(crate) const SCHEDULE: [Rule; 1] = [Rule {
    rule: r"self.matches('^ *([0-9A-Za-z*,/?-]+( +[0-9A-Za-z*,/?-]+){4}|@(yearly|annually|monthly|weekly|daily|midnight|hourly)) *$')",
    message: "schedule must have the five fields of a CronJob (minute, hour, day of month, month, \
              day of week), such as 0 3 * * *, or be @hourly, @daily, @weekly, @monthly or @yearly",
}];

pub(crate) const TIME_ZONE: [Rule; 1] = [Rule {
    rule: r"self.matches('^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$')",
    message: "timeZone must be the name of a time zone, such as Europe/Berlin or UTC",
}];

pub(crate) const RETENTION: [Rule; 2] = [
    Rule {
        rule: "has(self.keepLast) || has(self.keepHourly) || has(self.keepDaily) || \
               has(self.keepWeekly) || has(self.keepMonthly)",
        message: "retention must say what to keep, such as keepDaily: 7",
    },
    Rule {
        rule: "(!has(self.keepLast) || self.keepLast > 0) && \
               (!has(self.keepHourly) || self.keepHourly > 0) && \
               (!has(self.keepDaily) || self.keepDaily > 0) && \
               (!has(self.keepWeekly) || self.keepWeekly > 0) && \
               (!has(self.keepMonthly) || self.keepMonthly > 0)",
        message: "the numbers of retention must be more than 0, such as keepDaily: 7; leave out \
                  what is not wanted",
    },
];

pub(crate) const S3: [Rule; 1] = [Rule {
    rule: "has(self.bucket) || (!has(self.endpoint) && !has(self.credentialsSecret) && \
           !has(self.region))",
    message: "s3 with an endpoint, region or credentialsSecret needs a bucket too: add bucket: NAME",
}];

pub(crate) const PREFIX: [Rule; 1] = [Rule {
    rule: r"self.matches('^[A-Za-z0-9._=-]+(/[A-Za-z0-9._=-]+)*$') && !self.matches('(^|/)[.][.]?(/|$)')",
    message: "prefix must be a folder such as backups/production, of letters, digits, dots, dashes \
              and underscores, without a slash at either end",
}];

pub(crate) const ENDPOINT: [Rule; 1] = [Rule {
    rule: r"self.matches('^https?://[^/?# ]+/?$')",
    message: "endpoint must be a URL without a path, such as http://seaweedfs.storage.svc:8333",
}];

pub(crate) const LOCK_DAYS: [Rule; 1] =
    [Rule { rule: "self >= 1 && self <= 36500", message: "days must be 1 to 36500, such as 30" }];

pub(crate) const BACKUP_SPEC: [Rule; 1] = [Rule {
    rule: "self.clusterName == oldSelf.clusterName",
    message: "the cluster of a Backup cannot be changed: create another Backup",
}];

pub(crate) const CLUSTER_NAME: [Rule; 1] = [Rule {
    rule: "self.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    message: "clusterName must be the name of the cluster that is backed up, such as kv-store",
}];

pub(crate) const VOLUME_SIZE: [Rule; 1] = [Rule {
    rule: "self > 0",
    message: "volumeSizeInMB must be more than 0, such as 512, and hold maxBackups snapshots",
}];

pub(crate) const BACKUP_INTERVAL: [Rule; 1] = [Rule {
    rule: "self >= 0",
    message: "backupIntervalInSecond must not be negative: write seconds, such as 1800, or leave \
              it out for 1800",
}];

pub(crate) const MAX_BACKUPS: [Rule; 1] = [Rule {
    rule: "self >= 0",
    message: "maxBackups must not be negative: write how many to keep, such as 5, or 0 to keep all",
}];

pub(crate) const BACKUP_CLUSTER_NAME: [Rule; 1] = [Rule {
    rule: "self.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    message: "backupClusterName must be the name of the cluster whose backup is restored, such \
              as kv-store",
}];

pub(crate) const RESTORE: [Rule; 2] = [
    Rule {
        rule: "(has(self.backupClusterName) ? 1 : 0) + (has(self.backup) ? 1 : 0) + \
               (has(self.location) ? 1 : 0) == 1",
        message: "restore must say what to restore, by one of backupClusterName, backup (the name of \
                  a Backup) and location",
    },
    Rule {
        rule: "!has(self.backup) || !has(self.target)",
        message: "backup names one backup already: leave target out",
    },
];

pub(crate) const LOCATION: [Rule; 1] = [Rule {
    rule: "(has(self.pv) ? 1 : 0) + (has(self.s3) ? 1 : 0) + (has(self.gcs) ? 1 : 0) + \
           (has(self.azure) ? 1 : 0) == 1",
    message: "location must say where the backups are, by one of pv, s3, gcs and azure, such as \
              pv: {claimName: kv-pvc}",
}];

pub(crate) const TARGET: [Rule; 1] = [Rule {
    rule: "has(self.revision) != has(self.time)",
    message: "target must be a revision or a time; leave it out for the newest backup",
}];

pub(crate) const TLS: [Rule; 1] = [Rule {
    rule: "has(self.static) && has(self.static.member) && \
           (has(self.static.member.peerSecret) || has(self.static.member.clientSecret))",
    message: "TLS needs the members' certificates: add static: {member: {peerSecret: NAME}}, or \
              leave TLS out",
}];

pub(crate) const SECRET_NAME: [Rule; 1] = [Rule {
    rule: "!format.dns1123Subdomain().validate(self).hasValue()",
    message: "must be the name of a Secret in the cluster's namespace, such as etcd-peer-tls",
}];

pub(crate) const STORAGE: [Rule; 1] = [Rule {
    rule: "has(self.volumeClaimTemplate)",
    message: "storage needs a volumeClaimTemplate with a size; leave storage out to keep the data \
              in the pods",
}];

/// A subset of what [`crate::duration`] reads, with few enough digits that nothing overflows.
pub(crate) const DURATION: [Rule; 1] = [Rule {
    rule: r"self.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$') && self.matches('[1-9]')",
    message: "must be more than zero, in hours, minutes and seconds, such as 90s, 5m or 1h30m",
}];

/// An amount of CPU, memory or storage; a bare number is one too.
pub(crate) const QUANTITY: [Rule; 1] = [Rule {
    rule: "isQuantity(string(self))",
    message: "must be an amount, such as 500m for CPU or 512Mi for memory",
}];
