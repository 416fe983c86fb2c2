//! The claim of the backup volume: made once, adopted when it is there, grown when the policy asks
//! for more.
//!
//! It is never made smaller, and deleted only with the last archive on it. What Kubernetes refuses to
//! give is told by the condition, and the backups go on with what there is.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use api::{labels, objects};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use super::build;
use super::policy::Volume;
use crate::call::{is_not_found, within};
use crate::clock;
use crate::error::Error;
use crate::validate::Validated;

const KIND: &str = "PersistentVolumeClaim";
/// How long a refusal is believed: a storage class may be allowed to grow its volumes meanwhile.
const BELIEVED: SignedDuration = SignedDuration::from_mins(5);

/// Sizes that Kubernetes refused, by the cluster's UID. Comfort: after a restart they are asked for
/// anew.
#[derive(Default)]
pub struct Refusals(Mutex<HashMap<String, Refusal>>);

#[derive(Clone)]
struct Refusal {
    at: Timestamp,
    mebibytes: i64,
    sentence: String,
}

impl Refusals {
    /// What a cluster's volume was not given, if it is still what the policy asks for.
    pub fn sentence(&self, uid: &str, volume: &Volume) -> Option<String> {
        self.of(uid, volume).map(|refusal| refusal.sentence)
    }

    /// Forgets all clusters but these.
    pub fn keep(&self, is_there: impl Fn(&str) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|uid, _| is_there(uid));
    }

    fn of(&self, uid: &str, volume: &Volume) -> Option<Refusal> {
        let refusals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.get(uid).filter(|refusal| refusal.mebibytes == volume.mebibytes).cloned()
    }

    fn note(&self, uid: &str, refusal: Option<Refusal>) {
        let mut refusals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match refusal {
            Some(refusal) => refusals.insert(uid.to_owned(), refusal),
            None => refusals.remove(uid),
        };
    }
}

/// The claim of one cluster's backup volume.
pub struct Claim<'a> {
    api: Api<PersistentVolumeClaim>,
    cluster: &'a Validated,
    name: String,
}

impl<'a> Claim<'a> {
    /// In the cluster's namespace.
    pub fn new(client: &Client, cluster: &'a Validated) -> Self {
        let api = Api::namespaced(client.clone(), &cluster.name.namespace);
        Self { api, cluster, name: objects::backup_claim(&cluster.name.name) }
    }

    /// Brings it about. One that is there is adopted: an earlier cluster's backups lie on it.
    pub async fn ensure(
        &self,
        cache: &Store<PersistentVolumeClaim>,
        volume: &Volume,
        refusals: &Refusals,
    ) -> Result<(), Error> {
        let name = self.name.clone();
        let key = ObjectRef::new(&name).within(&self.cluster.name.namespace);
        let there = match cache.get(&key) {
            Some(there) => Some(there.as_ref().clone()),
            None => self.read().await?,
        };
        match there {
            None => self.create(volume).await,
            Some(there) if !is_ours(&there, &self.cluster.name.name) => {
                Err(Error::Clash { kind: KIND, name })
            }
            Some(there) if there.metadata.deletion_timestamp.is_some() => Err(Error::Missing {
                kind: KIND,
                name,
                remedy: "an earlier one is being deleted, and it is made anew once that is gone"
                    .into(),
            }),
            Some(there) => self.grow(&there, volume, refusals).await,
        }
    }

    /// Deletes it, with what lies on it.
    pub async fn remove(&self) -> Result<(), Error> {
        let there = self.read().await?;
        let ours = there.filter(|there| is_ours(there, &self.cluster.name.name));
        let Some(there) = ours else { return Ok(()) };
        let same = Preconditions { uid: there.uid(), resource_version: None };
        let params = DeleteParams::default().preconditions(same);
        let deleted =
            within("deleting the backup volume's claim", self.api.delete(&self.name, &params));
        match deleted.await {
            Ok(_) => Ok(()),
            Err(error) if is_not_found(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn read(&self) -> Result<Option<PersistentVolumeClaim>, Error> {
        within("reading the backup volume's claim", self.api.get_opt(&self.name)).await
    }

    async fn create(&self, volume: &Volume) -> Result<(), Error> {
        tracing::info!(kind = KIND, name = self.name, "creating");
        let wanted = build::claim(self.cluster, volume);
        let params =
            PostParams { field_manager: Some(api::FIELD_MANAGER.into()), ..PostParams::default() };
        within("claiming the backup volume", self.api.create(&params, &wanted)).await.map(drop)
    }

    /// Asks for more, if the policy wants more than the claim does.
    async fn grow(
        &self,
        there: &PersistentVolumeClaim,
        volume: &Volume,
        refusals: &Refusals,
    ) -> Result<(), Error> {
        let (now, uid) = (clock::now(), &self.cluster.uid);
        let known = refusals.of(uid, volume);
        if !can_grow(there, volume) || known.is_some_and(|it| now.duration_since(it.at) < BELIEVED)
        {
            return Ok(());
        }
        tracing::info!(kind = KIND, name = self.name, mebibytes = volume.mebibytes, "growing");
        let refusal = match self.request(there, volume).await {
            Ok(()) => None,
            Err(error) => Some(refused(&error).ok_or(error)?),
        };
        let sentence = |why| {
            format!(
                "the backup volume stays at {}, for Kubernetes refuses to make it {}Mi: {why}",
                requested(there).unwrap_or("its size"),
                volume.mebibytes
            )
        };
        let refusal = refusal.map(|why| Refusal {
            at: now,
            mebibytes: volume.mebibytes,
            sentence: sentence(why),
        });
        refusals.note(uid, refusal);
        Ok(())
    }

    async fn request(&self, there: &PersistentVolumeClaim, volume: &Volume) -> Result<(), Error> {
        let storage = format!("{}Mi", volume.mebibytes);
        // The claim that was looked at: another one of its name may have another size.
        let patch = json!({
            "metadata": {"uid": there.uid(), "resourceVersion": there.resource_version()},
            "spec": {"resources": {"requests": {"storage": storage}}},
        });
        let params = PatchParams {
            field_manager: Some(api::FIELD_MANAGER.into()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(&patch);
        let patched = self.api.patch(&self.name, &params, &patch);
        within("growing the backup volume's claim", patched).await.map(drop)
    }
}

/// Whether a claim is the backup volume's of a cluster of this name, of whatever UID.
fn is_ours(claim: &PersistentVolumeClaim, cluster: &str) -> bool {
    let label = |key| claim.labels().get(key).map(String::as_str);
    label(labels::APP) == Some(labels::APP_ETCD) && label(labels::CLUSTER) == Some(cluster)
}

/// Whether a claim asks for less than the policy does, and may be asked for more: one without a volume
/// may not yet.
fn can_grow(claim: &PersistentVolumeClaim, volume: &Volume) -> bool {
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
    let asks = requested(claim).and_then(bytes);
    let wanted = u128::try_from(volume.mebibytes).unwrap_or_default() << 20;
    phase == Some("Bound") && asks.is_some_and(|asks| asks < wanted)
}

fn requested(claim: &PersistentVolumeClaim) -> Option<&str> {
    let requests = claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?;
    requests.get("storage").map(|quantity| quantity.0.as_str())
}

/// Bytes of a quantity as the API server writes sizes: a whole number and a unit. None for other forms.
fn bytes(quantity: &str) -> Option<u128> {
    let binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].into_iter().zip((10..).step_by(10));
    let decimal = ["k", "M", "G", "T", "P", "E"].into_iter().zip((3..).step_by(3));
    let units = binary
        .map(|(unit, power)| (unit, 1_u128 << power))
        .chain(decimal.map(|(unit, power)| (unit, 10_u128.pow(power))));
    let known = units
        .into_iter()
        .find_map(|(unit, factor)| quantity.strip_suffix(unit).map(|number| (number, factor)));
    let (number, factor) = known.unwrap_or((quantity, 1));
    number.parse::<u128>().ok()?.checked_mul(factor)
}

/// Kubernetes' own words, if it says that this will never be granted as things are.
fn refused(error: &Error) -> Option<String> {
    let Error::Kubernetes { source, .. } = error else { return None };
    match source.as_ref() {
        kube::Error::Api(status) if matches!(status.code, 403 | 422) => {
            Some(status.message.clone())
        }
        _ => None,
    }
}
