//! Certificates and kubeconfigs of one local Kubernetes, made anew at each start.

use std::net::IpAddr;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use serde_json::json;

use super::error::Error;
use super::files;
use super::layout::{API_SERVICE_ADDRESS, API_URL, CONTROL_ADDRESS, Node, Paths};

/// Clients of the API server: file name, common name and group (Kubernetes reads user and group
/// from these two).
const CLIENTS: [(&str, &str, Option<&str>); 6] = [
    ("admin", "admin", Some("system:masters")),
    ("dns", "dns", Some("system:masters")),
    ("controller-manager", "system:kube-controller-manager", None),
    ("scheduler", "system:kube-scheduler", None),
    ("proxy", "system:kube-proxy", None),
    // The API server itself, as a client of the kubelets.
    ("kubelet-client", "apiserver-kubelet-client", Some("system:masters")),
];

type Authority = CertifiedIssuer<'static, KeyPair>;

/// Writes the authority's certificate, all leaf certificates with their keys, the service accounts'
/// key pair and a kubeconfig for every client. The authority's key is never written.
pub(super) fn write(paths: &Paths, nodes: &[Node]) -> Result<(), Error> {
    let authority = authority()?;
    files::write(paths.pki("ca.crt"), authority.pem())?;
    let service_accounts = key()?;
    files::write(paths.pki("sa.key"), service_accounts.serialize_pem())?;
    files::write(paths.pki("sa.pub"), service_accounts.public_key_pem())?;
    leaf(paths, &authority, "apiserver", "kube-apiserver", None, api_server_names()?)?;
    for (name, user, group) in CLIENTS {
        leaf(paths, &authority, name, user, group, Vec::new())?;
        kubeconfig(paths, name)?;
    }
    for node in nodes {
        let name = node.to_string();
        let names = vec![SanType::DnsName(name.as_str().try_into()?), address(node.address())];
        let user = format!("system:node:{name}");
        leaf(paths, &authority, &name, &user, Some("system:nodes"), names)?;
        kubeconfig(paths, &name)?;
    }
    Ok(())
}

fn authority() -> Result<Authority, Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject("local-kubernetes-ca", None);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(CertifiedIssuer::self_signed(params, key()?)?)
}

fn leaf(
    paths: &Paths,
    authority: &Authority,
    file: &str,
    common_name: &str,
    group: Option<&str>,
    names: Vec<SanType>,
) -> Result<(), Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(common_name, group);
    params.subject_alt_names = names;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = key()?;
    let certificate = params.signed_by(&key, authority)?;
    files::write(paths.pki(&format!("{file}.crt")), certificate.pem())?;
    files::write(paths.pki(&format!("{file}.key")), key.serialize_pem())
}

fn api_server_names() -> Result<Vec<SanType>, Error> {
    let dns = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ];
    let mut names = Vec::new();
    for name in dns {
        names.push(SanType::DnsName(name.try_into()?));
    }
    names.push(address(CONTROL_ADDRESS));
    names.extend(API_SERVICE_ADDRESS.parse::<IpAddr>().ok().map(SanType::IpAddress));
    Ok(names)
}

fn kubeconfig(paths: &Paths, client: &str) -> Result<(), Error> {
    let pki = |file: String| path_text(&paths.pki(&file));
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "local", "cluster": {
            "server": API_URL, "certificate-authority": pki("ca.crt".to_owned())}}],
        "users": [{"name": client, "user": {
            "client-certificate": pki(format!("{client}.crt")),
            "client-key": pki(format!("{client}.key"))}}],
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": client}}],
        "current-context": "local",
    });
    files::write(paths.kubeconfig_of(client), format!("{config:#}\n"))
}

/// The paths are ours and plain ASCII.
pub(super) fn path_text(path: &Path) -> String {
    path.display().to_string()
}

fn key() -> Result<KeyPair, Error> {
    Ok(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?)
}

fn address(address: std::net::Ipv4Addr) -> SanType {
    SanType::IpAddress(IpAddr::V4(address))
}

fn subject(common_name: &str, group: Option<&str>) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    if let Some(group) = group {
        subject.push(DnType::OrganizationName, group);
    }
    subject.push(DnType::CommonName, common_name);
    subject
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_has_certificate_key_and_kubeconfig_and_the_authority_keeps_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::below(folder.path());
        let nodes: Vec<Node> = Node::first(2).collect();
        write(&paths, &nodes).unwrap();
        for client in ["admin", "scheduler", "n1", "n2"] {
            let config = files::read(paths.kubeconfig_of(client)).unwrap();
            let config: serde_json::Value = serde_json::from_str(&config).unwrap();
            for file in ["client-certificate", "client-key"] {
                let path = config["users"][0]["user"][file].as_str().unwrap();
                assert!(files::read(path).unwrap().starts_with("-----BEGIN "), "{path}");
            }
        }
        assert!(!paths.pki("ca.key").exists());
        assert!(!paths.pki("n3.crt").exists());
    }
}
