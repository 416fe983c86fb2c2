//! A real S3 server: `SeaweedFS`, with its data in a folder of its own.
//!
//! Signatures, `If-None-Match: *` and object lock are enforced as Amazon's are.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use tempfile::TempDir;

use crate::{member::send_signal, programs, until};

/// The folder in the cache that `cargo xtask test` installs it into.
pub const VERSION: &str = "4.48";
pub const ACCESS_KEY: &str = "testbed";
pub const SECRET_KEY: &str = "testbed-secret";

/// How it is started anywhere: small, with nothing but S3, and no word to its makers.
pub const FLAGS: [&str; 8] = [
    "-s3",
    "-s3.iam=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-volume.max=60",
    "-master.volumeSizeLimitMB=256",
    "-master.telemetry=false",
    "-master.volumePreallocate=false",
];

/// The file of `-s3.config`, by which [`ACCESS_KEY`] may do everything.
pub fn identities() -> String {
    format!(
        r#"{{"identities": [{{"name": "testbed", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
            "credentials": [{{"accessKey": "{ACCESS_KEY}", "secretKey": "{SECRET_KEY}"}}]}}]}}"#
    )
}

/// Below the ports that the system gives to outgoing connections.
const FIRST_PORT: u16 = 20_000;
const BLOCKS: u16 = 1200;
const PORTS: u16 = 10;
static SERVERS: AtomicU16 = AtomicU16::new(0);

/// A running (or killed) server; dropping it kills the process and waits for its end.
pub struct Server {
    address: Ipv4Addr,
    /// The first of its ports. The servers name sockets in the folder for temporary files after
    /// their ports, so these are its own on the whole machine: while this listens, nobody else's.
    ports: TcpListener,
    folder: TempDir,
    child: Option<Child>,
}

impl Server {
    /// Starts it and waits until it answers.
    pub async fn start() -> Self {
        let [.., high, low] = std::process::id().to_be_bytes();
        Self::start_on(Ipv4Addr::new(127, high, low, 250)).await
    }

    /// Starts it on an address of this machine that others reach, such as pods.
    pub async fn start_on(address: Ipv4Addr) -> Self {
        Self::start_in(address, tempfile::tempdir().unwrap()).await
    }

    /// Starts it with its data in memory, so that a measurement is not one of a disk which a store
    /// elsewhere would not share.
    pub async fn start_in_memory() -> Self {
        let [.., high, low] = std::process::id().to_be_bytes();
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        Self::start_in(Ipv4Addr::new(127, high, low, 250), folder).await
    }

    async fn start_in(address: Ipv4Addr, folder: TempDir) -> Self {
        std::fs::write(folder.path().join("identities.json"), identities()).unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        let mut server = Self { address, ports: free_block(), folder, child: None };
        server.restart().await;
        server
    }

    /// Starts it again on its own data, killing it first if it runs.
    pub async fn restart(&mut self) {
        self.kill();
        let log = self.folder.path().join("log");
        let log = std::fs::File::options().create(true).append(true).open(log).unwrap();
        let [master, volume, filer, s3] = [1, 3, 5, 7].map(|offset| self.port(offset));
        let flag = |name: &str, value: &dyn std::fmt::Display| format!("-{name}={value}");
        let child = Command::new(program())
            .args(["-logtostderr=true", "server"])
            .args(FLAGS)
            .args([flag("ip", &self.address), flag("ip.bind", &self.address)])
            .arg(flag("dir", &self.folder.path().join("data").display()))
            .arg(flag("s3.config", &self.folder.path().join("identities.json").display()))
            .args([flag("master.port", &master), flag("master.port.grpc", &(master + 1))])
            .args([flag("volume.port", &volume), flag("volume.port.grpc", &(volume + 1))])
            .args([flag("filer.port", &filer), flag("filer.port.grpc", &(filer + 1))])
            .args([flag("s3.port", &s3), flag("s3.port.grpc", &(s3 + 1))])
            .arg("-master.electionTimeout=1s")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        until("the S3 server answers", async || {
            self.ask(7, "GET /healthz").filter(|status| is_good(*status))
        })
        .await;
        // Its parts find each other a moment later; a bucket can be made once they have.
        self.create_bucket("ready").await;
    }

    /// `http://ADDRESS:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.socket(7))
    }

    /// `ADDRESS:PORT` of what lies behind S3: it lists a folder such as `/buckets/NAME/` in JSON, for
    /// whoever looks past the credentials.
    pub fn files(&self) -> String {
        self.socket(5).to_string()
    }

    /// Makes an empty bucket; that it is there is fine.
    pub async fn create_bucket(&self, name: &str) {
        let make = format!("POST /buckets/{name}/");
        let is_there = |status: &u16| is_good(*status) || *status == 409;
        until("a bucket is made", async || self.ask(5, &make).filter(is_there)).await;
    }

    /// Whether there is such a bucket.
    pub fn has_bucket(&self, name: &str) -> bool {
        self.ask(5, &format!("GET /buckets/{name}/")).is_some_and(is_good)
    }

    /// Removes a bucket and what is in it, as somebody might by mistake.
    pub async fn remove_bucket(&self, name: &str) {
        let remove = format!("DELETE /buckets/{name}?recursive=true");
        until("a bucket is removed", async || {
            self.ask(5, &remove).filter(|status| is_good(*status))
        })
        .await;
    }

    /// The variables by which S3's tools know the credentials.
    pub fn environment(&self) -> [(&'static str, &'static str); 4] {
        [
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            ("AWS_REGION", "us-east-1"),
            // Nobody on this machine answers there, and it would be waited for.
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]
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
        send_signal(self.child.as_ref().expect("the server runs").id(), name);
    }

    fn port(&self, offset: u16) -> u16 {
        self.ports.local_addr().unwrap().port() + offset
    }

    fn socket(&self, offset: u16) -> SocketAddr {
        (self.address, self.port(offset)).into()
    }

    /// The status by which one small request is answered.
    fn ask(&self, offset: u16, request: &str) -> Option<u16> {
        let limit = Duration::from_secs(5);
        let mut stream = TcpStream::connect_timeout(&self.socket(offset), limit).ok()?;
        stream.set_read_timeout(Some(limit)).ok()?;
        let head = "HTTP/1.1\r\nHost: testbed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(format!("{request} {head}").as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.split_whitespace().nth(1)?.parse().ok()
    }
}

fn is_good(status: u16) -> bool {
    (200..300).contains(&status)
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Tests' processes begin with blocks that are theirs by their ids, and look further if one is taken.
fn free_block() -> TcpListener {
    let [.., high, low] = std::process::id().to_be_bytes();
    let own = u16::from_be_bytes([high, low]);
    let mut blocks = (0..BLOCKS).map(|_| {
        let number = own.wrapping_add(SERVERS.fetch_add(1, Ordering::Relaxed)) % BLOCKS;
        FIRST_PORT + number * PORTS
    });
    let listening = blocks.find_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok());
    listening.expect("a free block of ports")
}

/// The program's path; panics with what to do when it is not there.
fn program() -> PathBuf {
    let path = programs::cache().join(format!("tools/seaweedfs-{VERSION}/bin/weed"));
    assert!(
        path.is_file(),
        "{} is missing: run `cargo xtask test --fast` once, which installs it",
        path.display()
    );
    path
}
