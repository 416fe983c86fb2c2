//! An etcd whose authentication is on.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;
use testbed::{
    cluster::Cluster,
    member::{Place, Process},
    programs::Version,
    until,
};

use crate::harness::{Archive, Run, output};

testbed::on_each_version!(by_password_root_takes_backups_and_nobody_else);

async fn by_password_root_takes_backups_and_nobody_else(version: Version) {
    let cluster = Cluster::start(version, 1).await;
    let archive = Archive::in_a_folder();
    let url = cluster.members[0].place.client_url.clone();
    let ctl = |words: &[&str]| {
        output(version.program("etcdctl"), &[&["--endpoints", &url], words].concat())
    };
    let early = archive.take(&cluster, &["--user", "root:secret"]).await;
    assert!(!early.auth_enabled);
    ctl(&["user", "add", "root:secret"]);
    ctl(&["user", "grant-role", "root", "root"]);
    ctl(&["user", "add", "gardener:plums"]);
    ctl(&["auth", "enable"]);
    for (more, words) in [
        (&[][..], "user name is empty"),
        (&["--user", "root:guessed"], "authentication failed"),
        (&["--user", "gardener:plums"], "permission denied"),
    ] {
        let run = Run::of(archive.once(&cluster, more).spawn().unwrap()).await;
        let sentence = run.fails(1);
        assert!(sentence.contains(words) && sentence.contains("a user that may"), "{sentence}");
        assert!(!sentence.contains("guessed") && !sentence.contains("plums"), "{sentence}");
    }
    assert_eq!(archive.ids().await.len(), 1);

    let manifest = archive.take(&cluster, &["--user", "root", "--password", "secret"]).await;
    assert!(manifest.auth_enabled);
    let mut by_environment = archive.once(&cluster, &[]);
    by_environment.env("ETCDCTL_USER", "root").env("ETCDCTL_PASSWORD", "secret");
    let run = Run::of(by_environment.spawn().unwrap()).await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let help =
        archive.command(&["once", "--help"]).env("ETCDCTL_PASSWORD", "secret").output().await;
    assert!(!String::from_utf8(help.unwrap().stdout).unwrap().contains("secret"));
}

/// Members that ask for client certificates, whose common names are users.
struct Orchard {
    members: Vec<Process>,
    folder: TempDir,
}

const VERSION: Version = Version::V3_6;

impl Orchard {
    async fn start(size: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut places: Vec<_> = (0..size).map(|n| Place::new(&format!("quince-{n}"))).collect();
        for place in &mut places {
            place.client_url = place.client_url.replace("http://", "https://");
        }
        certificates(folder.path(), &places);
        let entry = |place: &Place| format!("{}={}", place.name, place.peer_url);
        let initial = places.iter().map(entry).collect::<Vec<_>>().join(",");
        let [ca, certificate, key] = ["ca.crt", "server.crt", "server.key"]
            .map(|name| folder.path().join(name).display().to_string());
        let flags = ["--initial-cluster", &initial, "--client-cert-auth", "--trusted-ca-file", &ca];
        let flags = [&flags[..], &["--cert-file", &certificate, "--key-file", &key]].concat();
        let start = |place| Process::start(VERSION, place, folder.path(), &flags);
        let members = places.iter().map(start).collect();
        let orchard = Self { members, folder };
        until("the members serve", async || orchard.ctl("root", &["get", "x"]).then_some(())).await;
        orchard
    }

    fn urls(&self) -> String {
        let urls = self.members.iter().map(|member| member.place.client_url.as_str());
        urls.collect::<Vec<_>>().join(",")
    }

    /// The flags of a client with the certificate of this user; etcdctl's are the same.
    fn flags(&self, user: &str) -> Vec<String> {
        let path = |name: String| self.folder.path().join(name).display().to_string();
        let [ca, certificate, key] =
            ["ca.crt".to_owned(), format!("{user}.crt"), format!("{user}.key")].map(path);
        let flags =
            ["--endpoints", &self.urls(), "--cacert", &ca, "--cert", &certificate, "--key", &key];
        flags.map(str::to_owned).into()
    }

    fn ctl(&self, user: &str, words: &[&str]) -> bool {
        let mut ctl = std::process::Command::new(VERSION.program("etcdctl"));
        ctl.args(self.flags(user)).args(words).output().unwrap().status.success()
    }

    async fn once(&self, archive: &Archive, user: &str, more: &[&str]) -> Run {
        let mut once = archive.command(&["once", "--cluster", "kv"]);
        Run::of(once.args(self.flags(user)).args(more).spawn().unwrap()).await
    }
}

/// One authority; the servers' certificate, and those of two users.
fn certificates(folder: &Path, places: &[Place]) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let write = |name: PathBuf, text: String| std::fs::write(folder.join(name), text).unwrap();
    write("ca.crt".into(), authority.pem());
    let address =
        |place: &Place| url::Url::parse(&place.client_url).unwrap().host_str().unwrap().to_owned();
    let addresses: Vec<_> = places.iter().map(address).collect();
    for (name, hosts) in [("server", addresses), ("root", Vec::new()), ("gardener", Vec::new())] {
        let mut params = CertificateParams::new(hosts).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &authority).unwrap();
        write(format!("{name}.crt").into(), signed.pem());
        write(format!("{name}.key").into(), key.serialize_pem());
    }
}

#[tokio::test]
async fn by_certificate_root_takes_backups_without_a_password_and_without_quorum() {
    let mut orchard = Orchard::start(3).await;
    let archive = Archive::in_a_folder();
    for words in [
        &["user", "add", "root:secret"][..],
        &["user", "grant-role", "root", "root"],
        &["user", "add", "gardener", "--no-password"],
        &["auth", "enable"],
    ] {
        until("etcd does it", async || orchard.ctl("root", words).then_some(())).await;
    }
    let run = orchard.once(&archive, "gardener", &[]).await;
    assert!(run.fails(1).contains("permission denied"), "{}", run.stderr);
    let run = orchard.once(&archive, "root", &[]).await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    // A certificate leaves no trace in etcd's log, so nothing has changed.
    let run = orchard.once(&archive, "root", &["--reason", "scheduled"]).await;
    assert!(run.stdout.contains("unchanged"), "{run:?}");

    orchard.members[0].kill();
    orchard.members[1].kill();
    let run = orchard.once(&archive, "root", &["--reason", "before-recovery"]).await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let by_password = ["--reason", "before-recovery", "--user", "root:secret"];
    let run = orchard.once(&archive, "gardener", &by_password).await;
    assert!(run.fails(1).contains("no member of etcd answers"), "{}", run.stderr);
    assert_eq!(archive.ids().await.len(), 2);
}
