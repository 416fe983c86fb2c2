//! The sidecar's container.

use api::sidecar::paths;
use api::{objects, ports};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, EnvVarSource, HTTPGetAction, Probe,
    ResourceRequirements, SecretKeySelector, SecurityContext,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{CONTAINER, volumes};
use crate::backup::policy::{Credentials, Form, ValidatedBackup};

/// Key of an Azure account's key in its Secret.
const ACCOUNT_KEY: &str = "accountKey";
const API_PORT: &str = "backup-service";
const HEALTH_PORT: &str = "http";

/// The container.
pub(super) fn sidecar(backup: &ValidatedBackup, image: &str) -> Container {
    Container {
        name: CONTAINER.into(),
        image: Some(image.to_owned()),
        args: Some(vec!["serve".into()]),
        env: Some(env(backup)),
        ports: Some(vec![port(API_PORT, ports::SIDECAR), port(HEALTH_PORT, ports::SIDECAR_HEALTH)]),
        volume_mounts: Some(volumes::mounts(backup)),
        liveness_probe: Some(probe("/healthz", 10)),
        readiness_probe: Some(probe("/readyz", 2)),
        resources: Some(resources()),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), add: None }),
            ..SecurityContext::default()
        }),
        ..Container::default()
    }
}

/// When processors are short, etcd comes first: a member that asks for nothing has as much as this from
/// its init container, and one of 500m gets fifty times as much. One that nobody else wants is used up to
/// the limit, with which a backup takes a fifth longer than with two. (Figures: docs/development.md.) The
/// memory has room for the page index of a database of many gigabytes.
fn resources() -> ResourceRequirements {
    let amounts = |cpu: &str, memory: &str| {
        [("cpu", cpu), ("memory", memory)]
            .map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned())))
            .into()
    };
    ResourceRequirements {
        requests: Some(amounts("10m", "64Mi")),
        limits: Some(amounts("1", "256Mi")),
        claims: None,
    }
}

fn env(backup: &ValidatedBackup) -> Vec<EnvVar> {
    let file = |name, key| value(name, &format!("{}/{key}", paths::CREDENTIALS));
    let mut env = vec![value("ETCD_BACKUP_LOG_FORMAT", "json")];
    env.extend(fault::environment().map(|(name, address)| value(name, &address)));
    match &backup.credentials {
        Credentials::None => {}
        Credentials::Operators(_) | Credentials::Own { form: Form::Aws, .. } => {
            env.push(file("AWS_SHARED_CREDENTIALS_FILE", "credentials"));
            env.push(file("AWS_CONFIG_FILE", "config"));
        }
        Credentials::Own { form: Form::Google, .. } => {
            env.push(file("GOOGLE_APPLICATION_CREDENTIALS", "credentials.json"));
        }
        // The store's client reads it from the environment alone.
        Credentials::Own { form: Form::Azure, secret } => {
            env.push(of_secret("AZURE_STORAGE_ACCOUNT_KEY", secret, ACCOUNT_KEY));
        }
    }
    env
}

fn value(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.into(), value: Some(value.into()), value_from: None }
}

fn of_secret(name: &str, secret: &str, key: &str) -> EnvVar {
    let selector = SecretKeySelector { name: secret.into(), key: key.into(), optional: None };
    let source = EnvVarSource { secret_key_ref: Some(selector), ..EnvVarSource::default() };
    EnvVar { name: name.into(), value: None, value_from: Some(source) }
}

fn port(name: &str, number: u16) -> ContainerPort {
    ContainerPort {
        name: Some(name.into()),
        container_port: i32::from(number),
        ..ContainerPort::default()
    }
}

fn probe(path: &str, period: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.into()),
            port: IntOrString::String(HEALTH_PORT.into()),
            scheme: Some("HTTP".into()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        timeout_seconds: Some(5),
        failure_threshold: Some(3),
        ..Probe::default()
    }
}

/// Name of the Secret whose keys become the files of the credentials' folder.
pub(super) fn credentials_secret(cluster: &str, backup: &ValidatedBackup) -> Option<String> {
    match &backup.credentials {
        Credentials::None | Credentials::Own { form: Form::Azure, .. } => None,
        Credentials::Own { secret, .. } => Some(secret.clone()),
        Credentials::Operators(_) => Some(objects::backup_credentials(cluster)),
    }
}
