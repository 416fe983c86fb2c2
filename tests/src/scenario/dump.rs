//! What there was when a scenario failed.

use std::time::Duration;

use crate::localkube::LocalKube;

/// Lines of one log that are shown.
const LINES: usize = 150;

/// Prints the namespace's objects, their events, the logs of its members and what the operator said
/// of them.
pub async fn print(kube: &LocalKube, namespace: &str, age: Duration) {
    let kinds = "clusters.etcd.coreos.com,pods,services,poddisruptionbudgets,endpointslices";
    show(kube, "objects", &["-n", namespace, "get", kinds, "-o", "wide"]).await;
    show(kube, "nodes", &["get", "nodes"]).await;
    let yaml = ["-n", namespace, "get", "clusters.etcd.coreos.com", "-o", "yaml"];
    show(kube, "clusters", &yaml).await;
    show(kube, "events", &["-n", namespace, "get", "events", "--sort-by=.lastTimestamp"]).await;
    let member_logs =
        ["-n", namespace, "logs", "-l", "app=etcd", "--prefix", "--all-containers", "--tail=15"];
    show(kube, "members", &member_logs).await;
    own(kube, namespace, "sidecar", "app=etcd_backup_tool").await;
    own(kube, namespace, "operator of this namespace", "app.kubernetes.io/name=etcd-operator")
        .await;
    operator(kube, namespace, age).await;
}

/// The logs of what runs in the namespace itself, of now and of before its last restart.
async fn own(kube: &LocalKube, namespace: &str, title: &str, selector: &str) {
    let logs = ["-n", namespace, "logs", "-l", selector, "--tail=150"];
    show(kube, title, &logs).await;
    show(kube, &format!("{title}, before"), &[&logs[..], &["--previous"]].concat()).await;
}

async fn operator(kube: &LocalKube, namespace: &str, age: Duration) {
    show(kube, "operator", &["-n", "etcd-operator", "get", "pods,leases", "-o", "wide"]).await;
    let since = format!("--since={}s", age.as_secs() + 5);
    let selector = "app.kubernetes.io/name=etcd-operator";
    let logs = ["-n", "etcd-operator", "logs", "-l", selector, "--tail=-1", "--prefix", &since];
    match kube.kubectl().run(&logs).await {
        Ok(log) => {
            let about_it: Vec<&str> = log.lines().filter(|l| l.contains(namespace)).collect();
            section("operator's log", &tail(&about_it));
        }
        Err(error) => section("operator's log", &error.to_string()),
    }
}

async fn show(kube: &LocalKube, title: &str, args: &[&str]) {
    let said = kube.kubectl().run(args).await.unwrap_or_else(|error| error.to_string());
    section(title, &tail(&said.lines().collect::<Vec<_>>()));
}

fn section(title: &str, text: &str) {
    eprintln!("---- {title}\n{text}");
}

fn tail(lines: &[&str]) -> String {
    let shown = lines.iter().skip(lines.len().saturating_sub(LINES));
    shown.copied().collect::<Vec<_>>().join("\n")
}
