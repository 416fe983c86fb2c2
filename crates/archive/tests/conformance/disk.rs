//! A folder on a disk without room.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use archive::store::{PART, Patience, Put, Store, files::Files};
use bytes::Bytes;
use tempfile::TempDir;

use crate::suite::{key, list, made, read};

/// A small file system in memory, unmounted at the end.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount(megabytes: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path());
        let mounted = mount.status().unwrap();
        assert!(mounted.success(), "cannot mount a tmpfs: run this test as root");
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg(self.path()).status().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_leaves_nothing_behind_and_works_when_there_is_room_again() {
    let disk = SmallDisk::mount(20);
    let store: Arc<dyn Store> = Arc::new(Files::open(disk.path(), Patience::default()).unwrap());
    let target = key("v1/a/data");
    let mut upload = store.begin_upload(&target, None).await.unwrap();
    let failed = async {
        for piece in [made(2 * PART), made(2 * PART)] {
            upload.write(piece).await?;
        }
        upload.finish().await
    };
    let full = failed.await.unwrap_err();
    assert_eq!(full.reason(), "Full", "{full}");
    testbed::until("nothing is left behind", async || {
        std::fs::read_dir(disk.path()).unwrap().next().is_none().then_some(())
    })
    .await;
    let filler = disk.path().join("filler");
    std::fs::write(&filler, made(21 << 20)).unwrap_err();
    let put = store.put_if_absent(&key("v1/a/manifest"), made(1 << 20), None).await;
    assert_eq!(put.unwrap_err().reason(), "Full");
    assert!(list(&store, "v1").await.is_empty());
    std::fs::remove_file(filler).unwrap();
    let put = store.put_if_absent(&target, Bytes::from_static(b"fits"), None).await;
    assert_eq!(put.unwrap(), Put::Created);
    assert_eq!(read(&store, &target).await, "fits");
}
