//! The control plane: etcd, API server, controller manager, scheduler and DNS in one namespace.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::Error;
use super::files;
use super::kubectl::{Kubectl, Late};
use super::layout::{CONTROL_ADDRESS, CONTROL_NETNS, Paths, SERVICE_RANGE};
use super::process::{self, Daemon};
use super::programs::Programs;

/// The daemon that is started first and whose mount namespace the others share.
pub(super) const ETCD: &str = "etcd";
const API_SERVER: &str = "kube-apiserver";
const CONTROLLER_MANAGER: &str = "kube-controller-manager";
const SCHEDULER: &str = "kube-scheduler";
const DNS: &str = "coredns";

/// Names of its daemons, in the order of their start.
pub(super) const DAEMONS: [&str; 5] = [ETCD, API_SERVER, CONTROLLER_MANAGER, SCHEDULER, DNS];

/// A slow machine may be busy with builds of its own.
const READY_LIMIT: Duration = Duration::from_mins(2);

/// Starts etcd and the API server and returns once it is ready to serve.
pub(super) async fn start_api(
    paths: &Paths,
    programs: &Programs,
    kubectl: &Kubectl,
) -> Result<(), Error> {
    daemon(paths, ETCD, programs.etcd_tools.program("etcd"), etcd_args(paths))?;
    let program = programs.kubernetes.program(API_SERVER);
    let api_server = daemon(paths, API_SERVER, program, api_server_args(paths))?;
    let late = Late {
        what: "the API server is not ready",
        limit: READY_LIMIT,
        see: paths.log(API_SERVER),
    };
    let ready = kubectl.until(&["get", "--raw=/readyz"], |_| true, late);
    if ready.await.is_err() && !api_server.is_alive() {
        return Err(process::ended(paths, API_SERVER));
    }
    Ok(())
}

/// Starts what works through the API server. DNS answers once it has listed the services.
pub(super) fn start_rest(paths: &Paths, programs: &Programs) -> Result<(), Error> {
    let kubernetes = |name| programs.kubernetes.program(name);
    let controllers = kubernetes(CONTROLLER_MANAGER);
    daemon(paths, CONTROLLER_MANAGER, controllers, controller_manager_args(paths))?;
    daemon(paths, SCHEDULER, kubernetes(SCHEDULER), scheduler_args(paths))?;
    let corefile = paths.run().join("Corefile");
    files::write(&corefile, corefile_text(&paths.kubeconfig_of("dns")))?;
    let args = vec!["-conf".into(), corefile.into_os_string()];
    daemon(paths, DNS, programs.coredns.program(DNS), args)?;
    Ok(())
}

fn daemon(
    paths: &Paths,
    name: &str,
    program: PathBuf,
    args: Vec<OsString>,
) -> Result<process::Process, Error> {
    process::start(paths, Daemon { name, netns: CONTROL_NETNS, program, args })
}

fn etcd_args(paths: &Paths) -> Vec<OsString> {
    let data = paths.run().join("etcd");
    let fixed = [
        // Kubernetes' own objects may be lost with the machine; those under test may not, and are not here.
        "--unsafe-no-fsync",
        "--listen-client-urls=http://127.0.0.1:2379",
        "--advertise-client-urls=http://127.0.0.1:2379",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--log-level=warn",
    ];
    let mut args: Vec<OsString> = fixed.iter().map(OsString::from).collect();
    args.extend([flag("--data-dir", &data)]);
    args
}

fn api_server_args(paths: &Paths) -> Vec<OsString> {
    let mut args: Vec<OsString> = vec![
        "--etcd-servers=http://127.0.0.1:2379".into(),
        format!("--advertise-address={CONTROL_ADDRESS}").into(),
        "--bind-address=0.0.0.0".into(),
        "--secure-port=6443".into(),
        format!("--service-cluster-ip-range={SERVICE_RANGE}").into(),
        "--authorization-mode=Node,RBAC".into(),
        "--enable-admission-plugins=NodeRestriction".into(),
        "--allow-privileged=true".into(),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        // Logs and exec go to the node's address: nobody resolves its name.
        "--kubelet-preferred-address-types=InternalIP".into(),
        "--profiling=false".into(),
    ];
    let files = [
        ("--client-ca-file", "ca.crt"),
        ("--tls-cert-file", "apiserver.crt"),
        ("--tls-private-key-file", "apiserver.key"),
        ("--service-account-key-file", "sa.pub"),
        ("--service-account-signing-key-file", "sa.key"),
        ("--kubelet-client-certificate", "kubelet-client.crt"),
        ("--kubelet-client-key", "kubelet-client.key"),
        ("--kubelet-certificate-authority", "ca.crt"),
    ];
    args.extend(files.iter().map(|(name, file)| flag(name, &paths.pki(file))));
    args.push(flag("--cert-dir", &paths.run().join("apiserver-certs")));
    args
}

fn controller_manager_args(paths: &Paths) -> Vec<OsString> {
    let fixed = [
        "--use-service-account-credentials",
        "--enable-hostpath-provisioner",
        "--leader-elect=false",
        // Pod ranges are fixed, so nobody hands them out.
        "--allocate-node-cidrs=false",
        "--controllers=*,-node-ipam-controller",
        // A dead node is noticed in half the usual time; tests wait for that.
        "--node-monitor-grace-period=20s",
        "--node-monitor-period=2s",
        "--bind-address=127.0.0.1",
    ];
    let mut args: Vec<OsString> = fixed.iter().map(OsString::from).collect();
    args.extend([
        flag("--kubeconfig", &paths.kubeconfig_of("controller-manager")),
        flag("--service-account-private-key-file", &paths.pki("sa.key")),
        flag("--root-ca-file", &paths.pki("ca.crt")),
        flag("--cert-dir", &paths.run().join("controller-manager-certs")),
    ]);
    args
}

fn scheduler_args(paths: &Paths) -> Vec<OsString> {
    vec![
        flag("--kubeconfig", &paths.kubeconfig_of("scheduler")),
        flag("--cert-dir", &paths.run().join("scheduler-certs")),
        "--leader-elect=false".into(),
        "--bind-address=127.0.0.1".into(),
    ]
}

/// kubeadm's lifetimes: tests must live with the DNS that users have.
fn corefile_text(kubeconfig: &Path) -> String {
    format!(
        ".:53 {{
  bind {CONTROL_ADDRESS}
  errors
  kubernetes cluster.local {{
    kubeconfig {} local
    pods insecure
    ttl 30
  }}
  cache 30
}}
",
        kubeconfig.display()
    )
}

/// `--name=path`.
fn flag(name: &str, path: &Path) -> OsString {
    let mut flag = OsString::from(name);
    flag.push("=");
    flag.push(path);
    flag
}
