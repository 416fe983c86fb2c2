//! What builds with debug assertions do at a point.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::VARIABLE;

/// Before the address at which is asked.
pub(crate) const ASK: &str = "tcp://";
const CONNECT: Duration = Duration::from_secs(2);
/// Whoever is asked may let others do something before.
const ANSWER: Duration = Duration::from_mins(2);

pub(crate) fn point(name: &str) {
    let Ok(value) = std::env::var(VARIABLE) else { return };
    let ends = match value.strip_prefix(ASK) {
        // Who is not there any more has nothing to say.
        Some(address) => ask(address, name).is_some_and(|answer| answer.trim() == "die"),
        None => value == name,
    };
    if ends {
        // Not a signal to itself: the first process of a container does not hear it.
        std::process::abort();
    }
}

/// Where this program asks.
pub(crate) fn asks_at() -> Option<String> {
    std::env::var(VARIABLE).ok()?.strip_prefix(ASK).map(str::to_owned)
}

fn ask(address: &str, name: &str) -> Option<String> {
    let address: SocketAddr = address.parse().ok()?;
    let mut stream = TcpStream::connect_timeout(&address, CONNECT).ok()?;
    stream.set_read_timeout(Some(ANSWER)).ok()?;
    // The pod's name, in a container.
    let host = std::env::var("HOSTNAME").unwrap_or_default();
    stream.write_all(format!("{name} {host}\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn who_is_asked_hears_the_name_and_is_heard() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
            stream.write_all(b"go\n").unwrap();
            line
        });
        assert_eq!(ask(&address, "reserved").unwrap(), "go\n");
        assert!(asked.join().unwrap().starts_with("reserved "));
        assert_eq!(ask(&address, "reserved"), None, "nobody is there any more");
    }
}
