//! S3 servers that fail, are slow, lie, or know less than Amazon's.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

use archive::store::{PART, Patience, Put, Span, Store};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use crate::{
    canned::{Answer, Server, answer, refusal},
    child,
    s3::open,
    suite::{key, made},
};

const CREDENTIALS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "quince"),
    ("AWS_SECRET_ACCESS_KEY", "quince-secret"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
];

/// Short enough for a test, long enough for a loaded machine and the pauses before another try.
const SHORT: Patience = Patience {
    call: Duration::from_secs(20),
    idle: Duration::from_secs(10),
    attempt: Duration::from_secs(5),
};
/// For what stands still.
const SHORTEST: Patience = Patience { idle: Duration::from_secs(1), ..SHORT };

/// Whether this is the child, which has credentials; the outer test has run it otherwise.
fn is_inside(test: &str) -> bool {
    if child::inside().is_none() {
        child::run(&format!("faults::{test}"), "yes", &CREDENTIALS);
        return false;
    }
    true
}

async fn bucket(server: &Server, options: &str) -> Arc<dyn Store> {
    open(&format!("s3://plums/p?endpoint={}{options}", server.endpoint), SHORT).await
}

async fn impatient(server: &Server) -> Arc<dyn Store> {
    open(&format!("s3://plums/p?endpoint={}", server.endpoint), SHORTEST).await
}

fn is(head: &str, method: &str) -> bool {
    head.starts_with(&method.to_lowercase())
}

/// A server that takes everything: each name is free until something was put or completed, then the
/// object has `size` bytes.
fn takes_everything(size: usize) -> impl Fn(&str) -> Answer + Send + Sync {
    let stored = AtomicUsize::new(0);
    move |head| match head.split(' ').next() {
        Some("head") if stored.load(Ordering::SeqCst) == 0 => answer(404, "", ""),
        Some("head") => answer(200, &format!("Content-Length: {size}\r\n"), ""),
        Some("post") if head.contains("?uploads") => answer(
            200,
            "",
            "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>",
        ),
        Some("post") => {
            stored.store(1, Ordering::SeqCst);
            let done =
                "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>";
            answer(200, "", done)
        }
        Some("put") if head.contains("partnumber=") => answer(200, "ETag: \"p\"\r\n", ""),
        Some("put") => {
            stored.store(1, Ordering::SeqCst);
            answer(200, "ETag: \"e\"\r\n", "")
        }
        _ => answer(204, "", ""),
    }
}

async fn upload(store: &Arc<dyn Store>, size: usize) -> archive::Result<archive::store::Uploaded> {
    let until = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 365 * 100);
    let mut upload = store.begin_upload(&key("up"), Some(until)).await?;
    upload.write(made(size)).await?;
    upload.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn encryption_lock_and_checksums_are_asked_for_in_the_headers() {
    const KMS: &str = "&sse=aws:kms&kmsKey=key-7&lock=compliance&lockDays=3";
    const KMS_HEADERS: [&str; 3] = [
        "x-amz-server-side-encryption: aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id: key-7",
        "x-amz-object-lock-mode: compliance",
    ];
    const S3_KEYS: &str = "&sse=AES256&lock=governance&lockDays=3";
    const S3_HEADERS: [&str; 2] =
        ["x-amz-server-side-encryption: aes256", "x-amz-object-lock-mode: governance"];
    if !is_inside("encryption_lock_and_checksums_are_asked_for_in_the_headers") {
        return;
    }
    let asked: [(_, &[&str]); 2] = [(KMS, &KMS_HEADERS), (S3_KEYS, &S3_HEADERS)];
    for (size, (options, headers)) in
        [9, PART + 9].into_iter().flat_map(|size| asked.map(|asked| (size, asked)))
    {
        let server = Server::start(takes_everything(size)).await;
        upload(&bucket(&server, options).await, size).await.unwrap();
        let heads = server.heads();
        let made_by = |head: &&String| match size {
            9 => is(head, "put"),
            _ => is(head, "post") && head.contains("?uploads"),
        };
        let head = heads.iter().find(made_by).unwrap();
        let until = "x-amz-object-lock-retain-until-date: 2069-12-07t00:00:00z";
        for header in headers.iter().chain([&until]) {
            assert!(head.contains(header), "{header} is missing in\n{head}");
        }
        let has_key = head.contains("-aws-kms-key-id");
        assert_eq!(has_key, options == KMS, "{head}");
        let puts: Vec<_> = heads.iter().filter(|head| is(head, "put")).collect();
        assert_eq!(puts.len(), size.div_ceil(PART));
        assert!(puts.iter().all(|head| head.contains("x-amz-checksum-sha256: ")), "{puts:?}");
        let commit = heads.iter().rfind(|head| is(head, "put") || is(head, "post")).unwrap();
        let commit = if size == 9 { puts[0] } else { commit };
        assert!(commit.contains("if-none-match: *"), "{commit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_for_another_length_is_no_success() {
    if !is_inside("a_success_for_another_length_is_no_success") {
        return;
    }
    for size in [9, PART + 9] {
        let server = Server::start(takes_everything(size - 1)).await;
        let refused = upload(&bucket(&server, "").await, size).await.unwrap_err();
        assert_eq!(refused.reason(), "Damaged", "{size} bytes: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_keep_their_meaning_over_the_wire() {
    if !is_inside("refusals_keep_their_meaning_over_the_wire") {
        return;
    }
    for (status, code, expected) in [
        (404, "NoSuchKey", "NotFound"),
        (404, "NoSuchBucket", "NoBucket"),
        (400, "ExpiredToken", "Credentials"),
        (403, "InvalidAccessKeyId", "Credentials"),
        (403, "AccessDenied", "Denied"),
        (500, "InternalError", "Unavailable"),
        (503, "SlowDown", "Throttled"),
        (507, "InsufficientStorage", "Full"),
    ] {
        let server = Server::start(move |_| refusal(status, code)).await;
        let store = bucket(&server, "").await;
        let refused = store.get(&key("x"), Span::ALL).await.unwrap_err();
        assert_eq!(refused.reason(), expected, "reading, {status} {code}: {refused}");
        // Writing begins with HEAD, whose 503 comes without words and is not asked about again.
        let expected = if status == 503 { "Unavailable" } else { expected };
        let put = store.put_if_absent(&key("x"), Bytes::from_static(b"x"), None).await;
        assert_eq!(put.unwrap_err().reason(), expected, "writing, {status} {code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_500_or_503_is_tried_again() {
    if !is_inside("a_single_500_or_503_is_tried_again") {
        return;
    }
    for (status, code) in [(500, "InternalError"), (503, "SlowDown")] {
        let (first, good) = (AtomicUsize::new(0), takes_everything(PART + 9));
        let server = Server::start(move |head| {
            let fails = is(head, "put") && first.fetch_add(1, Ordering::SeqCst) == 0;
            if fails { refusal(status, code) } else { good(head) }
        })
        .await;
        upload(&bucket(&server, "").await, PART + 9).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_fails_in_the_middle_is_aborted() {
    if !is_inside("an_upload_that_fails_in_the_middle_is_aborted") {
        return;
    }
    let good = takes_everything(PART);
    let server =
        Server::start(
            move |head| {
                if is(head, "put") { refusal(500, "InternalError") } else { good(head) }
            },
        )
        .await;
    let refused = upload(&bucket(&server, "").await, 2 * PART).await.unwrap_err();
    assert_eq!(refused.reason(), "Unavailable", "{refused}");
    testbed::until("the upload is aborted", async || {
        let aborts = |head: &String| is(head, "delete") && head.contains("uploadid=u1");
        server.heads().iter().any(aborts).then_some(())
    })
    .await;
}

async fn reading(said: impl Fn() -> Answer + Send + Sync + 'static) -> archive::Result<Bytes> {
    let server = Server::start(move |_| said()).await;
    impatient(&server).await.get(&key("x"), Span::ALL).await?.bytes(100).await
}

const TEN: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 10\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_cut_is_no_object() {
    if !is_inside("a_body_that_is_cut_is_no_object") {
        return;
    }
    let refused = reading(|| Answer::Bytes(format!("{TEN}1234"))).await.unwrap_err();
    assert_eq!(refused.reason(), "Unavailable", "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_still_ends_and_what_is_slow_does_not() {
    if !is_inside("what_stands_still_ends_and_what_is_slow_does_not") {
        return;
    }
    let still = reading(|| Answer::Stall(format!("{TEN}1234"))).await.unwrap_err();
    assert_eq!(still.reason(), "Timeout", "{still}");
    let pause = Duration::from_millis(200);
    let slow = reading(move || Answer::Slow(TEN.to_owned(), "0123456789", pause)).await.unwrap();
    assert_eq!(slow, "0123456789");
    // A part goes nowhere: the server reads nothing of it and says nothing.
    let good = takes_everything(PART);
    let server =
        Server::start(
            move |head| {
                if is(head, "put") { Answer::Stall(String::new()) } else { good(head) }
            },
        )
        .await;
    let still = upload(&impatient(&server).await, 2 * PART).await.unwrap_err();
    assert_eq!(still.reason(), "Timeout", "{still}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_conditions_is_looked_at_first_and_read_back() {
    if !is_inside("a_store_without_conditions_is_looked_at_first_and_read_back") {
        return;
    }
    let good = takes_everything(4);
    let server = Server::start(move |head| match head.split(' ').next() {
        Some("put") if head.contains("if-none-match") => refusal(501, "NotImplemented"),
        Some("get") => answer(200, "", "mine"),
        _ => good(head),
    })
    .await;
    let store = bucket(&server, "").await;
    let put = async |text: &'static str| {
        store.put_if_absent(&key("x"), Bytes::from_static(text.as_bytes()), None).await.unwrap()
    };
    assert_eq!(put("mine").await, Put::Created);
    let puts = || server.heads().iter().filter(|head| is(head, "put")).count();
    let before = puts();
    assert_eq!(put("other").await, Put::AlreadyThere);
    assert_eq!(puts(), before, "an object that is there is not put again");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_writers_to_a_store_that_ignores_conditions_the_overwritten_one_is_told() {
    if !is_inside("of_two_writers_to_a_store_that_ignores_conditions_the_overwritten_one_is_told") {
        return;
    }
    let good = takes_everything(5);
    let server = Server::start(
        move |head| {
            if is(head, "get") { answer(200, "", "their") } else { good(head) }
        },
    )
    .await;
    let (store, mine) = (bucket(&server, "").await, Bytes::from_static(b"mine!"));
    let put = store.put_if_absent(&key("x"), mine, None).await;
    assert_eq!(put.unwrap(), Put::AlreadyThere);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_conditions_are_ignored_a_put_of_another_writer_that_comes_late_is_seen() {
    if !is_inside("where_conditions_are_ignored_a_put_of_another_writer_that_comes_late_is_seen") {
        return;
    }
    let (good, first) = (takes_everything(5), std::sync::OnceLock::new());
    let server = Server::start(move |head| {
        if is(head, "put") {
            first.get_or_init(std::time::Instant::now);
        }
        let is_late = first.get().is_some_and(|put| put.elapsed() > Duration::from_secs(1));
        match head.split(' ').next() {
            Some("get") if is_late => answer(200, "", "their"),
            Some("get") => answer(200, "", "mine!"),
            _ => good(head),
        }
    })
    .await;
    let (store, mine) = (bucket(&server, "").await, Bytes::from_static(b"mine!"));
    let put = store.put_if_absent(&key("x"), mine, None).await;
    assert_eq!(put.unwrap(), Put::AlreadyThere);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_that_an_upload_is_finished_may_take_longer_than_a_small_call() {
    const DONE: &str =
        "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>";
    if !is_inside("the_answer_that_an_upload_is_finished_may_take_longer_than_a_small_call") {
        return;
    }
    let good = takes_everything(PART + 9);
    let server = Server::start(move |head| {
        let said = good(head);
        if !is(head, "post") || head.contains("?uploads") {
            return said;
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", DONE.len());
        Answer::Slow(head, DONE, Duration::from_millis(50))
    })
    .await;
    let [call, idle, attempt] = [2, 10, 1].map(Duration::from_secs);
    let url = format!("s3://plums/p?endpoint={}", server.endpoint);
    let store = open(&url, Patience { call, idle, attempt }).await;
    upload(&store, PART + 9).await.unwrap();
    let ends = |head: &&String| is(head, "post") && !head.contains("?uploads");
    assert_eq!(server.heads().iter().filter(ends).count(), 1, "it is not asked for twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_with_a_put_that_is_under_way_is_tried_again() {
    if !is_inside("a_conflict_with_a_put_that_is_under_way_is_tried_again") {
        return;
    }
    for size in [9, PART + 9] {
        let (first, good) = (AtomicUsize::new(0), takes_everything(size));
        let server = Server::start(move |head| {
            let ends = head.contains("if-none-match");
            let fails = ends && first.fetch_add(1, Ordering::SeqCst) == 0;
            if fails { refusal(409, "ConditionalRequestConflict") } else { good(head) }
        })
        .await;
        upload(&bucket(&server, "").await, size).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_on_their_way_are_counted_before_their_part_is_stored() {
    if !is_inside("bytes_on_their_way_are_counted_before_their_part_is_stored") {
        return;
    }
    let good = takes_everything(PART);
    let server =
        Server::start(
            move |head| {
                if is(head, "put") { Answer::Stall(String::new()) } else { good(head) }
            },
        )
        .await;
    let mut upload = bucket(&server, "").await.begin_upload(&key("up"), None).await.unwrap();
    let moved = upload.moved();
    upload.write(made(PART)).await.unwrap();
    testbed::until("some of it has left", async || (moved.count() > 0).then_some(())).await;
    assert!(moved.count() < u64::try_from(PART).unwrap(), "and the rest waits");
}

/// A bucket with so many versions of an object, whose removal may be refused.
async fn versions(many: usize, is_refused: bool, options: &str) -> (Server, Arc<dyn Store>) {
    let left = AtomicUsize::new(many);
    let server = Server::start(move |head| match head.split(' ').next() {
        Some("head") if left.load(Ordering::SeqCst) == 0 => answer(404, "", ""),
        Some("head") => answer(200, "x-amz-version-id: v1\r\n", ""),
        Some("delete") if is_refused && head.contains("versionid=") => refusal(403, "AccessDenied"),
        _ => {
            left.fetch_sub(1, Ordering::SeqCst);
            answer(204, "", "")
        }
    })
    .await;
    let store = bucket(&server, options).await;
    (server, store)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_older_version_comes_to_light_when_the_newest_is_deleted() {
    if !is_inside("no_older_version_comes_to_light_when_the_newest_is_deleted") {
        return;
    }
    let deletes = |server: &Server| {
        server.heads().iter().filter(|head| is(head, "delete")).cloned().collect::<Vec<_>>()
    };
    let (server, store) = versions(2, false, "").await;
    store.delete(&key("x")).await.unwrap();
    let asked = deletes(&server);
    assert!(
        asked.len() == 2 && asked.iter().all(|head| head.contains("versionid=v1")),
        "{asked:?}"
    );

    let (server, store) = versions(1, true, "").await;
    store.delete(&key("x")).await.unwrap();
    assert_eq!(deletes(&server).len(), 2, "hidden, where versions must not be removed");

    // Where objects are locked, a refusal without a reason may mean the lock.
    let (server, store) = versions(1, true, "&lock=governance&lockDays=3").await;
    assert_eq!(store.delete(&key("x")).await.unwrap_err().reason(), "Locked");
    assert_eq!(deletes(&server).len(), 1);
}
