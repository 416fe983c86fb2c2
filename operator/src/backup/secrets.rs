//! The Secrets of one cluster's sidecar: its certificate, the operator's for it, and the store's
//! credentials.
//!
//! They are read one by one, never listed or watched: whoever may list Secrets may read them all. So
//! they are looked at when something else about the backups is done, and every few minutes.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use api::objects;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use telemetry::Secret as Redacted;

use super::authority::{authorities, text};
use super::build;
use super::defaults::Bucket;
use super::policy::{Credentials, ValidatedBackup};
use crate::call::within;
use crate::error::Error;
use crate::observe::is_owned;
use crate::pki::{Authorities, Authority, Leaf, Pair, Purpose};
use crate::removal::remove;
use crate::validate::Validated;

/// What the operator calls the sidecar with.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// Certificates of all that are trusted.
    pub trusted: String,
    /// The operator's own.
    pub own: Pair,
}

/// What came of the Secrets.
pub struct Ready {
    /// For calling the sidecar.
    pub identity: Identity,
    /// Which version of the credentials the sidecar shall have.
    pub credentials: Option<String>,
}

/// The Secrets of one cluster.
pub struct Secrets<'a> {
    api: Api<Secret>,
    client: &'a Client,
    cluster: &'a Validated,
}

impl<'a> Secrets<'a> {
    /// In the cluster's namespace.
    pub fn new(client: &'a Client, cluster: &'a Validated) -> Self {
        let api = Api::namespaced(client.clone(), &cluster.name.namespace);
        Self { api, client, cluster }
    }

    /// Makes what is missing and renews what is due.
    pub async fn ensure(
        &self,
        backup: &ValidatedBackup,
        operators: &str,
        now: Timestamp,
    ) -> Result<Ready, Error> {
        let credentials = self.credentials(&backup.credentials, operators).await?;
        let authorities = authorities(self.client, operators, now).await?;
        let name = &self.cluster.name;
        let server = objects::backup_server_tls(&name.name);
        self.certificate(&authorities, server, &server_leaf(self.cluster), now).await?;
        let client = objects::backup_client_tls(&name.name);
        let own = self.certificate(&authorities, client, &client_leaf(self.cluster), now).await?;
        Ok(Ready { identity: Identity { trusted: authorities.trusted, own }, credentials })
    }

    /// Makes or renews the certificate of a restore's reader.
    pub async fn ensure_reader(&self, operators: &str, now: Timestamp) -> Result<(), Error> {
        let authorities = authorities(self.client, operators, now).await?;
        let name = &self.cluster.name;
        let host = objects::restore_reader_host(&name.name, &name.namespace);
        let common_name = objects::restore_reader(&name.name);
        let leaf = Leaf { common_name, names: vec![host], purpose: Purpose::Server };
        let secret = objects::restore_reader_tls(&name.name);
        self.certificate(&authorities, secret, &leaf, now).await.map(drop)
    }

    /// Deletes the certificate of a restore's reader.
    pub async fn remove_reader(&self) -> Result<(), Error> {
        let secret = objects::restore_reader_tls(&self.cluster.name.name);
        remove::<Secret>(self.client, self.cluster, &secret).await
    }

    /// Reads what the operator calls the sidecar with; `None` when there is nothing like it.
    pub async fn identity(&self) -> Result<Option<Identity>, Error> {
        let name = objects::backup_client_tls(&self.cluster.name.name);
        let Some(secret) = self.get(&name).await? else { return Ok(None) };
        if !is_owned(&secret.metadata, &self.cluster.uid) {
            return Ok(None);
        }
        let trusted = text(&secret, "ca.crt");
        Ok(trusted.zip(pair(&secret)).map(|(trusted, own)| Identity { trusted, own }))
    }

    /// Deletes those that the operator made.
    pub async fn remove(&self) -> Result<(), Error> {
        let name = &self.cluster.name.name;
        for secret in [
            objects::backup_server_tls(name),
            objects::backup_client_tls(name),
            objects::backup_credentials(name),
        ] {
            remove::<Secret>(self.client, self.cluster, &secret).await?;
        }
        Ok(())
    }

    /// The certificate in this Secret, made anew if it is not as it shall be.
    async fn certificate(
        &self,
        authorities: &Authorities,
        name: String,
        leaf: &Leaf,
        now: Timestamp,
    ) -> Result<Pair, Error> {
        let authority = Authority::read(&authorities.current)?;
        let there = self.ours(&name).await?;
        let stored = there.as_ref().and_then(pair);
        let trusts = there.as_ref().and_then(|secret| text(secret, "ca.crt"));
        let is_met = |pair: &Pair| leaf.is_met_by(&pair.certificate, &authority, now);
        let pair = match stored.filter(is_met) {
            Some(pair) if trusts.as_ref() == Some(&authorities.trusted) => return Ok(pair),
            Some(pair) => pair,
            None => leaf.sign(&authority, now)?,
        };
        let wanted = build::tls(self.cluster, name, &authorities.trusted, &pair);
        self.apply(&wanted).await?;
        Ok(pair)
    }

    /// Which version of the credentials there is. Those of the operator's flags are copied first.
    async fn credentials(
        &self,
        credentials: &Credentials,
        operators: &str,
    ) -> Result<Option<String>, Error> {
        let secret = match credentials {
            Credentials::None => return Ok(None),
            Credentials::Own { secret, .. } => {
                self.get(secret).await?.ok_or_else(|| Error::Missing {
                    kind: "Secret",
                    name: secret.clone(),
                    remedy: format!(
                        "spec.backup names it for the store's credentials: create it in the \
                         namespace {}",
                        self.cluster.name.namespace
                    ),
                })?
            }
            Credentials::Operators(bucket) => self.copied(bucket, operators).await?,
        };
        let version = secret.resource_version().unwrap_or_default();
        // The version alone would be the same for another Secret of the name in a restored Kubernetes.
        Ok(Some(format!("{}/{version}", secret.uid().unwrap_or_default())))
    }

    async fn copied(&self, bucket: &Bucket, operators: &str) -> Result<Secret, Error> {
        let data = self.flags(bucket, operators).await?;
        let name = objects::backup_credentials(&self.cluster.name.name);
        match self.ours(&name).await? {
            Some(there) if there.data.as_ref() == Some(&data) => Ok(there),
            _ => self.apply(&build::credentials(self.cluster, name, data)).await,
        }
    }

    /// What the operator's flags name.
    async fn flags(
        &self,
        bucket: &Bucket,
        operators: &str,
    ) -> Result<BTreeMap<String, k8s_openapi::ByteString>, Error> {
        let missing = |kind, name: &str, key| Error::Missing {
            kind,
            name: name.to_owned(),
            remedy: format!(
                "the operator's flags name it: create it in the namespace {operators}, with the \
                 key {key}"
            ),
        };
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), operators);
        let secret =
            within("reading the store's credentials", secrets.get_opt(&bucket.secret)).await?;
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), operators);
        let map = within("reading the store's configuration", maps.get_opt(&bucket.config)).await?;
        let credentials = secret.and_then(|secret| secret.data?.remove("credentials"));
        let config = map.and_then(|map| map.data?.remove("config"));
        Ok([
            (
                "credentials".to_owned(),
                credentials.ok_or_else(|| missing("Secret", &bucket.secret, "credentials"))?,
            ),
            (
                "config".to_owned(),
                config
                    .map(|config| k8s_openapi::ByteString(config.into_bytes()))
                    .ok_or_else(|| missing("ConfigMap", &bucket.config, "config"))?,
            ),
        ]
        .into())
    }

    async fn get(&self, name: &str) -> Result<Option<Secret>, Error> {
        within("reading a Secret", self.api.get_opt(name)).await
    }

    async fn ours(&self, name: &str) -> Result<Option<Secret>, Error> {
        let there = self.get(name).await?;
        if there.as_ref().is_some_and(|there| !is_owned(&there.metadata, &self.cluster.uid)) {
            return Err(Error::Clash { kind: "Secret", name: name.to_owned() });
        }
        Ok(there)
    }

    async fn apply(&self, wanted: &Secret) -> Result<Secret, Error> {
        let name = wanted.name_any();
        let params = PatchParams::apply(api::FIELD_MANAGER).force();
        tracing::info!(kind = "Secret", name, "applying");
        within("applying a Secret", self.api.patch(&name, &params, &Patch::Apply(wanted))).await
    }
}

fn pair(secret: &Secret) -> Option<Pair> {
    let key = Redacted::new(text(secret, "tls.key")?);
    Some(Pair { certificate: text(secret, "tls.crt")?, key })
}

/// What the sidecar proves to be.
fn server_leaf(cluster: &Validated) -> Leaf {
    let (name, namespace) = (&cluster.name.name, &cluster.name.namespace);
    let service = objects::backup_sidecar(name);
    let host = objects::backup_sidecar_host(name, namespace);
    let short = format!("{service}.{namespace}");
    Leaf {
        common_name: service.clone(),
        names: vec![host, short, service],
        purpose: Purpose::Server,
    }
}

/// What the operator proves to be: somebody who may call the sidecar of this cluster.
fn client_leaf(cluster: &Validated) -> Leaf {
    let host = objects::backup_client_host(&cluster.name.name, &cluster.name.namespace);
    Leaf { common_name: host.clone(), names: vec![host], purpose: Purpose::Client }
}
