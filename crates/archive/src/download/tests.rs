//! What comes out is what went in, or an error; broken connections are mended.

use std::sync::Mutex;
use std::time::Duration;

use flate2::{Compression, write::GzEncoder};

use super::*;
use crate::{catalogue::fixture, digest::Digest, store::objects::Objects};

/// Gives the stored bytes in small pieces and breaks off after some of them, as often as told.
struct Breaking {
    stored: Bytes,
    breaks: Mutex<Vec<(usize, Error)>>,
    reads: Mutex<Vec<u64>>,
}

#[async_trait]
impl Origin for Breaking {
    async fn read(&self, from: u64) -> Result<BoxStream<'static, Result<Bytes>>> {
        self.reads.lock().unwrap().push(from);
        let rest = self.stored.slice(usize::try_from(from).unwrap()..);
        let mut pieces: Vec<Result<Bytes>> =
            rest.chunks(1000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        if let Some((after, error)) = self.breaks.lock().unwrap().pop() {
            pieces.truncate(after);
            pieces.push(Err(error));
        }
        Ok(stream::iter(pieces).boxed())
    }
}

fn raw() -> Vec<u8> {
    (0..400_000_u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes())
        .take(700_000)
        .collect()
}

fn gzip(raw: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(1));
    std::io::Write::write_all(&mut encoder, raw).unwrap();
    encoder.finish().unwrap()
}

fn manifest(raw: &[u8], stored: &[u8]) -> Manifest {
    let mut manifest = fixture::manifest(7, "2026-11-22T10:00:00Z");
    let size = |bytes: &[u8]| u64::try_from(bytes.len()).unwrap();
    (manifest.raw.size, manifest.raw.sha256) = (size(raw), Digest::of(raw));
    (manifest.stored.size, manifest.stored.sha256) = (size(stored), Digest::of(stored));
    manifest
}

fn breaking(stored: Vec<u8>, breaks: Vec<(usize, Error)>) -> Arc<Breaking> {
    let (breaks, reads) = (Mutex::new(breaks), Mutex::default());
    Arc::new(Breaking { stored: stored.into(), breaks, reads })
}

async fn whole(mut download: Download) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(bytes) = download.next().await? {
        all.extend_from_slice(&bytes);
    }
    assert_eq!(download.received(), download.stored_size());
    Ok(all)
}

fn unavailable() -> Error {
    Error::Unavailable("cut".to_owned())
}

#[tokio::test]
async fn a_stored_backup_comes_back_as_it_was() {
    let (raw, store) = (raw(), Arc::new(Objects::memory()));
    let stored = gzip(&raw);
    let manifest = manifest(&raw, &stored);
    let key = fixture::archive().data(manifest.id).unwrap();
    store.put_if_absent(&key, stored.into(), None).await.unwrap();
    let download = Download::open(store, &fixture::archive(), &manifest).unwrap();
    assert!(whole(download).await.unwrap() == raw);
}

#[tokio::test]
async fn an_object_of_another_size_is_damaged_before_its_first_byte() {
    let store = Arc::new(Objects::memory());
    let manifest = manifest(b"plums", &gzip(b"plums"));
    fixture::put(&*store, fixture::archive().data(manifest.id).unwrap(), "short").await;
    let download = Download::open(store, &fixture::archive(), &manifest).unwrap();
    let error = whole(download).await.unwrap_err();
    assert!(error.to_string().contains("it has 5 bytes where its manifest says"), "{error}");
}

#[tokio::test]
async fn a_broken_connection_is_taken_up_where_it_broke() {
    let raw = raw();
    let stored = gzip(&raw);
    let origin =
        breaking(stored.clone(), vec![(0, unavailable()), (70, unavailable()), (3, unavailable())]);
    let download = Download::of(origin.clone(), &manifest(&raw, &stored)).unwrap();
    assert!(whole(download).await.unwrap() == raw);
    assert_eq!(*origin.reads.lock().unwrap(), [0, 3000, 73_000, 73_000]);
}

/// Without the thread that decodes, which would hold up the paused clock.
#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_again_ends_in_its_error() {
    let origin = breaking(gzip(&raw()), vec![(0, unavailable()); 20]);
    let (send, mut stored) = mpsc::channel(1);
    resume::read("plum".into(), origin.clone(), 5, Arc::default(), send).await;
    assert_eq!(stored.recv().await, Some(Err(unavailable())));
    assert_eq!(origin.reads.lock().unwrap().len(), 7);
}

#[tokio::test]
async fn what_no_second_try_mends_is_not_tried_again() {
    let raw = raw();
    let stored = gzip(&raw);
    let gone = Error::NotFound("plum".to_owned());
    let origin = breaking(stored.clone(), vec![(2, gone.clone())]);
    let download = Download::of(origin.clone(), &manifest(&raw, &stored)).unwrap();
    assert_eq!(whole(download).await.unwrap_err(), gone);
    assert_eq!(origin.reads.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn every_disagreement_with_the_manifest_is_found() {
    let raw = raw();
    let stored = gzip(&raw);
    let mut flipped = stored.clone();
    flipped[300_000] ^= 4;
    let mut cut = stored.clone();
    cut.truncate(300_000);
    let mut said = [(); 5].map(|()| manifest(&raw, &stored));
    said[0].raw.size += 1;
    said[1].raw.sha256 = Digest::of(b"");
    said[2].stored.sha256 = Digest::of(b"");
    said[3].raw.size -= 1;
    let last = manifest(&raw, &cut);
    for (manifest, stored) in
        said.into_iter().zip([&stored, &stored, &stored, &stored, &flipped]).chain([(last, &cut)])
    {
        let download = Download::of(breaking(stored.clone(), Vec::new()), &manifest).unwrap();
        assert_eq!(whole(download).await.unwrap_err().reason(), "Damaged");
    }
}

#[test]
fn an_encoding_that_is_not_known_is_refused() {
    let mut manifest = manifest(b"", b"");
    manifest.stored.encodings = vec!["gzip".into(), "age".into()];
    let error = Download::of(breaking(Vec::new(), Vec::new()), &manifest).unwrap_err();
    assert!(error.to_string().contains("use a newer one"), "{error}");
}

/// Ends only because the reading ends: its channel closes then.
#[tokio::test]
async fn dropping_a_download_ends_its_reading() {
    let raw = raw();
    let stored = gzip(&raw);
    let origin = breaking(stored.clone(), Vec::new());
    let mut download = Download::of(origin.clone(), &manifest(&raw, &stored)).unwrap();
    download.next().await.unwrap().unwrap();
    drop(download);
    let alone = async {
        while Arc::strong_count(&origin) > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), alone).await.unwrap();
}
