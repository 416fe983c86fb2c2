//! Deleting a cluster's objects: its own only, and never one that took the name since it was looked at.

use std::fmt::Debug;

use kube::api::{DeleteParams, Preconditions};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::call::{is_not_found, within};
use crate::error::Error;
use crate::observe::is_owned;
use crate::validate::Validated;

/// Deletes the cluster's object of this name. That there is none, that it is somebody else's or that it
/// is on its way out already is fine.
pub async fn remove<K>(client: &Client, cluster: &Validated, name: &str) -> Result<(), Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(client.clone(), &cluster.name.namespace);
    let there = within("reading an object", api.get_opt(name)).await?;
    let Some(there) = there.filter(|there| is_owned(there.meta(), &cluster.uid)) else {
        return Ok(());
    };
    if there.meta().deletion_timestamp.is_some() {
        return Ok(());
    }
    tracing::info!(kind = %K::kind(&()), name, "deleting what is not needed any more");
    let same = Preconditions { uid: there.uid(), resource_version: None };
    let params = DeleteParams::default().preconditions(same);
    match within("deleting an object", api.delete(name, &params)).await {
        Ok(_) => Ok(()),
        Err(error) if is_not_found(&error) => Ok(()),
        Err(error) => Err(error),
    }
}
