//! How a bucket is reached: the SDK's client with our limits.

use std::sync::Arc;
use std::time::Duration;

use aws_config::{
    BehaviorVersion, Region, meta::region::RegionProviderChain, retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig, timeout::TimeoutConfig,
};
use aws_sdk_s3::{
    Client, Config,
    config::{RequestChecksumCalculation, ResponseChecksumValidation},
};

use super::{Encryption, Lock, S3};
use crate::{key::Key, store::Patience};

/// Where stores are that have no regions.
const DEFAULT_REGION: &str = "us-east-1";
const CONNECT: Duration = Duration::from_secs(5);
/// A call and two more tries, a second or so apart.
const ATTEMPTS: u32 = 3;
/// For a part of an upload of perhaps many GB: a store that asks to slow down may do so for a minute.
const ATTEMPTS_WITH_A_BODY: u32 = 8;
/// How much longer than for a small call an answer is waited for that makes one object of thousands of
/// parts: "processing could take several minutes" (AWS, `CompleteMultipartUpload`).
const JOINING: u32 = 10;

/// Which bucket, and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The bucket.
    pub bucket: String,
    /// The folder in it below which everything lies.
    pub prefix: Option<Key>,
    /// URL of a store other than Amazon's.
    pub endpoint: Option<String>,
    /// Region; nothing means what the environment says, or us-east-1.
    pub region: Option<String>,
    /// Whether the bucket stands in the path and not in the host name; nothing means: with an
    /// endpoint it does.
    pub path_style: Option<bool>,
    /// The encryption to ask for.
    pub encryption: Option<Encryption>,
    /// Who may delete locked objects.
    pub lock: Option<Lock>,
}

impl S3 {
    /// Reads the environment and the files that the SDK's chain of credentials names; asks nobody yet.
    /// Credentials: `AWS_ACCESS_KEY_ID` and its like, shared files, web identity, container and
    /// instance roles, in the SDK's order.
    pub async fn open(settings: &Settings, patience: Patience) -> Self {
        let region = settings.region.clone().map(Region::new);
        let region = RegionProviderChain::first_try(region).or_default_provider();
        let shared = aws_config::defaults(BehaviorVersion::latest())
            .region(region.or_else(DEFAULT_REGION))
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(limits(patience))
            // Our own limits watch the bodies: `body.rs` and `reading.rs`.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        let shared = match &settings.endpoint {
            Some(endpoint) => shared.endpoint_url(endpoint),
            None => shared,
        };
        let path_style = settings.path_style.unwrap_or(settings.endpoint.is_some());
        let config = aws_sdk_s3::config::Builder::from(&shared.load().await)
            .force_path_style(path_style)
            // Several compatible stores refuse the SDK's own; ours stand in the requests.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        Self {
            client: Client::from_conf(config),
            bucket: settings.bucket.as_str().into(),
            prefix: settings.prefix.clone(),
            encryption: settings.encryption.clone(),
            lock: settings.lock,
            knows_conditions: Arc::default(),
            patience,
        }
    }
}

fn limits(patience: Patience) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT.min(patience.attempt))
        .operation_attempt_timeout(patience.attempt)
        .operation_timeout(patience.call)
        .build()
}

/// For calls with a body, which may take as long as they move.
pub(super) fn unlimited(patience: Patience) -> aws_sdk_s3::config::Builder {
    let limits = TimeoutConfig::builder().connect_timeout(CONNECT);
    let limits = limits.disable_operation_attempt_timeout().disable_operation_timeout();
    let retries = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS_WITH_A_BODY)
        .with_max_backoff(patience.idle / 6);
    Config::builder().timeout_config(limits.build()).retry_config(retries)
}

/// For the call that makes one object of all parts.
pub(super) fn lasting(patience: Patience) -> aws_sdk_s3::config::Builder {
    let limit = patience.call * JOINING;
    let limits = TimeoutConfig::builder().connect_timeout(CONNECT);
    let limits = limits.operation_attempt_timeout(limit).operation_timeout(limit);
    Config::builder().timeout_config(limits.build())
}
