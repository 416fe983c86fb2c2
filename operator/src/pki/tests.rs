use super::*;

const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);

fn now() -> Timestamp {
    "2026-11-24T03:00:00Z".parse().unwrap()
}

fn leaf() -> Leaf {
    Leaf {
        common_name: "kv-backup-sidecar".into(),
        names: vec!["kv-backup-sidecar.shop.svc".into(), "kv-backup-sidecar.shop".into()],
        purpose: Purpose::Server,
    }
}

#[test]
fn a_stored_authority_signs_as_the_one_that_was_made() {
    let (made, stored) = Authority::make("etcd-operator", now()).unwrap();
    let read = Authority::read(&stored).unwrap();
    let pair = leaf().sign(&read, now()).unwrap();
    assert!(leaf().is_met_by(&pair.certificate, &made, now()));
}

#[test]
fn a_certificate_is_made_anew_after_two_thirds_of_its_life() {
    let (authority, _) = Authority::make("etcd-operator", now()).unwrap();
    let pair = leaf().sign(&authority, now()).unwrap();
    let met = |at| leaf().is_met_by(&pair.certificate, &authority, at);
    assert!(met(now() + YEAR * 6 / 10));
    assert!(!met(now() + YEAR * 7 / 10));
    assert!(!met(now() - SignedDuration::from_hours(2)), "it does not hold yet");
    assert!(!authority.is_due(now() + YEAR).unwrap());
    assert!(authority.is_due(now() + YEAR * 7).unwrap());
}

#[test]
fn another_authority_or_other_names_are_not_met() {
    let (authority, _) = Authority::make("etcd-operator", now()).unwrap();
    let (other, _) = Authority::make("etcd-operator", now()).unwrap();
    let pair = leaf().sign(&authority, now()).unwrap();
    assert!(!leaf().is_met_by(&pair.certificate, &other, now()));
    let fewer = Leaf { names: vec!["kv-backup-sidecar.shop".into()], ..leaf() };
    assert!(!fewer.is_met_by(&pair.certificate, &authority, now()));
    assert!(!leaf().is_met_by("no certificate", &authority, now()));
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let (_, one) = Authority::make("etcd-operator", now()).unwrap();
    let broken = Pair { certificate: "-".into(), ..one };
    let error = Authority::read(&broken).err().unwrap().to_string();
    assert!(error.contains("delete its Secret"), "{error}");
}

#[test]
fn a_successor_is_trusted_for_a_week_before_it_signs() {
    let day = SignedDuration::from_hours(24);
    let first = Authorities::first("etcd-operator", now()).unwrap();
    assert!(first.rotated("etcd-operator", now() + YEAR).unwrap().is_none(), "it is not due");

    let due = now() + YEAR * 7;
    let both = first.rotated("etcd-operator", due).unwrap().unwrap();
    let next = both.next.clone().unwrap();
    assert_eq!(both.current.certificate, first.current.certificate, "the old one still signs");
    assert!(both.trusted.contains(&next.certificate) && both.trusted.contains(&first.trusted));
    assert!(both.rotated("etcd-operator", due + day * 6).unwrap().is_none());

    let after = both.rotated("etcd-operator", due + day * 8).unwrap().unwrap();
    assert_eq!(after.current.certificate, next.certificate);
    assert!(after.trusted.contains(&first.current.certificate), "what it signed is still in use");
    assert!(after.next.is_none());
    assert!(after.rotated("etcd-operator", due + YEAR).unwrap().is_none());
}
