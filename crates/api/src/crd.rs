//! The custom resource definitions, as they are installed.
//!
//! kube's derive makes them from the types; what it cannot say is corrected here. They are written
//! to `deploy/crds` by `cargo xtask crds` and never by the operator, which needs no right to
//! change its own API.

use std::iter;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
    ValidationRule,
};
use kube::CustomResourceExt;

use crate::v1beta1::{Backup, Cluster, rules};

/// The definition of [`Cluster`].
pub fn cluster() -> CustomResourceDefinition {
    corrected(Cluster::crd())
}

/// The definition of [`Backup`].
pub fn backup() -> CustomResourceDefinition {
    corrected(Backup::crd())
}

fn corrected(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let schemas = crd.spec.versions.iter_mut().filter_map(|version| version.schema.as_mut());
    for root in schemas.filter_map(|schema| schema.open_api_v3_schema.as_mut()) {
        refuse_null(root);
        check_quantities(root);
        unwrap_lines(root);
    }
    crd
}

/// Takes `nullable` off every field. An optional field that is null is then dropped by the API
/// server and gets its default; kept, it would look set to the rules and be no value to us.
fn refuse_null(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    children(schema).for_each(refuse_null);
}

/// Has amounts of CPU, memory and storage checked at admission, which Kubernetes does for its own
/// types only. The bounds let the API server bound the rule's cost.
fn check_quantities(schema: &mut JSONSchemaProps) {
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = schema.additional_properties.as_mut()
        && value.x_kubernetes_int_or_string == Some(true)
    {
        value.description = Some("An amount, such as 500m for CPU or 512Mi for memory.".to_owned());
        value.max_length = Some(32);
        value.x_kubernetes_validations = Some(rules::QUANTITY.map(ValidationRule::from).into());
        schema.max_properties = Some(16);
    }
    children(schema).for_each(check_quantities);
}

/// Joins the lines of a paragraph, which are as long as our source is wide: `kubectl explain`
/// wraps by itself. Lists, whose lines begin with a space or a dash, stay.
fn unwrap_lines(schema: &mut JSONSchemaProps) {
    if let Some(text) = schema.description.take() {
        schema.description = Some(join_lines(&text));
    }
    children(schema).for_each(unwrap_lines);
}

fn join_lines(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    for line in text.split('\n') {
        let starts_anew = line.is_empty() || line.starts_with([' ', '-']);
        match joined.chars().last() {
            None => {}
            Some('\n') => joined.push('\n'),
            Some(_) if starts_anew => joined.push('\n'),
            Some(_) => joined.push(' '),
        }
        joined.push_str(line);
    }
    joined
}

/// The schemas directly below one: of its fields, of its items, of a map's values.
fn children(schema: &mut JSONSchemaProps) -> impl Iterator<Item = &mut JSONSchemaProps> {
    let fields = schema.properties.iter_mut().flat_map(|fields| fields.values_mut());
    let items: Box<dyn Iterator<Item = &mut JSONSchemaProps>> = match schema.items.as_mut() {
        Some(JSONSchemaPropsOrArray::Schema(item)) => Box::new(iter::once(&mut **item)),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => Box::new(items.iter_mut()),
        None => Box::new(iter::empty()),
    };
    let values = match schema.additional_properties.as_mut() {
        Some(JSONSchemaPropsOrBool::Schema(value)) => Some(&mut **value),
        Some(JSONSchemaPropsOrBool::Bool(_)) | None => None,
    };
    fields.chain(items).chain(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(schema: &mut JSONSchemaProps, is_hit: fn(&JSONSchemaProps) -> bool) -> usize {
        let below: usize = children(schema).map(|child| count(child, is_hit)).sum();
        below + usize::from(is_hit(schema))
    }

    fn schema() -> JSONSchemaProps {
        let version = cluster().spec.versions.remove(0);
        version.schema.unwrap().open_api_v3_schema.unwrap()
    }

    #[test]
    fn every_field_is_reached_and_none_takes_null() {
        let fields = count(&mut schema(), |_| true);
        assert!(fields > 200, "only {fields} fields");
        assert_eq!(count(&mut schema(), |schema| schema.nullable.is_some()), 0);
    }

    #[test]
    fn amounts_are_checked_wherever_they_stand() {
        let is_amount = |schema: &JSONSchemaProps| schema.x_kubernetes_int_or_string == Some(true);
        let is_checked = |schema: &JSONSchemaProps| {
            schema.x_kubernetes_int_or_string == Some(true)
                && schema.x_kubernetes_validations.is_some()
        };
        // Requests and limits, of the pod's resources and of the volume's.
        assert_eq!(count(&mut schema(), is_amount), 4);
        assert_eq!(count(&mut schema(), is_checked), 4);
    }

    #[test]
    fn paragraphs_are_joined_and_lists_stay() {
        let text = "One\ntwo.\n\nThree\nfour:\n - a\n - b";
        assert_eq!(join_lines(text), "One two.\n\nThree four:\n - a\n - b");
    }

    #[test]
    fn a_version_is_never_defaulted() {
        let spec = schema().properties.unwrap().remove("spec").unwrap();
        // A default would be filled into the clusters there are, and upgrade them.
        assert!(spec.properties.unwrap()["version"].default.is_none());
    }
}
