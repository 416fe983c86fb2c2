//! What cannot be done is said in a sentence, with what to do; 2 for the command line, 1 for the rest.

use crate::harness::Archive;

const ID: &str = "000000000001e240-20261122T164906Z";

#[tokio::test]
async fn what_cannot_be_used_is_told_with_code_2() {
    let archive = Archive::in_a_folder();
    for (words, advice) in [
        (&["list", "--store", "ftp://x"][..], "s3://BUCKET"),
        (&["show", "12"], "as the list shows it"),
        (&["once", "--cluster", "kv", "--endpoints", "https://kv:2379"], "give --cacert FILE"),
        (&["once", "--cluster", "../kv"], "cluster"),
        (&["once", "--cluster", "kv", "--member", "ftp://kv"], "write it as http://HOST:PORT"),
        (&["once", "--cluster", "kv", "--user", "root"], "ETCDCTL_PASSWORD"),
        (&["list", "--store", "s3://key:plums@bucket"], "by the environment"),
        (&["once", "--cluster", "kv", "--namespace", "shop"], "--uid"),
        (&["list", "--log", "x=loud"], "write error, warn, info"),
    ] {
        let run = archive.run(words).await;
        let sentence = run.fails(2);
        assert!(sentence.contains(advice), "{words:?}: {sentence}");
        assert!(!sentence.contains("plums"), "a secret is shown: {sentence}");
    }
    for words in [
        &["once"][..],
        &["prune"],
        &["verify"],
        &["verify", ID, "--all"],
        &["fetch", ID],
        &["once", "--cluster", "kv", "--cert", "client.crt"],
        &["burn"],
    ] {
        assert_eq!(archive.run(words).await.code, Some(2), "{words:?}");
    }
}

#[tokio::test]
async fn what_fails_is_told_with_code_1() {
    let archive = Archive::in_a_folder();
    for (words, advice) in [
        (&["list", "--store", "file:///nowhere/at/all"][..], "create it, or correct its name"),
        (&["show", ID], "see what `list` shows"),
        (&["fetch", ID, "-o", "/tmp/never.db"], "see what `list` shows"),
        // Of a wrong prefix, all backups are good.
        (&["verify", "--all"], "nothing was verified"),
        (
            &["once", "--cluster", "kv", "--endpoints", "http://127.0.0.1:1"],
            "check that the member runs",
        ),
        (
            &[
                "once",
                "--cluster",
                "kv",
                "--endpoints",
                "https://127.0.0.1:1",
                "--cacert",
                "/nowhere.crt",
            ],
            "check the path",
        ),
    ] {
        let run = archive.run(words).await;
        let sentence = run.fails(1);
        assert!(sentence.contains(advice), "{words:?}: {sentence}");
    }
}

#[tokio::test]
async fn nothing_to_list_is_no_failure() {
    let archive = Archive::in_a_folder();
    assert_eq!(archive.json(&["list"]).await.as_array().unwrap().len(), 0);
    let run = archive.run(&["list"]).await;
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), ""));
    assert!(run.stderr.starts_with("no backups of that in the folder"), "{}", run.stderr);
    assert_eq!(archive.run(&["prune", "--keep-last", "1"]).await.code, Some(0));
}

#[tokio::test]
async fn the_help_shows_how_to_restore() {
    let archive = Archive::in_a_folder();
    let help = archive.run(&["--help"]).await;
    assert!(help.stdout.contains("etcdutl snapshot restore") && help.stdout.contains("gunzip -c"));
}
