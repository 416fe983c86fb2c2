use super::*;

fn claim(phase: &str, asks: &str) -> PersistentVolumeClaim {
    serde_json::from_value(json!({
        "metadata": {"name": "orders-pvc"},
        "spec": {"resources": {"requests": {"storage": asks}}},
        "status": {"phase": phase},
    }))
    .unwrap()
}

fn volume(mebibytes: i64) -> Volume {
    Volume { mebibytes, class: None }
}

#[test]
fn sizes_are_read_as_the_api_server_writes_them() {
    for (quantity, expected) in [
        ("64Mi", Some(64 << 20)),
        ("1Gi", Some(1 << 30)),
        ("2Ti", Some(2 << 40)),
        ("1k", Some(1000)),
        ("5G", Some(5_000_000_000)),
        ("1E", Some(1_000_000_000_000_000_000)),
        ("67108864", Some(64 << 20)),
        ("1e9", None),
        ("100m", None),
        ("", None),
        ("99999999999999999999999999999999999999Ei", None),
    ] {
        assert_eq!(bytes(quantity), expected, "{quantity}");
    }
}

#[test]
fn a_claim_grows_and_never_shrinks() {
    assert!(can_grow(&claim("Bound", "64Mi"), &volume(65)));
    assert!(!can_grow(&claim("Bound", "64Mi"), &volume(64)));
    assert!(!can_grow(&claim("Bound", "1Gi"), &volume(64)));
    assert!(!can_grow(&claim("Bound", "1e9"), &volume(2048)), "what cannot be read stays");
    assert!(!can_grow(&claim("Pending", "64Mi"), &volume(65)), "there is nothing to grow yet");
}

#[test]
fn a_refusal_counts_for_the_size_that_was_refused() {
    let refusals = Refusals::default();
    let sentence = "no room".to_owned();
    let refusal = Refusal { at: clock::now(), mebibytes: 128, sentence };
    refusals.note("u-1", Some(refusal));
    assert_eq!(refusals.sentence("u-1", &volume(128)).as_deref(), Some("no room"));
    assert_eq!(refusals.sentence("u-1", &volume(64)), None, "it was taken back");
    assert_eq!(refusals.sentence("u-2", &volume(128)), None);
    refusals.keep(|uid| uid != "u-1");
    assert_eq!(refusals.sentence("u-1", &volume(128)), None);
}
