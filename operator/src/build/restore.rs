//! The second init container of a first member whose data comes from a backup: `etcd-restore-init run`
//! in etcd's own image, since only the etcdutl of the version that will run makes the directory.
//!
//! The guard, which runs before it, puts the program into a folder that both share.

use k8s_openapi::api::core::v1::{
    Container, EmptyDirVolumeSource, EnvVar, SecretVolumeSource, Volume,
};

use super::RESTORE_CONTAINER;
use super::container::{DATA_DIR, DATA_MOUNT, DATA_VOLUME, container_security, mount};
use super::pod::Origin;
use crate::validate::Validated;

const TOOLS_VOLUME: &str = "restore-tools";
/// Where the guard puts the program.
pub(super) const TOOLS_MOUNT: &str = "/restore";
const TLS_VOLUME: &str = "restore-tls";
const TLS_MOUNT: &str = "/etc/etcd-restore/tls";

/// Makes the data directory, or finds that it did so before.
pub(super) fn container(cluster: &Validated, number: u32, origin: &Origin) -> Container {
    Container {
        name: RESTORE_CONTAINER.into(),
        image: Some(cluster.image.clone()),
        command: Some(vec![format!("{TOOLS_MOUNT}/etcd-restore-init")]),
        args: Some(args(cluster, number, origin)),
        env: Some(env()),
        // etcdutl works on the whole database, as etcd does.
        resources: cluster.pod.resources.clone(),
        volume_mounts: Some(vec![
            mount(DATA_VOLUME, DATA_MOUNT, false),
            mount(TOOLS_VOLUME, TOOLS_MOUNT, true),
            mount(TLS_VOLUME, TLS_MOUNT, true),
        ]),
        security_context: Some(container_security()),
        ..Container::default()
    }
}

fn env() -> Vec<EnvVar> {
    let authorities = ("SSL_CERT_FILE", format!("{TOOLS_MOUNT}/ca-certificates.crt"));
    let all = std::iter::once(authorities).chain(fault::environment());
    all.map(|(name, value)| EnvVar { name: name.into(), value: Some(value), value_from: None })
        .collect()
}

fn args(cluster: &Validated, number: u32, origin: &Origin) -> Vec<String> {
    let member = cluster.name.member(number);
    let mut args = vec![
        "run".to_owned(),
        format!("--from={}", origin.from),
        format!("--backup={}", origin.backup),
        format!("--manifest-digest={}", origin.manifest_digest),
        format!("--data-dir={DATA_DIR}"),
        format!("--name={member}"),
        format!("--initial-advertise-peer-urls={}", cluster.name.peer_url(number)),
        format!("--tls-dir={TLS_MOUNT}"),
        // A data directory bears this name and is taken as it is when the pod starts again.
        format!("--restore-id={}/{member}/{}", cluster.uid, origin.backup),
    ];
    args.extend(origin.uid.iter().map(|uid| format!("--uid={uid}")));
    args.push(match origin.raised_by {
        Some(number) => format!("--bump-revision={number}"),
        None => "--keep-revisions".to_owned(),
    });
    args
}

/// The folder with the program.
pub(super) fn tools() -> k8s_openapi::api::core::v1::VolumeMount {
    mount(TOOLS_VOLUME, TOOLS_MOUNT, false)
}

/// What a first member from a backup has besides the volumes of every member.
pub(super) fn volumes(origin: &Origin) -> [Volume; 2] {
    let tools = Volume {
        name: TOOLS_VOLUME.into(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    };
    let tls = Volume {
        name: TLS_VOLUME.into(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(origin.tls_secret.clone()),
            // Read by way of the pod's group.
            default_mode: Some(0o440),
            // The pod outlives the Secret: once the data is there, nobody needs it any more.
            optional: Some(true),
            items: None,
        }),
        ..Volume::default()
    };
    [tools, tls]
}
