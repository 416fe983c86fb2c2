//! An etcd that serves TLS and asks for a client certificate.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use testbed::{
    member::{Place, Process},
    programs::Version,
    until,
};

use crate::harness::{Archive, Run};

/// An authority, and what it has signed, as files.
struct Files {
    folder: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Files {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = CertifiedIssuer::self_signed(params, key).unwrap();
        let files = Self { folder: tempfile::tempdir().unwrap(), authority };
        std::fs::write(files.path("ca.crt"), files.authority.pem()).unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `NAME.crt` and `NAME.key`, for both directions.
    fn sign(&self, name: &str, host: &str) {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, &self.authority).unwrap().pem();
        std::fs::write(self.path(&format!("{name}.crt")), chain).unwrap();
        std::fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    fn flag(&self, flag: &str, name: &str) -> [String; 2] {
        [flag.to_owned(), self.path(name).to_str().unwrap().to_owned()]
    }
}

fn start(files: &Files, folder: &Path) -> Process {
    let mut place = Place::new("quince-0");
    place.client_url = place.client_url.replace("http://", "https://");
    let host = place.client_url.trim_start_matches("https://").split(':').next().unwrap();
    files.sign("server", host);
    files.sign("client", "gardener");
    let initial = format!("{}={}", place.name, place.peer_url);
    let mut flags: Vec<String> =
        ["--initial-cluster", &initial, "--client-cert-auth"].map(str::to_owned).into();
    for (flag, name) in [
        ("--trusted-ca-file", "ca.crt"),
        ("--cert-file", "server.crt"),
        ("--key-file", "server.key"),
    ] {
        flags.extend(files.flag(flag, name));
    }
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    Process::start(Version::V3_6, &place, folder, &flags)
}

#[tokio::test]
async fn etcdctls_flags_lead_to_an_etcd_that_asks_for_a_certificate() {
    let (files, data) = (Files::new(), tempfile::tempdir().unwrap());
    let etcd = start(&files, data.path());
    let archive = Archive::in_a_folder();
    let once = async |flags: &[[String; 2]]| {
        let url = etcd.place.client_url.as_str();
        let flags: Vec<_> = flags.iter().flatten().map(String::as_str).collect();
        let words = [&["once", "--cluster", "kv", "--endpoints", url], &flags[..]].concat();
        Run::of(archive.command(&words).spawn().unwrap()).await
    };
    let [cacert, cert, key] =
        [("--cacert", "ca.crt"), ("--cert", "client.crt"), ("--key", "client.key")]
            .map(|(flag, name)| files.flag(flag, name));
    let own = [cacert.clone(), cert.clone(), key.clone()];
    until("etcd serves", async || (once(&own).await.code == Some(0)).then_some(())).await;
    assert_eq!(archive.ids().await.len(), 1);
    assert_eq!(archive.run(&["verify", "--all"]).await.code, Some(0));

    let stranger = Files::new();
    once(&[stranger.flag("--cacert", "ca.crt"), cert, key]).await.fails(1);
    once(&[cacert]).await.fails(1);
    assert_eq!(archive.ids().await.len(), 1);
}
