//! Members that serve TLS and ask for a client certificate.

use etcd::{Endpoint, Error, MemberClient, Tls};
use tempfile::TempDir;

use testbed::{
    cluster::TIMEOUTS,
    member::{Place, Process},
    programs::Version,
    until,
};

use crate::certificates::{Authority, Pair};

const NAME: &str = "quince-0.orchard.farm.svc";

testbed::on_each_version!(
    a_member_dialled_by_address_is_trusted_by_its_name,
    a_member_under_another_name_is_refused,
    a_client_without_certificate_is_refused,
);

struct Fixture {
    authority: Authority,
    client: Pair,
    process: Process,
    folder: TempDir,
}

impl Fixture {
    async fn start(version: Version) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let ca = authority.write(folder.path());
        let server = authority.sign(folder.path(), "server", &[NAME]);
        let client = authority.sign(folder.path(), "client", &["gardener"]);
        let mut place = Place::new("quince-0");
        place.client_url = place.client_url.replace("http://", "https://");
        let initial = format!("{}={}", place.name, place.peer_url);
        let flags = [
            "--initial-cluster",
            &initial,
            "--client-cert-auth",
            "--trusted-ca-file",
            ca.to_str().unwrap(),
            "--cert-file",
            server.certificate.to_str().unwrap(),
            "--key-file",
            server.key.to_str().unwrap(),
        ];
        let process = Process::start(version, &place, folder.path(), &flags);
        let fixture = Self { authority, client, process, folder };
        let tls = fixture.tls();
        until("the member serves", async || {
            let client = MemberClient::connect_tls(&fixture.endpoint(NAME), &tls, &TIMEOUTS).await;
            client.ok()?.member_list().await.ok()
        })
        .await;
        fixture
    }

    fn endpoint(&self, name: &str) -> Endpoint {
        Endpoint { url: self.process.place.client_url.clone(), server_name: Some(name.into()) }
    }

    fn tls(&self) -> Tls {
        let own = Some((self.client.certificate.as_path(), self.client.key.as_path()));
        Tls::from_files(&self.folder.path().join("ca.crt"), own).unwrap()
    }
}

async fn a_member_dialled_by_address_is_trusted_by_its_name(version: Version) {
    let etcd = Fixture::start(version).await;
    let with_port = format!("{NAME}:2379");
    for name in [NAME, &with_port] {
        let client =
            MemberClient::connect_tls(&etcd.endpoint(name), &etcd.tls(), &TIMEOUTS).await.unwrap();
        client.put(b"/fig", b"leaf").await.unwrap();
        assert_eq!(client.member_list().await.unwrap().members.len(), 1);
        let mut stream = client.snapshot(TIMEOUTS.read).await.unwrap();
        assert!(stream.next().await.unwrap().is_some());
    }
}

async fn a_member_under_another_name_is_refused(version: Version) {
    let etcd = Fixture::start(version).await;
    let no_name = Endpoint { server_name: None, ..etcd.endpoint(NAME) };
    let foreign = Tls::from_pem(Authority::new().pem(), None).unwrap();
    let (named, own) = (etcd.endpoint(NAME), etcd.tls());
    let cases = [
        (etcd.endpoint("quince-1.orchard.farm.svc"), own.clone(), "certificate not valid for name"),
        (no_name, own, "certificate not valid for name"),
        (named, foreign, "invalid peer certificate"),
    ];
    for (endpoint, tls, words) in cases {
        let Err(error) = MemberClient::connect_tls(&endpoint, &tls, &TIMEOUTS).await else {
            panic!("{endpoint:?} was trusted")
        };
        assert_eq!(error.reason(), "TlsFailed", "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

/// In TLS 1.3 the client has finished before the server looks at its certificate, so the refusal
/// may come with the first call.
async fn a_client_without_certificate_is_refused(version: Version) {
    let etcd = Fixture::start(version).await;
    let nobody = Tls::from_pem(etcd.authority.pem(), None).unwrap();
    let error = match MemberClient::connect_tls(&etcd.endpoint(NAME), &nobody, &TIMEOUTS).await {
        Ok(client) => client.status().await.unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(error, Error::Tls { .. } | Error::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn certificates_and_the_schemes_of_urls_go_together() {
    let tls = Tls::from_pem(Authority::new().pem(), None).unwrap();
    let plain = Endpoint { url: "http://127.0.0.1:2379".into(), server_name: None };
    let Err(error) = MemberClient::connect_tls(&plain, &tls, &TIMEOUTS).await else {
        panic!("certificates went unused without a word")
    };
    assert!(error.to_string().contains("it must be https"), "{error}");
}
