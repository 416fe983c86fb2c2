use super::*;

fn parse(text: &str) -> Location {
    text.parse().unwrap()
}

#[test]
fn every_form_survives_its_text() {
    for text in [
        "s3://backups",
        "s3://backups/a/b",
        "s3://b/p?endpoint=http%3A%2F%2F10.0.0.1%3A8333&region=eu-west-1&pathStyle=false",
        "s3://b?sse=AES256",
        "s3://b?sse=aws%3Akms&kmsKey=arn%3Aaws%3Akms%3Akey",
        "s3://b?lock=compliance&lockDays=30",
        "file:///var/lib/etcd-backups",
        "gs://bucket/prefix",
        "az://account/container/prefix",
    ] {
        assert_eq!(parse(text).to_string(), text);
    }
}

#[test]
fn an_endpoint_may_stand_unescaped() {
    let Location::S3 { settings, .. } = parse("s3://b/p?endpoint=http://127.0.0.1:8333") else {
        panic!("it is S3")
    };
    assert_eq!(settings.endpoint.as_deref(), Some("http://127.0.0.1:8333"));
    assert_eq!(settings.prefix.unwrap().as_str(), "p");
}

#[test]
fn what_cannot_be_used_is_refused_with_a_sentence_that_says_what_to_write() {
    for (text, hint) in [
        ("", "s3://BUCKET/PREFIX"),
        ("backups", "s3://BUCKET/PREFIX"),
        ("ftp://b", "s3://BUCKET/PREFIX"),
        ("s3://", "s3://BUCKET/PREFIX"),
        ("s3:///prefix", "s3://BUCKET/PREFIX"),
        ("s3://key:secret@b", "AWS_ACCESS_KEY_ID"),
        ("s3://b?endpoint=nonsense", "https://HOST:PORT"),
        ("s3://b?endpoint=http://u:p@h", "without credentials"),
        ("s3://b?pathStyle=yes", "true or false"),
        ("s3://b?sse=rot13", "AES256 or aws:kms"),
        ("s3://b?sse=AES256&kmsKey=k", "leave it out"),
        ("s3://b?lock=governance", "both lock and lockDays"),
        ("s3://b?lockDays=3", "both lock and lockDays"),
        ("s3://b?lock=governance&lockDays=0", "at least 1"),
        ("s3://b?lock=maybe&lockDays=1", "governance or compliance"),
        ("s3://b?endpiont=http://h", "its options are"),
        ("s3://b?region=a&region=b", "write it once"),
        ("s3://b/p#x", "%23"),
        ("file://host/folder", "three slashes"),
        ("file:///x?region=a", "its options are none"),
        ("gs://", "gs://BUCKET/PREFIX"),
        ("az://account", "az://ACCOUNT/CONTAINER"),
    ] {
        let error = text.parse::<Location>().unwrap_err();
        assert_eq!(error.reason(), "BadInput", "{text}");
        assert!(error.to_string().contains(hint), "{text}: {error}");
    }
}

#[test]
fn a_path_that_leads_elsewhere_is_not_a_prefix() {
    for text in ["s3://b/.hidden", "s3://b/a%2Fb", "s3://b/ä"] {
        assert!(text.parse::<Location>().is_err(), "{text}");
    }
}

#[test]
fn a_backup_is_locked_for_the_days_after_its_start() {
    let lock = |text: &str| parse(text).lock();
    assert_eq!(lock("s3://b?lock=governance&lockDays=2"), Some(SignedDuration::from_hours(48)));
    assert_eq!(lock("s3://b"), None);
}
