//! Another operator at work in a namespace.
//!
//! Two operators on one cluster would take steps in turn, each on a look that the other has made old. They
//! have no Lease in common, since each one's lies where it runs. So the operator of all namespaces leaves
//! those alone in which an operator of that namespace alone (`deploy/namespaced`) renews a Lease, and takes
//! them back when that ends. It is the one that gives way, because the other may not look beyond its own.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use tokio::time::Instant;

use crate::call::within;
use crate::error::Error;
use crate::lease;
use crate::report::Happening;

/// So long an answer holds for looks; before a step it is asked anew.
const KNOWN_FOR: Duration = Duration::from_secs(5);

/// Which namespaces are left to somebody else.
pub struct Rivals {
    /// Where this operator's own Lease is; none for one that looks after one namespace alone.
    own: Option<String>,
    seen: Mutex<HashMap<String, (Instant, Option<String>)>>,
    told: Mutex<HashSet<String>>,
}

impl Rivals {
    /// For an operator of all namespaces, or of one, whose own Lease is in this namespace.
    pub fn new(watched: Option<&str>, lease_namespace: &str) -> Self {
        let own = watched.is_none().then(|| lease_namespace.to_owned());
        Self { own, seen: Mutex::default(), told: Mutex::default() }
    }

    /// The replica of another operator that works in this namespace, as seen a few seconds ago or now.
    pub async fn at_work(&self, client: &Client, namespace: &str) -> Result<Option<String>, Error> {
        let seen = lock(&self.seen).get(namespace).cloned();
        match seen {
            Some((at, holder)) if at.elapsed() < KNOWN_FOR => Ok(holder),
            _ => self.at_work_now(client, namespace).await,
        }
    }

    /// The same, asked anew.
    pub async fn at_work_now(
        &self,
        client: &Client,
        namespace: &str,
    ) -> Result<Option<String>, Error> {
        if self.own.as_deref().is_none_or(|own| own == namespace) {
            return Ok(None);
        }
        let api: Api<Lease> = Api::namespaced(client.clone(), namespace);
        let lease = match within("reading a Lease", api.get_opt(lease::NAME)).await {
            // Roles older than this program: then there is nothing to go by.
            Err(error) if is_forbidden(&error) => None,
            lease => lease?,
        };
        let holder = lease.and_then(|lease| holder(&lease, crate::clock::now()));
        let seen = (Instant::now(), holder.clone());
        lock(&self.seen).insert(namespace.to_owned(), seen);
        Ok(holder)
    }

    /// What to tell of the cluster with this UID: once, until it is looked after again.
    pub fn news(&self, uid: &str, holder: Option<&str>) -> Option<Happening> {
        let Some(holder) = holder else {
            lock(&self.told).remove(uid);
            return None;
        };
        let note = format!(
            "an operator of this namespace alone is at work ({holder}): the operator of all namespaces \
             leaves the cluster to it"
        );
        let happening = Happening { warning: true, reason: "LeftToAnother", note, pod: None };
        lock(&self.told).insert(uid.to_owned()).then_some(happening)
    }
}

fn lock<T>(what: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_forbidden(error: &Error) -> bool {
    let Error::Kubernetes { source, .. } = error else { return false };
    matches!(source.as_ref(), kube::Error::Api(status) if status.code == 403)
}

/// Who holds a Lease that has not run out.
fn holder(lease: &Lease, now: Timestamp) -> Option<String> {
    let spec = lease.spec.as_ref()?;
    let holder = spec.holder_identity.clone().filter(|holder| !holder.is_empty())?;
    let renewed = spec.renew_time.as_ref()?.0;
    let lasts = SignedDuration::from_secs(spec.lease_duration_seconds?.into());
    (now.duration_since(renewed) < lasts).then_some(holder)
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::{Value, json};
    use tower_test::mock;

    use super::*;

    fn lease(holder: &str, renewed: &str) -> Value {
        json!({"metadata": {"name": "etcd-operator"}, "spec": {
            "holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": 15}})
    }

    #[test]
    fn only_a_lease_that_somebody_renews_counts() {
        let now = "2026-11-24T03:00:20Z".parse().unwrap();
        for (lease, expected) in [
            (lease("theirs", "2026-11-24T03:00:10.000000Z"), Some("theirs")),
            (lease("theirs", "2026-11-24T03:00:05.000000Z"), None),
            (lease("", "2026-11-24T03:00:10.000000Z"), None),
            (json!({"spec": {}}), None),
        ] {
            let read: Lease = serde_json::from_value(lease.clone()).unwrap();
            assert_eq!(holder(&read, now).as_deref(), expected, "{lease}");
        }
    }

    /// Answers each request with a Lease that was renewed just now, and counts them.
    fn client() -> (Client, std::sync::Arc<Mutex<Vec<String>>>) {
        let (service, mut server) = mock::pair::<Request<Body>, Response<Body>>();
        let asked = std::sync::Arc::new(Mutex::new(Vec::new()));
        let paths = std::sync::Arc::clone(&asked);
        tokio::spawn(async move {
            while let Some((request, send)) = server.next_request().await {
                paths.lock().unwrap().push(request.uri().path().to_owned());
                let body = lease("theirs", &crate::clock::now().to_string()).to_string();
                send.send_response(Response::new(Body::from(body.into_bytes())));
            }
        });
        (Client::new(service, "etcd-operator"), asked)
    }

    #[tokio::test]
    async fn the_operator_of_all_namespaces_gives_way_and_one_of_a_namespace_does_not() {
        let (client, asked) = client();
        let of_all = Rivals::new(None, "etcd-operator");
        assert_eq!(of_all.at_work(&client, "shop").await.unwrap().as_deref(), Some("theirs"));
        assert_eq!(of_all.at_work(&client, "shop").await.unwrap().as_deref(), Some("theirs"));
        assert_eq!(asked.lock().unwrap().len(), 1, "it is remembered for a while");
        of_all.at_work_now(&client, "shop").await.unwrap();
        assert_eq!(asked.lock().unwrap().len(), 2, "and asked anew before a step");
        assert_eq!(of_all.at_work(&client, "etcd-operator").await.unwrap(), None, "its own");
        let of_one = Rivals::new(Some("shop"), "shop");
        assert_eq!(of_one.at_work(&client, "shop").await.unwrap(), None);
        let path = "/apis/coordination.k8s.io/v1/namespaces/shop/leases/etcd-operator";
        assert_eq!(*asked.lock().unwrap(), [path, path]);
    }

    #[test]
    fn it_is_told_once_until_the_cluster_is_looked_after_again() {
        let rivals = Rivals::new(None, "etcd-operator");
        assert!(rivals.news("u-1", Some("theirs")).is_some());
        assert!(rivals.news("u-1", Some("theirs")).is_none());
        assert!(rivals.news("u-1", None).is_none());
        assert!(rivals.news("u-1", Some("theirs")).is_some());
    }
}
