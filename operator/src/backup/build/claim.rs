//! The claim of the backup volume. No owner reference: it outlives the cluster.

use api::{labels, objects};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::backup::policy::Volume;
use crate::validate::Validated;

/// A claim for a volume of that size.
pub fn claim(cluster: &Validated, volume: &Volume) -> PersistentVolumeClaim {
    let storage = Quantity(format!("{}Mi", volume.mebibytes));
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(objects::backup_claim(&cluster.name.name)),
            namespace: Some(cluster.name.namespace.clone()),
            labels: Some(labels::of_claim(&cluster.name.name)),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".into()]),
            storage_class_name: volume.class.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some([("storage".into(), storage)].into()),
                limits: None,
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}
