use std::path::PathBuf;

use rcgen::{CertificateParams, KeyPair};

use super::*;

struct Pair {
    certificate: String,
    key: String,
}

fn pair() -> Pair {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["quince-0.orchard".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Pair { certificate: certificate.pem(), key: key.serialize_pem() }
}

#[test]
fn a_pair_with_its_authority_is_taken() {
    let own = pair();
    let tls = Tls::from_pem(
        pair().certificate.as_bytes(),
        Some((own.certificate.as_bytes(), own.key.as_bytes())),
    )
    .unwrap();
    assert_eq!(format!("{tls:?}"), "Tls { identity: true, .. }");
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let (own, other) = (pair(), pair());
    let mixed = Some((own.certificate.as_bytes(), other.key.as_bytes()));
    let error = Tls::from_pem(own.certificate.as_bytes(), mixed).unwrap_err();
    assert_eq!(error.reason(), "CertificateMismatch");
}

#[test]
fn one_bad_authority_among_good_ones_is_refused() {
    let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let bundle = pair().certificate + bad;
    let error = Tls::from_pem(bundle.as_bytes(), None).unwrap_err();
    assert_eq!(error.reason(), "CertificateDamaged");
}

#[test]
fn files_without_what_is_wanted_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let own = pair();
    let (ca, key) = (write("ca.crt", &own.certificate), write("own.key", &own.key));

    let missing = Tls::from_files(&folder.path().join("none.crt"), None).unwrap_err();
    let swapped = Tls::from_files(&key, None).unwrap_err();
    let keyless = Tls::from_files(&ca, Some((&ca, &ca))).unwrap_err();

    assert_eq!(missing.reason(), "CertificateUnreadable");
    assert!(missing.to_string().contains("none.crt cannot be read"), "{missing}");
    assert!(swapped.to_string().contains("own.key holds no PEM certificate"), "{swapped}");
    assert!(keyless.to_string().contains("ca.crt holds no unencrypted private key"), "{keyless}");
}
