//! The ways in which a bucket's credentials are found: the files of a Secret, and a web identity.

use std::time::Duration;

use archive::store::{Patience, Put};
use bytes::Bytes;
use testbed::s3::{ACCESS_KEY, SECRET_KEY, Server};

use crate::{
    canned::{self, answer},
    child,
    s3::open,
    suite::key,
};

const SHORT: Patience = Patience {
    call: Duration::from_secs(20),
    idle: Duration::from_secs(10),
    attempt: Duration::from_secs(10),
};

/// The operator mounts a Secret's keys as files; not every Secret has a `config`.
#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_a_mounted_secret_open_a_bucket() {
    if let Some(url) = child::inside() {
        let store = open(&url, SHORT).await;
        let put = store.put_if_absent(&key("x"), Bytes::from_static(b"x"), None).await;
        return assert_eq!(put, Ok(Put::Created));
    }
    let server = Server::start().await;
    server.create_bucket("plums").await;
    let folder = tempfile::tempdir().unwrap();
    let keys = format!(
        "[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
    );
    std::fs::write(folder.path().join("credentials"), keys).unwrap();
    let [credentials, config] =
        ["credentials", "config"].map(|name| folder.path().join(name).display().to_string());
    let variables = [
        ("AWS_SHARED_CREDENTIALS_FILE", credentials.as_str()),
        ("AWS_CONFIG_FILE", config.as_str()),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let test = "credentials::the_keys_of_a_mounted_secret_open_a_bucket";
    let url = |path: &str| format!("s3://plums/{path}?endpoint={}", server.endpoint());
    child::run(test, &url("bare"), &variables);
    std::fs::write(&config, "[default]\nregion = eu-central-1\n").unwrap();
    child::run(test, &url("with-config"), &variables);
}

const STS: &str = "<AssumeRoleWithWebIdentityResponse \
    xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult>\
    <AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/backups/x</Arn>\
    <AssumedRoleId>A:x</AssumedRoleId></AssumedRoleUser><Credentials>\
    <AccessKeyId>ASIAQUINCE</AccessKeyId><SecretAccessKey>quince</SecretAccessKey>\
    <SessionToken>quince-session</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>\
    </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";

/// What Kubernetes gives a pod whose service account has a role: a token in a file, which the token
/// service changes for keys. (No real one is at hand: it is Amazon's.)
#[tokio::test(flavor = "multi_thread")]
async fn a_web_identity_is_changed_for_keys_that_sign_the_requests() {
    let test = "credentials::a_web_identity_is_changed_for_keys_that_sign_the_requests";
    if let Some(url) = child::inside() {
        let store = open(&url, SHORT).await;
        return assert_eq!(store.head(&key("x")).await.unwrap().size, 7);
    }
    let server = canned::Server::start(|head| match head.split(' ').next() {
        Some("post") => answer(200, "Content-Type: text/xml\r\n", STS),
        _ => answer(200, "Content-Length: 7\r\n", ""),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "token-of-the-pod").unwrap();
    let token = token.display().to_string();
    let variables = [
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/backups"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()),
        ("AWS_ENDPOINT_URL_STS", server.endpoint.as_str()),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let url = format!("s3://plums/p?endpoint={}", server.endpoint);
    // The child blocks this thread; the server has others.
    child::run(test, &url, &variables);

    let asked = server.bodies().into_iter().find(|body| body.contains("AssumeRole")).unwrap();
    for part in ["Action=AssumeRoleWithWebIdentity", "role%2Fbackups", "token-of-the-pod"] {
        assert!(asked.contains(part), "{part} is missing in {asked}");
    }
    let heads = server.heads();
    let head = heads.iter().find(|head| head.starts_with("head ")).unwrap();
    assert!(head.contains("credential=asiaquince/"), "{head}");
    assert!(head.contains("x-amz-security-token: quince-session"), "{head}");
}
