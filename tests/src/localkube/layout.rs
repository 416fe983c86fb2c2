//! Every name, address and path of the local Kubernetes, in this one place.
//!
//! Two of them on one machine would need other names, addresses and folders: all of them are here.
//!
//! ```text
//! eto-net     a bridge, no uplink, no address: the switch
//! eto-cp      10.250.0.10: etcd, API server, controllers, scheduler, DNS; the tests run here
//! eto-n1..n3  10.250.0.11 and on: containerd, kubelet, kube-proxy; pods 10.244.N.0/24
//! ```

use std::fmt;
use std::net::Ipv4Addr;
#[cfg(test)]
use std::path::Path;
use std::path::PathBuf;
use std::str::FromStr;

/// The most nodes a local Kubernetes can have.
pub const MOST_NODES: u8 = 3;

/// Network namespace of the switch that everything hangs on.
pub const SWITCH_NETNS: &str = "eto-net";
/// Network namespace of the control plane, of kubectl and of the tests.
pub const CONTROL_NETNS: &str = "eto-cp";
/// The bridge inside [`SWITCH_NETNS`].
pub const BRIDGE: &str = "br0";
/// Address of the API server (port 6443) and of DNS (port 53).
pub const CONTROL_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 250, 0, 10);
/// The API server as a URL.
pub const API_URL: &str = "https://10.250.0.10:6443";
/// Range of service addresses.
pub const SERVICE_RANGE: &str = "10.96.0.0/16";
/// The service address of the API server itself: the first of [`SERVICE_RANGE`].
pub const API_SERVICE_ADDRESS: &str = "10.96.0.1";
/// Range that holds every node's pod range.
pub const POD_RANGE: &str = "10.244.0.0/16";
/// Parent of the nodes' control groups in every hierarchy.
pub const CGROUP: &str = "eto";
/// The only folder Kubernetes' host-path provisioner knows
/// (`kubernetes/pkg/volume/hostpath/host_path.go`, `newProvisioner`); a link into our own.
pub const PROVISIONER_DIR: &str = "/tmp/hostpath_pv";
/// Name of the default storage class.
pub const STORAGE_CLASS: &str = "local";
/// The image that holds a pod's namespaces open.
pub const PAUSE_IMAGE: &str = "localhost/pause:1";
/// Repository under which the etcd images are known, as upstream names them.
pub const ETCD_REPOSITORY: &str = "quay.io/coreos/etcd";

const STATE_DIR: &str = "/var/lib/etcd-operator-kube";
/// What `ip netns exec` lays over /etc in the control namespace.
pub(super) const CONTROL_ETC: &str = "/etc/netns/eto-cp";
/// Where `ip netns` keeps the namespaces.
pub(super) const NETNS_DIR: &str = "/run/netns";

/// A node of the local Kubernetes: n1, n2 or n3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node(u8);

/// What was given is not the name of a node.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a node; the nodes are n1 to n{MOST_NODES}")]
pub struct NotANode(String);

impl Node {
    /// The node that every local Kubernetes has.
    pub const FIRST: Node = Node(1);

    /// The first `count` nodes.
    pub fn first(count: u8) -> impl Iterator<Item = Node> {
        (1..=count.min(MOST_NODES)).map(Node)
    }

    /// Its network namespace.
    pub fn netns(self) -> String {
        format!("eto-{self}")
    }

    /// Its end of the cable inside [`SWITCH_NETNS`].
    pub fn cable(self) -> String {
        cable(&self.netns())
    }

    /// Its address on the switch.
    pub fn address(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 250, 0, 10 + self.0)
    }

    /// The range of its pods' addresses.
    pub fn pod_range(self) -> String {
        format!("10.244.{}.0/24", self.0)
    }

    /// Its control group, relative to the root of a hierarchy.
    pub fn cgroup(self) -> String {
        format!("/{CGROUP}/{self}")
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

impl FromStr for Node {
    type Err = NotANode;

    fn from_str(name: &str) -> Result<Self, NotANode> {
        Node::first(MOST_NODES)
            .find(|node| node.to_string() == name)
            .ok_or_else(|| NotANode(name.to_owned()))
    }
}

/// The switch's end of the cable to a namespace.
pub(super) fn cable(netns: &str) -> String {
    format!("v-{netns}")
}

/// Names of all network namespaces, whatever the number of nodes.
pub(super) fn all_netns() -> Vec<String> {
    let fixed = [CONTROL_NETNS.to_owned(), SWITCH_NETNS.to_owned()];
    Node::first(MOST_NODES).map(Node::netns).chain(fixed).collect()
}

/// The folder with everything of the running local Kubernetes: one per machine, on disk.
#[derive(Clone, Debug)]
pub struct Paths {
    base: PathBuf,
}

impl Paths {
    /// The machine's.
    pub fn machine() -> Self {
        Self { base: PathBuf::from(STATE_DIR) }
    }

    /// Another folder, for tests of what is written there.
    #[cfg(test)]
    pub(super) fn below(base: &Path) -> Self {
        Self { base: base.to_owned() }
    }

    /// Held while the local Kubernetes is being started or ended. Outlives `down`.
    pub fn lock(&self) -> PathBuf {
        self.base.join("lock")
    }

    /// Everything that `down` removes.
    pub fn run(&self) -> PathBuf {
        self.base.join("run")
    }

    /// Who has it up, and how far it got.
    pub fn state(&self) -> PathBuf {
        self.run().join("state.json")
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig_of("admin")
    }

    /// The kubeconfig of one client.
    pub fn kubeconfig_of(&self, client: &str) -> PathBuf {
        self.run().join(format!("{client}.kubeconfig"))
    }

    /// A file of the certificates' folder, such as `ca.crt`.
    pub fn pki(&self, file: &str) -> PathBuf {
        self.run().join("pki").join(file)
    }

    /// What a daemon writes to stdout and stderr.
    pub fn log(&self, daemon: &str) -> PathBuf {
        self.run().join("log").join(format!("{daemon}.log"))
    }

    /// Process id and start time of a daemon.
    pub fn pid(&self, daemon: &str) -> PathBuf {
        self.run().join("pid").join(daemon)
    }

    /// A node's own folder.
    pub fn node(&self, node: Node) -> PathBuf {
        self.run().join(node.to_string())
    }

    /// Where a node's containerd listens.
    pub fn containerd_socket(&self, node: Node) -> PathBuf {
        self.node(node).join("containerd.sock")
    }

    /// The data of the volumes, visible from every node as network storage would be.
    pub fn volumes(&self) -> PathBuf {
        self.run().join("volumes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_read_back_from_its_name() {
        for node in Node::first(MOST_NODES) {
            assert_eq!(node.to_string().parse::<Node>().unwrap(), node);
        }
        for wrong in ["n0", "n4", "n01", "1", "", "N1"] {
            assert!(wrong.parse::<Node>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn nodes_share_neither_address_nor_range_nor_namespace() {
        let nodes: Vec<Node> = Node::first(MOST_NODES).collect();
        assert_eq!(nodes.len(), usize::from(MOST_NODES));
        for (a, b) in nodes.iter().zip(nodes.iter().skip(1)) {
            assert_ne!(a.address(), b.address());
            assert_ne!(a.pod_range(), b.pod_range());
            assert_ne!(a.netns(), b.netns());
        }
    }

    #[test]
    fn interface_names_fit_the_kernel() {
        // IFNAMSIZ is 16 with the closing zero.
        assert!(all_netns().iter().all(|netns| cable(netns).len() <= 15));
    }
}
