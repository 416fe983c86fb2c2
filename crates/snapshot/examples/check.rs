//! Checks a snapshot file as if it streamed by: `check FILE`.

use std::{env, error::Error, fs::File, io::Read, time::Instant};

use snapshot::Checker;

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args().nth(1).ok_or("name a snapshot file")?;
    let mut file = File::open(path)?;
    // As large as etcd's messages.
    let mut piece = vec![0; 32 << 10];
    let (start, mut checker, mut most) = (Instant::now(), Checker::new(), 0);
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            break;
        }
        checker.push(piece.get(..length).unwrap_or_default())?;
        most = most.max(checker.memory());
    }
    let found = checker.finish()?;
    let spent = start.elapsed();
    println!("{found:#?}");
    let micros = u64::try_from(spent.as_micros())?.max(1);
    println!("{} MB/s, {most} bytes of memory", found.size / micros);
    Ok(())
}
