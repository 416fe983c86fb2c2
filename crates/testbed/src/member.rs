//! One etcd process.

use std::{
    fs::File,
    net::{IpAddr, Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU8, Ordering},
};

use crate::programs::Version;

static MEMBERS: AtomicU8 = AtomicU8::new(1);

/// Where a member listens, decided before it starts.
#[derive(Debug, Clone)]
pub struct Place {
    pub name: String,
    pub client_url: String,
    pub peer_url: String,
}

impl Place {
    pub fn new(name: &str) -> Self {
        // Process ids of one test run are close together, so their low bytes tell them apart; the
        // first of them may be 0, which 127.0.0.1 shares.
        let [.., high, low] = std::process::id().to_be_bytes();
        let number = MEMBERS.fetch_add(1, Ordering::Relaxed);
        let address = IpAddr::from(Ipv4Addr::new(127, high, low, number));
        let [client_url, peer_url] = free_urls(address);
        Self { name: name.to_owned(), client_url, peer_url }
    }
}

/// Two free ports of an address, as URLs.
fn free_urls(address: IpAddr) -> [String; 2] {
    let listeners = [0, 0].map(|port| TcpListener::bind((address, port)).unwrap());
    listeners.map(|listener| format!("http://{}", listener.local_addr().unwrap()))
}

/// A running (or killed) etcd; dropping it kills the process and waits for its end.
pub struct Process {
    pub place: Place,
    version: Version,
    folder: PathBuf,
    flags: Vec<String>,
    child: Option<Child>,
}

impl Process {
    /// Starts etcd with its data and log below `folder`.
    pub fn start(version: Version, place: &Place, folder: &Path, flags: &[&str]) -> Self {
        let flags = flags.iter().map(ToString::to_string).collect();
        let mut process =
            Self { place: place.clone(), version, folder: folder.to_owned(), flags, child: None };
        process.restart();
        process
    }

    /// Starts it again on its own data, killing it first if it runs.
    pub fn restart(&mut self) {
        self.kill();
        let log = self.folder.join(format!("{}.log", self.place.name));
        let log = File::options().create(true).append(true).open(log).unwrap();
        let child = Command::new(self.version.program("etcd"))
            .args(["--name", &self.place.name])
            .arg("--data-dir")
            .arg(self.data_dir())
            .args(["--listen-client-urls", &self.place.client_url])
            .args(["--advertise-client-urls", &self.place.client_url])
            .args(["--listen-peer-urls", &self.place.peer_url])
            .args(["--initial-advertise-peer-urls", &self.place.peer_url])
            .args(&self.flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    pub fn data_dir(&self) -> PathBuf {
        self.folder.join(&self.place.name)
    }

    /// The running process.
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Sends a signal by name, `STOP` or `CONT`.
    pub fn signal(&self, name: &str) {
        let id = self.child.as_ref().expect("the member runs").id();
        send_signal(id, name);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends a signal by name to one process.
pub fn send_signal(id: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &id.to_string()]).status().unwrap();
    assert!(sent.success(), "no process {id} to send SIG{name} to");
}
