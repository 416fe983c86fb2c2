//! Names and paths survive being written; nothing leads out of an archive.

use proptest::prelude::*;

use super::*;

fn id() -> BackupId {
    BackupId::new(0x1e240, "2026-11-22T16:49:06.5Z".parse().unwrap())
}

fn archive() -> ArchivePath {
    ArchivePath::new("prod", "orders", "0e1f-77").unwrap()
}

#[test]
fn keys_are_as_the_format_says() {
    let folder = "v1/prod/orders/0e1f-77/snapshots/20261122T164906Z";
    let time = "2026-11-23T00:00:01Z".parse().unwrap();
    let [good, bad] = [true, false].map(|is| archive().verification(id(), time, is).unwrap());
    assert_eq!(archive().data(id()).unwrap().as_str(), format!("{folder}/data.db.gz"));
    let manifest = archive().manifest(id()).unwrap();
    assert_eq!(manifest.as_str(), format!("{folder}/manifest-000000000001e240.json"));
    assert_eq!(good.as_str(), format!("{folder}/verified-20261123T000001Z.json"));
    assert_eq!(bad.as_str(), format!("{folder}/damaged-20261123T000001Z.json"));
}

#[test]
fn a_cluster_outside_kubernetes_has_a_folder_that_no_namespace_can_have() {
    let archive = ArchivePath::outside_kubernetes("orders", 0xcdf8).unwrap();
    assert_eq!(archive.folder().unwrap().as_str(), "v1/_/orders/etcd-000000000000cdf8");
}

#[test]
fn a_name_that_is_no_plain_segment_is_refused_and_named() {
    for bad in ["", "..", ".", "a/b", "a b", "../../etc"] {
        for (what, archive) in [
            ("namespace", ArchivePath::new(bad, "c", "u")),
            ("cluster", ArchivePath::new("n", bad, "u")),
            ("UID", ArchivePath::new("n", "c", bad)),
            ("cluster", ArchivePath::outside_kubernetes(bad, 1)),
        ] {
            assert!(archive.unwrap_err().to_string().starts_with(what), "{bad:?}");
        }
        assert!(ArchivePath::folder_of_name("n", bad).is_err());
        assert!(archive().object(id(), bad).is_err());
    }
}

#[test]
fn a_key_tells_what_it_is() {
    let kind = |name: &str| Place::of(&archive().object(id(), name).unwrap()).unwrap().kind;
    for (name, expected) in [
        ("attempt.json", Kind::Attempt),
        ("data.db.gz", Kind::Data),
        ("manifest-000000000001e240.json", Kind::Manifest(0x1e240)),
        ("verified-20261122T164906Z.json", Kind::Verified(id().start())),
        ("damaged-20261122T164906Z.json", Kind::Damaged(id().start())),
        ("wanted-20261122T164906Z.json", Kind::Wanted(id().start())),
        ("verified-yesterday.json", Kind::Unknown),
        ("manifest-1e240.json", Kind::Unknown),
        ("manifest-000000000001E240.json", Kind::Unknown),
        ("manifest.json", Kind::Unknown),
    ] {
        assert_eq!(kind(name), expected, "{name}");
    }
    let place = Place::of(&archive().data(id()).unwrap()).unwrap();
    assert_eq!((place.archive, place.start), (archive(), id().start()));
}

#[test]
fn foreign_keys_are_no_part_of_a_backup() {
    for key in [
        "v2/prod/orders/u/snapshots/20261122T164906Z/manifest-000000000001e240.json",
        "v1/prod/orders/u/log/20261122T164906Z/manifest-000000000001e240.json",
        "v1/prod/orders/u/snapshots/20261122/manifest-000000000001e240.json",
        "v1/prod/orders/u/snapshots/20261122T164906Z/sub/manifest-000000000001e240.json",
        "v1/prod/orders/u/snapshots/20261122T164906Z",
    ] {
        assert_eq!(Place::of(&key.parse().unwrap()), None, "{key}");
    }
}

#[test]
fn other_texts_are_no_ids() {
    for text in
        ["", "000000000001E240-20261122T164906Z", "+00000000001e240-20261122T164906Z", "1-2"]
    {
        assert!(text.parse::<BackupId>().unwrap_err().to_string().contains("as the list shows it"));
    }
}

proptest! {
    #[test]
    fn an_id_survives_its_text_and_orders_like_it(
        a in any::<u64>(), b in any::<u64>(), s in 0_i64..4_102_444_800, t in 0_i64..4_102_444_800,
    ) {
        let [one, two] = [(a, s), (b, t)]
            .map(|(revision, second)| BackupId::new(revision, Timestamp::from_second(second).unwrap()));
        prop_assert_eq!(one.to_string().parse::<BackupId>().unwrap(), one);
        prop_assert_eq!(one.cmp(&two), one.to_string().cmp(&two.to_string()));
    }
}
