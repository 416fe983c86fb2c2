//! Damaged backups are named, with what is wrong, and given to nobody.

use testbed::{cluster::Cluster, programs::Version};

use crate::harness::Archive;

async fn one_backup() -> (Archive, String) {
    let cluster = Cluster::start(Version::V3_6, 1).await;
    let archive = Archive::in_a_folder();
    let manifest = archive.take(&cluster, &[]).await;
    (archive, manifest.id.to_string())
}

#[tokio::test]
async fn a_flipped_bit_is_found_recorded_and_refused() {
    let (archive, id) = one_backup().await;
    assert_eq!(archive.run(&["verify", &id]).await.code, Some(0));
    let data = archive.file("data.db.gz");
    let mut bytes = std::fs::read(&data).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 16;
    std::fs::write(&data, bytes).unwrap();

    let run = archive.run(&["verify", &id]).await;
    assert_eq!(run.code, Some(1));
    assert!(
        run.stdout.contains(&format!("{id}  DAMAGED: backup {id} is damaged: ")),
        "{}",
        run.stdout
    );
    archive.file("damaged-");
    let list = archive.run(&["list"]).await;
    assert!(list.stdout.contains("found damaged"), "{}", list.stdout);

    let file = archive.scratch("kv.db");
    let fetched = archive.run(&["fetch", &id, "-o", file.to_str().unwrap()]).await;
    assert!(fetched.fails(1).contains(&format!("backup {id} is damaged")), "{}", fetched.stderr);
    let left: Vec<_> = std::fs::read_dir(file.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().contains("kv.db"))
        .collect();
    assert_eq!(left, [""; 0], "nothing of it is left");
}

#[tokio::test]
async fn data_that_is_gone_or_cut_is_a_finding_too() {
    let (archive, id) = one_backup().await;
    let data = archive.file("data.db.gz");
    let bytes = std::fs::read(&data).unwrap();
    std::fs::write(&data, &bytes[..bytes.len() - 1]).unwrap();
    let run = archive.run(&["verify", "--all"]).await;
    assert!(run.stdout.contains("where its manifest says"), "{}", run.stdout);
    std::fs::remove_file(&data).unwrap();
    let run = archive.run(&["verify", "--all"]).await;
    assert!(run.code == Some(1) && run.stdout.contains("is not in the store"), "{}", run.stdout);
    assert!(run.stdout.contains(&id));
}

#[tokio::test]
async fn a_damaged_manifest_is_shown_beside_the_good_ones() {
    let cluster = Cluster::start(Version::V3_6, 1).await;
    let archive = Archive::in_a_folder();
    let damaged = archive.take(&cluster, &[]).await;
    std::fs::write(archive.file("manifest-"), "{").unwrap();
    cluster.client(0).await.put(b"/fig", b"leaf").await.unwrap();
    let good = archive.take(&cluster, &[]).await;

    let list = archive.json(&["list"]).await;
    assert_eq!(list[0]["id"], good.id.to_string());
    assert_eq!(list[1]["id"], damaged.id.to_string());
    assert!(list[1]["damaged"].as_str().unwrap().contains("no JSON"), "{list}");
    let run = archive.run(&["show", &damaged.id.to_string()]).await;
    assert!(run.fails(1).contains("its manifest is no JSON"), "{}", run.stderr);
}

#[tokio::test]
async fn a_file_that_is_there_is_replaced_only_by_force() {
    let (archive, id) = one_backup().await;
    let file = archive.scratch("kv.db");
    std::fs::write(&file, "mine").unwrap();
    let fetch = ["fetch", &id, "-o", file.to_str().unwrap()];
    let run = archive.run(&fetch).await;
    assert!(run.fails(1).contains("--force"), "{}", run.stderr);
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    assert_eq!(archive.run(&[&fetch[..], &["--force"]].concat()).await.code, Some(0));
    assert!(std::fs::metadata(&file).unwrap().len() > 10_000);
}
