//! The operator's certificate authority, in its Secret `etcd-operator-ca`.
//!
//! Made once: whoever comes second reads what the first has made. Its key never leaves the
//! operator's namespace.

use std::collections::BTreeMap;

use api::objects;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::{Api, Client};
use telemetry::Secret as Redacted;

use crate::call::within;
use crate::error::Error;
use crate::pki::{Authorities, Pair, PkiError};

/// Whom its certificate names.
const NAME: &str = "etcd-operator";
/// Key of all that are trusted.
const TRUSTED: &str = "ca.crt";
const CURRENT: (&str, &str) = ("tls.crt", "tls.key");
const NEXT: (&str, &str) = ("next.crt", "next.key");

/// Reads the authority; makes it, or its successor, when it is time.
pub async fn authorities(
    client: &Client,
    namespace: &str,
    now: Timestamp,
) -> Result<Authorities, Error> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = match read(&secrets).await? {
        Some(secret) => secret,
        None => make(&secrets, now).await?,
    };
    let stored = stored(&secret)?;
    let Some(rotated) = stored.rotated(NAME, now)? else { return Ok(stored) };
    tracing::info!("the certificate authority is being renewed");
    // With the version that was read: two replicas never make two successors.
    let changed = self::secret(&rotated, secret);
    let params = params();
    let replaced = secrets.replace(objects::OPERATOR_CA, &params, &changed);
    within("renewing the operator's authority", replaced).await?;
    Ok(rotated)
}

async fn read(secrets: &Api<Secret>) -> Result<Option<Secret>, Error> {
    within("reading the operator's authority", secrets.get_opt(objects::OPERATOR_CA)).await
}

async fn make(secrets: &Api<Secret>, now: Timestamp) -> Result<Secret, Error> {
    let what = "making the operator's authority";
    let (params, first) = (params(), secret(&Authorities::first(NAME, now)?, Secret::default()));
    match within(what, secrets.create(&params, &first)).await {
        // Another replica was first, and its authority is the one.
        Err(Error::Conflict { .. }) => read(secrets).await?.ok_or(Error::Conflict { what }),
        made => made,
    }
}

fn params() -> PostParams {
    PostParams { field_manager: Some(api::FIELD_MANAGER.into()), dry_run: false }
}

fn secret(authorities: &Authorities, before: Secret) -> Secret {
    let mut data = BTreeMap::from([(TRUSTED, authorities.trusted.clone())]);
    let mut put = |(certificate, key): (&'static str, &'static str), pair: &Pair| {
        data.insert(certificate, pair.certificate.clone());
        data.insert(key, pair.key.expose().clone());
    };
    put(CURRENT, &authorities.current);
    if let Some(next) = &authorities.next {
        put(NEXT, next);
    }
    let data = data.into_iter().map(|(key, text)| (key.into(), ByteString(text.into_bytes())));
    Secret {
        metadata: ObjectMeta { name: Some(objects::OPERATOR_CA.into()), ..before.metadata },
        type_: before.type_.or(Some("Opaque".into())),
        data: Some(data.collect()),
        ..Secret::default()
    }
}

fn stored(secret: &Secret) -> Result<Authorities, PkiError> {
    let damaged = || PkiError::Read {
        what: "the operator's certificate authority",
        detail: format!("the Secret {} lacks a key", objects::OPERATOR_CA),
    };
    Ok(Authorities {
        current: pair(secret, CURRENT).ok_or_else(damaged)?,
        next: pair(secret, NEXT),
        trusted: text(secret, TRUSTED).ok_or_else(damaged)?,
    })
}

fn pair(secret: &Secret, (certificate, key): (&str, &str)) -> Option<Pair> {
    Some(Pair { certificate: text(secret, certificate)?, key: Redacted::new(text(secret, key)?) })
}

/// One value of a Secret, as text.
pub fn text(secret: &Secret, key: &str) -> Option<String> {
    let bytes = secret.data.as_ref()?.get(key)?;
    String::from_utf8(bytes.0.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_back_with_its_successor() {
        let now = crate::clock::now();
        let first = Authorities::first(NAME, now).unwrap();
        let due = now + jiff::SignedDuration::from_hours(7 * 365 * 24);
        let both = first.rotated(NAME, due).unwrap().unwrap();
        let read = stored(&secret(&both, Secret::default())).unwrap();
        assert_eq!(read.trusted, both.trusted);
        assert_eq!(read.next.unwrap().certificate, both.next.unwrap().certificate);
        assert_eq!(read.current.certificate, first.current.certificate);
    }

    #[test]
    fn half_a_secret_is_no_authority() {
        let mut half =
            secret(&Authorities::first(NAME, crate::clock::now()).unwrap(), Secret::default());
        half.data.as_mut().unwrap().remove("tls.key");
        let error = stored(&half).err().unwrap().to_string();
        assert!(error.contains("delete its Secret"), "{error}");
    }
}
