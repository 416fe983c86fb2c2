//! The store's URL, as the sidecar's `--store` takes it. Text only: the operator opens no store.
//!
//! Credentials never stand in it; they reach the sidecar as files.

use api::sidecar::paths;
use api::v1beta1::{AzureSource, GcsSource, ObjectLockMode, S3Source};
use url::form_urlencoded::Serializer;

/// The backup volume.
pub fn volume() -> String {
    format!("file://{}", paths::VOLUME)
}

/// A bucket of that name with the options of the spec.
pub fn s3(bucket: &str, source: &S3Source) -> String {
    let mut query = Serializer::new(String::new());
    if let Some(endpoint) = &source.endpoint {
        query.append_pair("endpoint", endpoint.trim_end_matches('/'));
    }
    if let Some(region) = &source.region {
        query.append_pair("region", region);
    }
    if let Some(path_style) = source.force_path_style.or(source.endpoint.as_ref().map(|_| true)) {
        query.append_pair("pathStyle", if path_style { "true" } else { "false" });
    }
    if let Some(sse) = &source.sse {
        query.append_pair("sse", if sse.kms_key_id.is_some() { "aws:kms" } else { "AES256" });
        if let Some(key) = &sse.kms_key_id {
            query.append_pair("kmsKey", key);
        }
    }
    if let Some(lock) = &source.object_lock {
        let mode = match lock.mode {
            ObjectLockMode::Governance => "governance",
            ObjectLockMode::Compliance => "compliance",
        };
        query.append_pair("lock", mode).append_pair("lockDays", &lock.days.to_string());
    }
    let query = query.finish();
    let path = below(bucket, source.prefix.as_deref());
    if query.is_empty() { format!("s3://{path}") } else { format!("s3://{path}?{query}") }
}

/// A bucket of Google Cloud Storage.
pub fn gcs(source: &GcsSource) -> String {
    format!("gs://{}", below(&source.bucket, source.prefix.as_deref()))
}

/// A container of Azure.
pub fn azure(source: &AzureSource) -> String {
    let container = format!("{}/{}", source.account, source.container);
    format!("az://{}", below(&container, source.prefix.as_deref()))
}

fn below(root: &str, prefix: Option<&str>) -> String {
    match prefix {
        Some(prefix) => format!("{root}/{prefix}"),
        None => root.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn source(value: Value) -> S3Source {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_bucket_alone_has_no_options() {
        assert_eq!(s3("backups", &S3Source::default()), "s3://backups");
    }

    #[test]
    fn every_option_is_in_the_url() {
        let all = source(json!({
            "prefix": "etcd/shop",
            "endpoint": "http://weed.storage.svc:8333/",
            "region": "eu-west-1",
            "sse": {"kmsKeyId": "arn:aws:kms:eu:1:key/a b"},
            "objectLock": {"mode": "Governance", "days": 30},
        }));
        assert_eq!(
            s3("backups", &all),
            "s3://backups/etcd/shop?endpoint=http%3A%2F%2Fweed.storage.svc%3A8333&region=eu-west-1\
             &pathStyle=true&sse=aws%3Akms&kmsKey=arn%3Aaws%3Akms%3Aeu%3A1%3Akey%2Fa+b\
             &lock=governance&lockDays=30"
        );
    }

    #[test]
    fn path_style_goes_with_an_endpoint_unless_it_is_said_otherwise() {
        let url = |value| s3("b", &source(value));
        let endpoint = "http://store";
        assert!(url(json!({"endpoint": endpoint})).ends_with("pathStyle=true"));
        let host_style = url(json!({"endpoint": endpoint, "forcePathStyle": false}));
        assert!(host_style.ends_with("pathStyle=false"));
        assert_eq!(url(json!({"sse": {}})), "s3://b?sse=AES256");
    }

    #[test]
    fn the_other_stores_have_their_own_schemes() {
        let gcs_source: GcsSource =
            serde_json::from_value(json!({"bucket": "b-1", "prefix": "etcd"})).unwrap();
        assert_eq!(gcs(&gcs_source), "gs://b-1/etcd");
        let azure_source: AzureSource =
            serde_json::from_value(json!({"account": "acc", "container": "con"})).unwrap();
        assert_eq!(azure(&azure_source), "az://acc/con");
        assert_eq!(volume(), "file:///var/lib/etcd-backups");
    }
}
