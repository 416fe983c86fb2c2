//! The configuration files of one node: containerd, its network plugin, kubelet and kube-proxy.
//!
//! YAML readers take JSON, so the structured ones are built as JSON values.

use std::path::Path;

use serde_json::{Value, json};

use super::error::Error;
use super::files;
use super::layout::{CONTROL_ADDRESS, Node, PAUSE_IMAGE, POD_RANGE, Paths};
use super::pki::path_text;

/// Where Debian puts the network plugins.
const CNI_PLUGINS: &str = "/usr/lib/cni";

/// Writes all of them below the node's folder.
pub(super) fn write(paths: &Paths, node: Node) -> Result<(), Error> {
    let dir = paths.node(node);
    files::write(dir.join("containerd.toml"), containerd(paths, node))?;
    files::write(dir.join("cni/net.d/10-pods.conflist"), text(&pod_network(&dir, node)))?;
    files::write(dir.join("kubelet.yaml"), text(&kubelet(paths, node)))?;
    files::write(dir.join("kube-proxy.yaml"), text(&kube_proxy(paths, node)))?;
    // Pods with dnsPolicy Default inherit this: they resolve nothing.
    files::write(dir.join("resolv.conf"), "")
}

fn text(value: &Value) -> String {
    format!("{value:#}\n")
}

/// `netns_mounts_under_state_dir`: pod namespaces lie in the node's folder, not among those of the
/// machine, so they go with the node. `restrict_oom_score_adj`: without `CAP_SYS_RESOURCE` a lower score
/// is refused and runc dies of it.
fn containerd(paths: &Paths, node: Node) -> String {
    let dir = paths.node(node);
    let dir = dir.display();
    let socket = paths.containerd_socket(node);
    let socket = socket.display();
    format!(
        r#"version = 2
root = "{dir}/containerd"
state = "{dir}/state"
[grpc]
  address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{dir}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI_PLUGINS}"
    conf_dir = "{dir}/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
"#
    )
}

/// ptp and not bridge: two pods of one node then talk through the node's routing, where kube-proxy
/// translates service addresses, and not past it (which would need the `br_netfilter` module).
fn pod_network(dir: &Path, node: Node) -> Value {
    json!({
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [{
            "type": "ptp",
            "ipMasq": false,
            "ipam": {
                "type": "host-local",
                "dataDir": path_text(&dir.join("ipam")),
                "ranges": [[{"subnet": node.pod_range()}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }],
    })
}

fn kubelet(paths: &Paths, node: Node) -> Value {
    let dir = paths.node(node);
    let pki = |file: &str| path_text(&paths.pki(file));
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": pki("ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": pki(&format!("{node}.crt")),
        "tlsPrivateKeyFile": pki(&format!("{node}.key")),
        "clusterDNS": [CONTROL_ADDRESS.to_string()],
        "clusterDomain": "cluster.local",
        "resolvConf": path_text(&dir.join("resolv.conf")),
        "containerRuntimeEndpoint": format!("unix://{}", paths.containerd_socket(node).display()),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": node.cgroup(),
        "cgroupsPerQOS": true,
        "failCgroupV1": false,
        "failSwapOn": false,
        "podLogsDir": path_text(&dir.join("pods")),
        "volumePluginDir": path_text(&dir.join("volumeplugins")),
        "nodeStatusUpdateFrequency": "2s",
        // The disk is the machine's: how full it is says nothing about this node.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "nodefs.available": "1%", "imagefs.available": "1%", "memory.available": "100Mi"},
        "address": node.address().to_string(),
        "port": 10250,
        "healthzPort": 0,
        "enableServer": true,
    })
}

/// The sysctls for connection tracking cannot be written in a namespace: 0 leaves them alone.
fn kube_proxy(paths: &Paths, node: Node) -> Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": path_text(&paths.kubeconfig_of("proxy"))},
        "clusterCIDR": POD_RANGE,
        "hostnameOverride": node.to_string(),
        "conntrack": {
            "maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
    })
}
