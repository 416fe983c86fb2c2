//! File locks with a deadline; the kernel lets go of them when the holder ends, however it ends.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use super::error::Error;
use super::files;

/// Held until dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Waits for the lock on `path` for at most `limit`; [`Error::Busy`] after that.
pub(super) async fn acquire(path: &Path, limit: Duration) -> Result<Lock, Error> {
    if let Some(folder) = path.parent() {
        files::make_dir(folder)?;
    }
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(Error::file("open", path))?;
    let deadline = Instant::now() + limit;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Lock { _file: file }),
            Err(TryLockError::Error(source)) => return Err(Error::file("lock", path)(source)),
            Err(TryLockError::WouldBlock) if Instant::now() > deadline => {
                return Err(Error::Busy { limit });
            }
            Err(TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_holder_at_a_time_and_the_next_one_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/lock");
        let held = acquire(&path, Duration::ZERO).await.unwrap();
        let refused = acquire(&path, Duration::ZERO).await.unwrap_err();
        assert!(matches!(refused, Error::Busy { .. }), "{refused}");
        drop(held);
        acquire(&path, Duration::ZERO).await.unwrap();
    }
}
