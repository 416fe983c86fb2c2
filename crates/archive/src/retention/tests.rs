//! Tables of policies, and what holds for all of them.

use proptest::prelude::*;

use super::*;

fn one(start: &str) -> Candidate {
    let start: Timestamp = start.parse().unwrap();
    // Revisions that grow with time.
    let revision = u64::try_from(start.as_second()).unwrap();
    Candidate { id: BackupId::new(revision, start), is_damaged: false, locked_until: None }
}

fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

/// The starts of those that stay.
fn kept(backups: &[Candidate], policy: &Policy) -> Vec<String> {
    let verdicts = judge(backups, policy, &BTreeSet::new(), now());
    assert_eq!(verdicts.len(), backups.len());
    let kept = verdicts.iter().filter(|verdict| verdict.fate == Fate::Keep);
    kept.map(|verdict| verdict.id.start().to_string()).collect()
}

/// Hourly from 2026-10-31T00:00 to 2026-11-02T23:00; the Sunday between is the month's first.
fn hourly() -> Vec<Candidate> {
    let hours =
        |day: &'static str| (0..24).map(move |hour| one(&format!("{day}T{hour:02}:05:00Z")));
    ["2026-10-31", "2026-11-01", "2026-11-02"].into_iter().flat_map(hours).collect()
}

#[test]
fn a_policy_that_says_nothing_keeps_five_and_zero_keeps_all() {
    let max = |max_backups| Policy { max_backups, ..Policy::default() };
    assert_eq!(kept(&hourly(), &max(None)).len(), 5);
    assert_eq!(kept(&hourly(), &max(Some(0))).len(), 72);
    assert_eq!(kept(&hourly(), &max(Some(2))), ["2026-11-02T23:05:00Z", "2026-11-02T22:05:00Z"]);
}

#[test]
fn a_rule_of_retention_stands_in_for_the_five() {
    let policy = Policy { keep_last: Some(1), ..Policy::default() };
    assert_eq!(kept(&hourly(), &policy), ["2026-11-02T23:05:00Z"]);
    let policy = Policy { max_backups: Some(2), ..policy };
    assert_eq!(kept(&hourly(), &policy).len(), 2);
}

#[test]
fn the_newest_of_each_period_stays() {
    let [last_day, last_hour] = ["2026-11-02T23:05:00Z", "2026-11-02T22:05:00Z"];
    let [sunday, saturday] = ["2026-11-01T23:05:00Z", "2026-10-31T23:05:00Z"];
    let none = Policy::default();
    for (policy, expected) in [
        (Policy { keep_hourly: Some(2), ..none }, vec![last_day, last_hour]),
        (Policy { keep_daily: Some(2), ..none }, vec![last_day, sunday]),
        (Policy { keep_daily: Some(9), ..none }, vec![last_day, sunday, saturday]),
        // Weeks begin on Monday, 2026-11-02.
        (Policy { keep_weekly: Some(5), ..none }, vec![last_day, sunday]),
        (Policy { keep_monthly: Some(5), ..none }, vec![last_day, saturday]),
        (
            Policy { keep_hourly: Some(2), keep_monthly: Some(2), ..none },
            vec![last_day, last_hour, saturday],
        ),
        (Policy { keep_hourly: Some(0), ..none }, vec![last_day]),
    ] {
        assert_eq!(kept(&hourly(), &policy), expected, "{policy:?}");
    }
}

#[test]
fn the_week_of_a_new_year_is_one_week() {
    let backups = ["2026-12-31T10:00:00Z", "2027-01-01T10:00:00Z", "2027-01-04T10:00:00Z"].map(one);
    let policy = Policy { keep_weekly: Some(5), ..Policy::default() };
    assert_eq!(kept(&backups, &policy), ["2027-01-04T10:00:00Z", "2027-01-01T10:00:00Z"]);
}

#[test]
fn a_damaged_backup_takes_no_place_and_the_newest_good_one_stays() {
    let mut backups = hourly();
    for damaged in backups.iter_mut().rev().take(3) {
        damaged.is_damaged = true;
    }
    let policy = Policy { max_backups: Some(1), ..Policy::default() };
    assert_eq!(kept(&backups, &policy), ["2026-11-02T23:05:00Z", "2026-11-02T20:05:00Z"]);
}

#[test]
fn a_clock_that_went_back_deletes_neither_end() {
    let old_clock = one("2026-11-02T10:00:00Z");
    let mut newest = one("2026-11-02T09:00:00Z");
    newest.id = BackupId::new(old_clock.id.revision() + 9, newest.id.start());
    let policy = Policy { max_backups: Some(1), ..Policy::default() };
    assert_eq!(kept(&[old_clock, newest], &policy).len(), 2);
}

#[test]
fn those_of_a_clock_that_was_ahead_push_nothing_out() {
    let ahead = ["2036-01-01", "2036-01-02", "2036-01-03", "2036-01-04", "2036-01-05"]
        .map(|day| one(&format!("{day}T10:00:00Z")));
    let mut today =
        ["09:00", "10:00", "11:00", "12:04"].map(|time| one(&format!("2026-11-24T{time}:00Z")));
    for (candidate, more) in today.iter_mut().zip(1..) {
        let revision = ahead[4].id.revision() + more;
        candidate.id = BackupId::new(revision, candidate.id.start());
    }
    let all: Vec<_> = ahead.into_iter().chain(today).collect();
    let policy = Policy { max_backups: Some(4), ..Policy::default() };
    let expected = [
        "2026-11-24T12:04:00Z",
        "2026-11-24T11:00:00Z",
        "2026-11-24T10:00:00Z",
        "2026-11-24T09:00:00Z",
        "2036-01-05T10:00:00Z",
    ];
    assert_eq!(kept(&all, &policy), expected);
}

#[test]
fn one_without_its_data_takes_no_good_ones_place() {
    use crate::{catalogue::fixture, digest::Digest, layout::ArchivePath};

    let listed = |revision, time: &str, stored_size| Listed {
        archive: ArchivePath::new("prod", "orders", "0e1f-77").unwrap(),
        id: BackupId::new(revision, fixture::at(time)),
        committed: fixture::at(time),
        stored_size,
        verified: None,
        damaged: None,
        wanted: None,
        others: Vec::new(),
        shares_its_folder: false,
    };
    let manifest = fixture::manifest(7, "2026-11-22T12:00:00Z");
    let whole = manifest.stored.size;
    let committed = Ok(Committed { manifest, digest: Digest::of(b"") });
    let unreadable = Err(Error::damaged("plum", "it is no JSON"));
    let policy = Policy { max_backups: Some(1), ..Policy::default() };
    for (stored_size, read) in
        [(None, &committed), (Some(whole - 1), &committed), (Some(whole), &unreadable)]
    {
        let good = Candidate::of(&listed(5, "10:00:00", Some(whole)), &committed);
        let bad = Candidate::of(&listed(7, "12:00:00", stored_size), read);
        assert!(bad.is_damaged && !good.is_damaged);
        let stay = kept(&[good, bad], &policy);
        assert_eq!(stay.len(), 2, "{stored_size:?}");
    }
}

#[test]
fn what_is_pinned_stays_and_what_is_locked_goes_later() {
    let backups = ["2026-11-01T10:00:00Z", "2026-11-01T11:00:00Z", "2026-11-01T12:00:00Z"].map(one);
    let [mut oldest, middle, newest] = backups;
    oldest.locked_until = Some("2026-11-25T00:00:00Z".parse().unwrap());
    let policy = Policy { max_backups: Some(1), ..Policy::default() };
    let pinned = BTreeSet::from([middle.id]);
    let verdicts = judge(&[oldest, middle, newest], &policy, &pinned, now());
    let said: Vec<_> = verdicts.iter().map(|one| (one.fate, one.why.as_str())).collect();
    assert_eq!(
        said,
        [
            (Fate::Keep, "the newest, one of the last 1"),
            (Fate::Keep, "named by a restore"),
            (Fate::Later, "locked by the store until 2026-11-25T00:00:00Z"),
        ]
    );
    let after =
        judge(&[oldest, middle, newest], &policy, &pinned, "2026-11-25T00:00:00Z".parse().unwrap());
    assert_eq!((after[2].fate, after[2].why.as_str()), (Fate::Delete, "no rule keeps it"));
}

fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
    let candidate = (0_u64..60, 0_i64..90 * 24, any::<bool>(), 0_u8..8).prop_map(
        |(revision, hour, half, damage)| {
            let start =
                Timestamp::from_second(1_790_000_000 + hour * 3600 + i64::from(half) * 1800)
                    .unwrap();
            Candidate {
                id: BackupId::new(revision, start),
                is_damaged: damage == 0,
                locked_until: None,
            }
        },
    );
    prop::collection::vec(candidate, 0..60).prop_map(|mut all| {
        all.sort_by_key(|one| one.id);
        all.dedup_by_key(|one| one.id);
        all
    })
}

fn number() -> impl Strategy<Value = Option<u32>> {
    prop::option::of(0_u32..8)
}

fn policies() -> impl Strategy<Value = Policy> {
    (number(), number(), number(), number(), number(), number()).prop_map(|all| Policy {
        max_backups: all.0,
        keep_last: all.1,
        keep_hourly: all.2,
        keep_daily: all.3,
        keep_weekly: all.4,
        keep_monthly: all.5,
    })
}

fn stay(backups: &[Candidate], policy: &Policy) -> BTreeSet<BackupId> {
    let verdicts = judge(backups, policy, &BTreeSet::new(), now());
    verdicts.into_iter().filter(|one| one.fate == Fate::Keep).map(|one| one.id).collect()
}

proptest! {
    #[test]
    fn the_newest_and_the_newest_good_one_always_stay(backups in candidates(), policy in policies()) {
        let stay = stay(&backups, &policy);
        for all in [backups.clone(), backups.iter().filter(|one| !one.is_damaged).copied().collect()] {
            let by_revision = all.iter().map(|one| one.id).max();
            let by_time = all.iter().map(|one| one.id).max_by_key(|id| age(*id));
            prop_assert!(by_revision.into_iter().chain(by_time).all(|id| stay.contains(&id)));
        }
    }

    #[test]
    fn pruning_a_second_time_deletes_nothing_more(backups in candidates(), policy in policies()) {
        let stay_once = stay(&backups, &policy);
        let left: Vec<_> = backups.into_iter().filter(|one| stay_once.contains(&one.id)).collect();
        prop_assert_eq!(stay(&left, &policy), stay_once);
    }

    #[test]
    fn a_larger_number_keeps_no_less(
        backups in candidates(), policy in policies(), rule in 0_usize..5, more in 1_u32..4,
    ) {
        let mut generous = policy;
        let field = [
            &mut generous.keep_last,
            &mut generous.keep_hourly,
            &mut generous.keep_daily,
            &mut generous.keep_weekly,
            &mut generous.keep_monthly,
        ].into_iter().nth(rule).unwrap();
        // A first rule would stand in for the default of five, which may want more.
        prop_assume!(field.is_some());
        *field = field.map(|number| number + more);
        prop_assert!(stay(&backups, &policy).is_subset(&stay(&backups, &generous)));
    }

    #[test]
    fn nothing_has_two_verdicts_and_none_is_without_a_reason(backups in candidates(), policy in policies()) {
        let verdicts = judge(&backups, &policy, &BTreeSet::new(), now());
        prop_assert_eq!(verdicts.iter().map(|one| one.id).collect::<BTreeSet<_>>().len(), backups.len());
        prop_assert!(verdicts.iter().all(|one| !one.why.is_empty()));
    }
}
