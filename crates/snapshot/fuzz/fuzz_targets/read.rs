//! The reader takes any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapshot::Database;

fuzz_target!(|bytes: &[u8]| {
    let size = bytes.len() as u64;
    if let Ok(database) = Database::open(bytes, size) {
        let _ = database.status();
        let _ = database.live(drop);
    }
});
