//! A database like that of a Kubernetes control plane: objects of some kilobytes, updated now and then.
//!
//! What is the same in all objects and what is random in each stand in such a proportion that `gzip -6`
//! makes about 24 % of the database file, as it does of real control planes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use etcd::{Endpoint, MemberClient, Timeouts};
use futures::future::try_join_all;

/// Distinct keys; later values are updates of the same ones.
const KEYS: u64 = 100_000;
/// Puts under way at the same time.
const WRITERS: usize = 64;
/// Random characters of the free text in each object, by which the proportion was set.
const NOISE: usize = 350;

/// The part of each object that differs only in what [`object`] fills in.
const REST: &str = r#""spec":{"volumes":[{"name":"config","configMap":{"name":"app","defaultMode":420}},{"name":"kube-api-access","projected":{"sources":[{"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}},{"configMap":{"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}}],"defaultMode":420}}],"containers":[{"name":"main","args":["--listen=0.0.0.0:8080","--config=/etc/config/app.yaml"],"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","serviceAccountName":"default","securityContext":{},"schedulerName":"default-scheduler","tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}],"priority":0,"enableServiceLinks":true,"preemptionPolicy":"PreemptLowerPriority"},"status":{"phase":"Running","qosClass":"Burstable","#;

/// Puts objects until about `bytes` of keys and values were written.
pub(in crate::bench) async fn fill(url: &str, bytes: u64) -> Result<()> {
    let endpoint = Endpoint { url: url.to_owned(), server_name: None };
    let client = MemberClient::connect(&endpoint, &Timeouts::default()).await?;
    let (written, number) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let writer = |seed: u64| {
        let (client, written, number) = (client.clone(), written.clone(), number.clone());
        async move {
            let mut random = fastrand::Rng::with_seed(seed);
            while written.load(Ordering::Relaxed) < bytes {
                let key = number.fetch_add(1, Ordering::Relaxed) % KEYS;
                let (key, value) = object(key, &mut random);
                client.put(key.as_bytes(), value.as_bytes()).await?;
                let length = u64::try_from(key.len() + value.len()).unwrap_or_default();
                written.fetch_add(length, Ordering::Relaxed);
            }
            anyhow::Ok(())
        }
    };
    try_join_all((0..WRITERS).map(|seed| writer(u64::try_from(seed).unwrap_or_default())))
        .await
        .map(drop)
}

/// One object and its key.
fn object(number: u64, random: &mut fastrand::Rng) -> (String, String) {
    let key = format!("/registry/pods/team-{}/app-{number:06}", number % 40);
    let (uid, owner, config) = (hex(32, random), hex(32, random), hex(64, random));
    let (container, image) = (hex(64, random), hex(64, random));
    let (version, noise) = (random.u32(..), noise(random));
    let value = format!(
        r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"app-{number:06}","uid":"{uid}","resourceVersion":"{version}","checksum/config":"{config}","owner":"{owner}"}},{REST}"containerID":"{container}","imageID":"{image}","data":"{noise}"}}}}"#
    );
    (key, value)
}

fn noise(random: &mut fastrand::Rng) -> String {
    (0..NOISE).map(|_| random.alphanumeric()).collect()
}

fn hex(length: usize, random: &mut fastrand::Rng) -> String {
    (0..length).map(|_| random.digit(16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_of_some_kilobytes_and_differ() {
        let mut random = fastrand::Rng::with_seed(7);
        let ((key, one), (_, other)) = (object(7, &mut random), object(7, &mut random));
        assert_eq!(key, "/registry/pods/team-7/app-000007");
        assert!((1500..4000).contains(&one.len()), "{}", one.len());
        assert_ne!(one, other);
    }
}
