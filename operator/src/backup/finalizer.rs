//! Puts our finalizers on objects and takes them off.

use std::fmt::Debug;

use kube::api::{Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::call::{is_not_found, within};
use crate::error::Error;

/// Whether the object waits for us before it goes.
pub fn is_on(object: &impl Resource, finalizer: &str) -> bool {
    object.meta().finalizers.iter().flatten().any(|other| other == finalizer)
}

/// Puts it on; the object as it is then. [`Error::Conflict`] when it changed since it was read.
pub async fn put_on<K>(client: &Client, object: &K, finalizer: &str) -> Result<K, Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned,
{
    let mut all = object.finalizers().to_vec();
    all.push(finalizer.to_owned());
    write(client, object, &all).await
}

/// Takes it off. An object that is gone by now is let go already.
pub async fn take_off<K>(client: &Client, object: &K, finalizer: &str) -> Result<Option<K>, Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned,
{
    let left: Vec<String> =
        object.finalizers().iter().filter(|other| *other != finalizer).cloned().collect();
    match write(client, object, &left).await {
        Ok(object) => Ok(Some(object)),
        Err(error) if is_not_found(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn write<K>(client: &Client, object: &K, finalizers: &[String]) -> Result<K, Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    // The list is replaced whole, so it must be the one that was read.
    let patch = json!({"metadata": {
        "uid": object.uid(),
        "resourceVersion": object.resource_version(),
        "finalizers": finalizers,
    }});
    let params =
        PatchParams { field_manager: Some(api::FIELD_MANAGER.into()), ..PatchParams::default() };
    let (name, patch) = (object.name_any(), Patch::Merge(&patch));
    within("changing the finalizers", api.patch(&name, &params, &patch)).await
}
