//! The checker takes any bytes in any pieces. Their digest is put right, or nothing would pass it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};
use snapshot::Checker;

fuzz_target!(|input: (u16, &[u8])| {
    let (piece, bytes) = input;
    let mut checker = Checker::new();
    let digest = Sha256::digest(bytes);
    for piece in bytes.chunks(usize::from(piece).max(1)).chain([digest.as_slice()]) {
        if checker.push(piece).is_err() {
            return;
        }
    }
    assert!(checker.memory() < bytes.len() * 64 + (8 << 20));
    let _ = checker.finish();
});
