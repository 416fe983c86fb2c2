//! The user's cache folder: things named by what they were made from, so that what is there is right.
//!
//! A thing is made under another name and renamed when it is whole; a killed run leaves only a draft,
//! which the next one removes. One lock keeps two checkouts from making the same thing twice.

use std::future::Future;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::Error;
use super::files;

/// `$XDG_CACHE_HOME/etcd-operator`, or the same below `~/.cache`.
pub fn folder() -> Result<PathBuf, Error> {
    let absolute =
        |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("etcd-operator"))
        .ok_or_else(|| Error::Content {
            path: PathBuf::from("$HOME"),
            problem: "is not set; set it, or XDG_CACHE_HOME, to an absolute path".to_owned(),
        })
}

/// The SHA-256 of `parts` in order, as hexadecimal digits.
pub fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        // The length keeps "ab","c" apart from "a","bc".
        digest.update(part.len().to_le_bytes());
        digest.update(part);
    }
    hex(&digest.finalize())
}

fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('?');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Returns the folder `finished`, after `make` has filled it (under another name) if it is missing.
pub async fn folder_made_once<F, M>(finished: PathBuf, make: M) -> Result<PathBuf, Error>
where
    F: Future<Output = Result<(), Error>>,
    M: FnOnce(PathBuf) -> F,
{
    if finished.is_dir() {
        return Ok(finished);
    }
    let draft = draft_of(&finished);
    files::remove_all(&draft)?;
    files::make_dir(&draft)?;
    make(draft.clone()).await?;
    std::fs::rename(&draft, &finished).map_err(Error::file("rename to", &finished))?;
    Ok(finished)
}

/// Makes `link` lead to `target`, at no moment to nothing.
pub(super) fn point_to(link: &Path, target: &Path) -> Result<(), Error> {
    if std::fs::read_link(link).is_ok_and(|current| current == target) {
        return Ok(());
    }
    let draft = draft_of(link);
    // A killed run may have left it.
    std::fs::remove_file(&draft).ok();
    std::os::unix::fs::symlink(target, &draft).map_err(Error::file("link", &draft))?;
    std::fs::rename(&draft, link).map_err(Error::file("rename to", link))
}

fn draft_of(finished: &Path) -> PathBuf {
    let mut name = finished.file_name().unwrap_or_default().to_owned();
    name.push(".unfinished");
    finished.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_tells_where_one_part_ends() {
        let of = |parts: [&str; 2]| fingerprint(parts.map(str::as_bytes));
        assert_ne!(of(["ab", "c"]), of(["a", "bc"]));
        assert_eq!(of(["ab", "c"]).len(), 64);
        assert_eq!(hex(&[0x00, 0x9f, 0xa0]), "009fa0");
    }

    #[test]
    fn a_link_follows_the_newest_target() {
        let base = tempfile::tempdir().unwrap();
        let link = base.path().join("etcd-3.6");
        for target in ["one", "two", "two"] {
            point_to(&link, Path::new(target)).unwrap();
            assert_eq!(std::fs::read_link(&link).unwrap(), Path::new(target));
        }
    }

    #[tokio::test]
    async fn a_failed_making_leaves_nothing_that_looks_finished() {
        let base = tempfile::tempdir().unwrap();
        let finished = base.path().join("thing-1");
        let half = |draft: PathBuf| async move {
            files::write(draft.join("half"), "")?;
            Err(Error::NotUp)
        };
        folder_made_once(finished.clone(), half).await.unwrap_err();
        assert!(!finished.exists());
        let whole = |draft: PathBuf| async move { files::write(draft.join("whole"), "") };
        folder_made_once(finished.clone(), whole).await.unwrap();
        assert!(finished.join("whole").exists());
        assert!(!finished.join("half").exists(), "the remains of the first try are in the second");
    }
}
