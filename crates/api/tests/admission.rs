//! The rules of the custom resource definition, evaluated as the API server evaluates them.
//!
//! The cases are in `admission.yaml`; a scenario on a real API server runs the same ones, and sees
//! besides that the server accepts the rules themselves.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops where it fails")]

use std::{collections::BTreeSet, sync::LazyLock};

use api::v1beta1::Cluster;
use kube::core::cel::Validator;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    case: String,
    #[serde(default = "kv")]
    name: String,
    spec: Value,
    refused: Option<String>,
}

fn kv() -> String {
    "kv".to_owned()
}

impl Entry {
    fn object(&self) -> Value {
        json!({
            "apiVersion": "etcd.coreos.com/v1beta1",
            "kind": "Cluster",
            "metadata": { "name": self.name },
            "spec": self.spec,
        })
    }

    /// The sentences with which the rules refuse this case.
    fn refusals(&self) -> Vec<String> {
        match Validator::new().validate_with_defaults(&SCHEMA, &self.object(), None) {
            Ok(()) => Vec::new(),
            Err(errors) => errors.as_slice().iter().map(|error| error.message.clone()).collect(),
        }
    }
}

fn cases() -> Vec<Entry> {
    serde_saphyr::from_str(include_str!("admission.yaml")).unwrap()
}

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let crd = api::crd::cluster();
    let schema = crd.spec.versions[0].schema.as_ref().unwrap();
    serde_json::to_value(schema.open_api_v3_schema.as_ref().unwrap()).unwrap()
});

#[test]
fn bad_specs_are_refused_with_one_sentence_that_says_what_to_write() {
    for case in cases() {
        let refusals = case.refusals();
        let expected: Vec<_> = case.refused.iter().collect();
        assert_eq!(refusals.len(), expected.len(), "{}: {refusals:?}", case.case);
        for (refusal, expected) in refusals.iter().zip(expected) {
            assert!(refusal.contains(expected), "{}: {refusal}", case.case);
        }
    }
}

#[test]
fn what_is_admitted_can_be_read() {
    for case in cases().into_iter().filter(|case| case.refused.is_none()) {
        let read = serde_json::from_value::<Cluster>(case.object());
        assert!(read.is_ok(), "{}: {read:?}", case.case);
    }
}

#[test]
fn every_rule_refuses_some_case() {
    let said: BTreeSet<String> = cases().iter().flat_map(Entry::refusals).collect();
    let mut rules = BTreeSet::new();
    messages(&SCHEMA, &mut rules);
    assert!(rules.len() > 15, "the schema lost its rules");
    assert_eq!(rules.difference(&said).collect::<Vec<_>>(), Vec::<&String>::new());
}

/// Collects the message of each rule in `schema`.
fn messages(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            let rules = fields.get("x-kubernetes-validations").and_then(Value::as_array);
            for rule in rules.into_iter().flatten() {
                found.insert(rule["message"].as_str().unwrap().to_owned());
            }
            fields.values().for_each(|value| messages(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| messages(value, found)),
        _ => {}
    }
}
