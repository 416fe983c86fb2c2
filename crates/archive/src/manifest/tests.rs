//! Manifests survive being written, with what later versions put in.

use serde_json::json;

use super::*;
use crate::catalogue::fixture;

fn manifest() -> Manifest {
    fixture::manifest(0x1e240, "2026-11-22T16:49:06Z")
}

#[test]
fn a_manifest_survives_its_bytes() {
    let bytes = manifest().to_bytes().unwrap();
    assert_eq!(Manifest::from_bytes("x", &bytes), Ok(manifest()));
}

#[test]
fn a_manifest_reads_as_the_format_says() {
    let value: Value = serde_json::from_slice(&manifest().to_bytes().unwrap()).unwrap();
    assert_eq!(value["format"], 1);
    assert_eq!(value["id"], "000000000001e240-20261122T164906Z");
    assert_eq!(value["cluster"]["etcdClusterId"], "00000000000cdf81");
    assert_eq!(value["stored"]["encodings"], json!(["gzip"]));
    assert_eq!(value["reason"], "on-demand");
    assert_eq!(value["started"], "2026-11-22T16:49:06Z");
}

#[test]
fn fields_of_later_versions_are_kept_at_every_level() {
    let mut value = serde_json::to_value(manifest()).unwrap();
    for pointer in ["", "/cluster", "/source", "/raw", "/stored", "/counts", "/members/0"] {
        value.pointer_mut(pointer).unwrap()["later"] = json!({"a": [1, 2.5, "x"]});
    }
    let read = Manifest::from_bytes("x", value.to_string().as_bytes()).unwrap();
    let again: Value = serde_json::from_slice(&read.to_bytes().unwrap()).unwrap();
    assert_eq!(again, value);
}

#[test]
fn an_unknown_format_asks_for_a_newer_version_even_when_nothing_else_fits() {
    let error = Manifest::from_bytes("backup 7", br#"{"format": 2}"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "backup 7 has format 2, which this version does not know; use a newer version"
    );
}

#[test]
fn a_damaged_manifest_says_what_is_wrong() {
    for (bytes, problem) in [
        ("{", "no JSON"),
        ("{}", "names no format"),
        (r#"{"format": 1}"#, "missing field `id`"),
        (r#"{"format": 1, "id": "../.."}"#, "as the list shows it"),
    ] {
        let error = Manifest::from_bytes("backup 7", bytes.as_bytes()).unwrap_err();
        assert_eq!(error.reason(), "Damaged");
        assert!(error.to_string().contains(problem), "{bytes}: {error}");
    }
}

#[test]
fn a_reason_of_a_later_version_is_read() {
    let mut value = serde_json::to_value(manifest()).unwrap();
    value["reason"] = json!("before-lunch");
    let read = Manifest::from_bytes("x", value.to_string().as_bytes()).unwrap();
    assert_eq!(read.reason, Reason::Other);
}
