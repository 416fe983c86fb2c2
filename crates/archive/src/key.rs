//! Keys: the names of objects below a store's prefix.
//!
//! A key is made of segments that no store and no file system reads as anything but a name. What was
//! not checked cannot become a key, so nothing that a spec, a manifest or a command line says leads
//! out of the prefix.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// A file name may have 255 bytes (ext4, xfs); what is left is for names of unfinished uploads.
const LONGEST_SEGMENT: usize = 200;
/// S3 takes 1024 bytes with the prefix.
const LONGEST_KEY: usize = 700;

/// The name of an object, or of a folder of objects, relative to the store's prefix.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// The key as the store is asked for it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key one level below.
    pub fn join(&self, segment: &str) -> Result<Self> {
        check_segment(segment)?;
        format!("{}/{segment}", self.0).parse()
    }

    /// The folder that it lies in; nothing at the top.
    pub fn folder(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(folder, _)| Self(folder.to_owned()))
    }

    /// The segments below `folder`; nothing when the key does not lie there.
    pub fn below(&self, folder: &Self) -> Option<impl Iterator<Item = &str>> {
        let rest = self.0.strip_prefix(&folder.0)?.strip_prefix('/')?;
        Some(rest.split('/'))
    }
}

impl FromStr for Key {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.split('/').try_for_each(check_segment)?;
        if text.len() > LONGEST_KEY {
            return Err(Error::BadInput(format!(
                "the path {text:?} is too long; use at most {LONGEST_KEY} characters"
            )));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Refuses what is not one plain name: empty, `.` and `..`, slashes, hidden files, other characters.
pub(crate) fn check_segment(segment: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let good = !segment.is_empty()
        && segment.len() <= LONGEST_SEGMENT
        && !segment.starts_with('.')
        && segment.chars().all(is_plain);
    if good {
        return Ok(());
    }
    Err(Error::BadInput(format!(
        "{segment:?} cannot be a part of a path; use 1 to {LONGEST_SEGMENT} letters, digits and \
         - _ . and no dot at its start"
    )))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_leads_elsewhere_is_no_key() {
        let long = "x".repeat(201);
        for text in
            ["", "/", "a/", "/a", "a//b", "..", "a/../b", ".", "a/./b", ".hidden", "a b", "a\\b"]
                .into_iter()
                .chain(["a%2fb", "a\0", "ä", "a#1", "a?b", long.as_str()])
        {
            assert_eq!(text.parse::<Key>().unwrap_err().reason(), "BadInput", "{text:?}");
        }
        assert!("v1/prod/orders_1/a.b-c".parse::<Key>().is_ok());
    }

    #[test]
    fn a_segment_to_join_has_no_slash() {
        let key: Key = "v1".parse().unwrap();
        assert_eq!(key.join("a").unwrap().as_str(), "v1/a");
        for segment in ["a/b", "", "..", "/"] {
            assert!(key.join(segment).is_err(), "{segment:?}");
        }
    }

    #[test]
    fn a_folder_holds_whole_segments_only() {
        let [folder, key, other] =
            ["v1/a", "v1/a/b/c", "v1/ab/c"].map(|text| text.parse::<Key>().unwrap());
        assert_eq!(key.below(&folder).unwrap().collect::<Vec<_>>(), ["b", "c"]);
        assert!(other.below(&folder).is_none());
        assert!(folder.below(&folder).is_none());
    }

    proptest! {
        #[test]
        fn no_text_becomes_a_key_that_leaves_its_folder(text in "[a./\\\\%# -]{0,12}") {
            if let Ok(key) = text.parse::<Key>() {
                let path = std::path::Path::new(key.as_str());
                let plain = |part| matches!(part, std::path::Component::Normal(_));
                prop_assert!(path.components().all(plain), "{key}");
            }
        }
    }
}
