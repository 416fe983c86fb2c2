//! What is written is read by gunzip and by us; what is damaged is refused.

use std::io::Write;
use std::process::{Command, Stdio};

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::error::Result;

/// Compressible, and without a period that fits a block.
pub(super) fn text(length: usize) -> Vec<u8> {
    let mut state = 7_u32;
    let mut word = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        format!("/registry/pods/ns-{}/pod-{} ", state >> 28, state >> 20)
    };
    let mut text = Vec::new();
    while text.len() < length {
        text.extend_from_slice(word().as_bytes());
    }
    text.truncate(length);
    text
}

async fn compress(raw: &[u8], piece: usize, parallel: usize) -> Vec<u8> {
    let mut compressor = Compressor::new(parallel);
    let mut out = Vec::new();
    for bytes in raw.chunks(piece) {
        out.extend(compressor.push(Bytes::copy_from_slice(bytes)).await.unwrap());
    }
    out.extend(compressor.finish().await.unwrap());
    out.concat()
}

/// What both readers make of it, which must be the same.
fn decode(gzip: &[u8], piece: usize, limit: u64) -> Result<Vec<u8>> {
    let (one, other) = (alone(gzip, piece, limit), in_parallel(gzip, piece, limit));
    assert_eq!(one.is_ok(), other.is_ok(), "{:?}, {:?}", one.err(), other.err());
    assert!(one.as_ref().ok() == other.as_ref().ok());
    one.and(other)
}

/// On threads of a runtime, and not on one of its own.
fn in_parallel(gzip: &[u8], piece: usize, limit: u64) -> Result<Vec<u8>> {
    let unpack = || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _inside = runtime.enter();
        let mut raw = Vec::new();
        let mut unpacker = Unpacker::new("plum", limit, |chunk: Bytes| {
            assert!(chunk.len() <= CHUNK);
            raw.extend_from_slice(&chunk);
            Ok(())
        });
        gzip.chunks(piece).try_for_each(|bytes| unpacker.push(bytes))?;
        unpacker.finish()?;
        Ok(raw)
    };
    std::thread::scope(|scope| scope.spawn(unpack).join().unwrap())
}

fn alone(gzip: &[u8], piece: usize, limit: u64) -> Result<Vec<u8>> {
    let mut raw = Vec::new();
    let mut decoder = Decoder::new("plum", limit, |chunk: Bytes| {
        assert!(chunk.len() <= CHUNK);
        raw.extend_from_slice(&chunk);
        Ok(())
    });
    gzip.chunks(piece).try_for_each(|bytes| decoder.push(bytes))?;
    decoder.finish()?;
    Ok(raw)
}

fn through(program: &str, arguments: &[&str], input: Vec<u8>) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&input).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "{program}: {}", output.status);
    output.stdout
}

#[tokio::test]
async fn gunzip_reads_what_was_compressed_in_parallel() {
    for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 77] {
        let raw = text(length);
        let gzip = compress(&raw, 32 << 10, 3).await;
        assert!(through("gunzip", &["-c"], gzip) == raw, "{length} bytes");
    }
}

#[tokio::test]
async fn blocks_cost_less_than_two_percent_against_gzip() {
    let raw = text(8 * BLOCK);
    let ours = compress(&raw, 1 << 16, 2).await.len();
    let theirs = through("gzip", &["-6", "-c"], raw).len();
    assert!(ours * 100 <= theirs * 102, "{ours} bytes where gzip -6 has {theirs}");
}

#[test]
fn what_gzip_wrote_is_read_with_its_name_and_in_several_members() {
    let raw = text(300_000);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plum.db");
    std::fs::write(&file, &raw).unwrap();
    let mut gzip = through("gzip", &["-9", "-c", file.to_str().unwrap()], Vec::new());
    gzip.extend(through("gzip", &["-1", "-c"], raw.clone()));
    for piece in [1, 7, 1000, gzip.len()] {
        assert!(decode(&gzip, piece, 600_000).unwrap() == [raw.clone(), raw.clone()].concat());
    }
}

#[tokio::test]
async fn what_is_cut_or_has_something_behind_it_is_refused() {
    let gzip = compress(&text(BLOCK + 5000), 4096, 2).await;
    let behind = |bytes: &[u8]| [&gzip, bytes].concat();
    for damaged in [
        gzip[..gzip.len() - 1].to_vec(),
        gzip[..gzip.len() - 9].to_vec(),
        gzip[..5].to_vec(),
        Vec::new(),
        behind(b"x"),
        behind(&[0; 512]),
        behind(&[0x1f]),
        behind(&[0x1f, 0x8b, 8, 0]),
    ] {
        let error = decode(&damaged, 1 << 16, u64::MAX).unwrap_err();
        assert_eq!(error.reason(), "Damaged", "{error}");
    }
}

#[tokio::test]
async fn every_flipped_byte_of_a_member_is_found() {
    let raw = text(3000);
    let gzip = compress(&raw, 4096, 1).await;
    for at in 0..gzip.len() {
        let mut damaged = gzip.clone();
        damaged[at] ^= 1;
        // Flags, time, level, system and the fields of one's own mean nothing for the content.
        let is_harmless = |raw_again: Vec<u8>| (3..20).contains(&at) && raw_again == raw;
        for got in [alone(&damaged, 4096, u64::MAX), in_parallel(&damaged, 4096, u64::MAX)] {
            assert!(got.is_err() || is_harmless(got.unwrap()), "byte {at}");
        }
    }
}

#[tokio::test]
async fn members_of_ours_are_read_in_order_whatever_comes_behind_them() {
    let raw = text(5 * BLOCK + 77);
    let ours = compress(&raw, 1 << 16, 2).await;
    let theirs = through("gzip", &["-c"], text(70_000));
    let all = [&ours[..], &ours, &theirs, &ours].concat();
    let expected = [&raw[..], &raw, &text(70_000), &raw].concat();
    for piece in [999, 1 << 16, all.len()] {
        assert!(decode(&all, piece, u64::MAX).unwrap() == expected, "in pieces of {piece}");
    }
}

#[tokio::test]
async fn a_member_that_lies_about_its_length_does_no_harm() {
    let raw = text(2 * BLOCK);
    let gzip = compress(&raw, 1 << 16, 2).await;
    let [length, raw_length] = [16, gzip.len() - 4];
    for (at, change) in [(length, 1_u8), (length, 255), (length + 3, 1), (raw_length, 1)] {
        let mut lying = gzip.clone();
        lying[at] = lying[at].wrapping_add(change);
        let got = in_parallel(&lying, 1 << 16, u64::MAX).map(|got| got == raw);
        assert!(got.as_ref().is_err_and(|error| error.reason() == "Damaged") || got == Ok(true));
        assert!(at != raw_length || got.is_err(), "of the raw bytes nothing else is believed");
    }
}

#[tokio::test]
async fn a_file_that_decodes_to_more_than_it_should_is_stopped() {
    let bomb = compress(&vec![0; 16 * BLOCK], BLOCK, 2).await;
    let mut got = 0;
    let mut decoder = Decoder::new("plum", 1000, |chunk: Bytes| {
        got += chunk.len();
        Ok(())
    });
    let error = bomb.chunks(100).try_for_each(|bytes| decoder.push(bytes)).unwrap_err();
    assert_eq!(error.to_string(), "plum is damaged: it decodes to more than 1000 bytes");
    drop(decoder);
    assert!(got <= 1000);
    assert_eq!(in_parallel(&bomb, 100, 1000).unwrap_err(), error);
}

#[test]
fn an_error_of_the_sink_comes_back_as_it_is() {
    let gzip = through("gzip", &["-c"], text(CHUNK * 2));
    let full = || crate::Error::Full("plum".to_owned());
    let mut decoder = Decoder::new("plum", u64::MAX, |_| Err(full()));
    assert_eq!(decoder.push(&gzip).unwrap_err(), full());
    let mut unpacker = Unpacker::new("plum", u64::MAX, |_| Err(full()));
    assert_eq!(unpacker.push(&gzip).unwrap_err(), full());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_goes_in_comes_out(
        seed in prop::collection::vec(any::<u8>(), 0..2000),
        repeat in 1_usize..2000,
        pieces in [1_usize..3_000_000, 1..3_000_000],
        parallel in 1_usize..5,
    ) {
        let raw = seed.repeat(repeat);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let gzip = runtime.block_on(compress(&raw, pieces[0], parallel));
        let limit = u64::try_from(raw.len()).unwrap();
        prop_assert!(decode(&gzip, pieces[1], limit).unwrap() == raw);
    }
}
