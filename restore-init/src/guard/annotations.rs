//! The pod's annotations, as a downward-API volume writes them.
//!
//! One `key="value"` per line, the value quoted as Go quotes strings (Kubernetes,
//! pkg/fieldpath/fieldpath.go, `FormatMap`), so a value with line ends stays on its line.

use std::{fs, path::Path};

use anyhow::{Context, bail};
use api::annotations::SERVED;

/// Whether the operator has recorded that this pod served. An unreadable file is an error: it must
/// not count as "never served".
pub(crate) fn has_served(file: &Path) -> anyhow::Result<bool> {
    let text = fs::read_to_string(file).with_context(|| {
        format!("the pod's annotations cannot be read from {}; mount them there", file.display())
    })?;
    served(&text)
}

fn served(text: &str) -> anyhow::Result<bool> {
    let mut values = text.lines().filter_map(|line| line.strip_prefix(SERVED)?.strip_prefix('='));
    match values.next() {
        None | Some(r#""false""#) => Ok(false),
        Some(r#""true""#) => Ok(true),
        Some(other) => bail!("the annotation {SERVED} is {other}; make it \"true\" or \"false\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_annotation_says_whether_the_pod_has_served() {
        let others = "etcd.coreos.com/role=\"joiner\"\nkubernetes.io/config.seen=\"2026\"\n";
        for (line, expected) in [
            ("", false),
            ("etcd.coreos.com/served=\"true\"\n", true),
            ("etcd.coreos.com/served=\"false\"\n", false),
            ("etcd.coreos.com/served-before=\"true\"\n", false),
            ("example.com/etcd.coreos.com/served=\"true\"\n", false),
            ("note=\"see\\netcd.coreos.com/served=\\\"true\\\"\"\n", false),
        ] {
            assert_eq!(served(&format!("{others}{line}")).unwrap(), expected, "{line}");
        }
        assert!(!served("").unwrap());
    }

    #[test]
    fn any_other_value_is_an_error_that_says_what_to_write() {
        let error = served("etcd.coreos.com/served=\"yes\"\n").unwrap_err();
        assert!(error.to_string().contains("make it \"true\" or \"false\""), "{error}");
    }
}
