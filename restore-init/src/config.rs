//! The command line, checked: what is here can be used as it is.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::{Context, bail};

use crate::args::{GuardArgs, Role};

/// What the guard works with.
#[derive(Debug)]
pub(crate) struct Config {
    pub data_dir: PathBuf,
    pub name: String,
    pub annotations: PathBuf,
    /// `None` for a seed, which waits for nobody.
    pub joining: Option<Joining>,
}

/// What a joiner waits for, and whom it asks. At least one of `ask` and `service` is there.
#[derive(Debug)]
pub(crate) struct Joining {
    pub peer_url: String,
    pub ask: Vec<SocketAddr>,
    /// Host and port.
    pub service: Option<String>,
}

impl TryFrom<GuardArgs> for Config {
    type Error = anyhow::Error;

    fn try_from(args: GuardArgs) -> anyhow::Result<Self> {
        let joining = match args.role {
            Role::Seed => None,
            Role::Joiner => Some(joining(args.peer_url, &args.ask, args.ask_service)?),
        };
        Ok(Self {
            data_dir: args.data_dir,
            name: args.name,
            annotations: args.annotations,
            joining,
        })
    }
}

fn joining(peer_url: String, ask: &[String], service: Option<String>) -> anyhow::Result<Joining> {
    if ask.is_empty() && service.is_none() {
        bail!("a joiner must know whom to ask; give --ask or --ask-service");
    }
    if let Some(service) = &service {
        check_service(service)?;
    }
    let ask = ask.iter().map(|url| address(url)).collect::<anyhow::Result<_>>()?;
    Ok(Joining { peer_url, ask, service })
}

/// Addresses and not names: a look-up before the name is published would be remembered as "no such
/// host" for half a minute.
fn address(url: &str) -> anyhow::Result<SocketAddr> {
    let address = url.strip_prefix("http://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    address
        .and_then(|address| address.parse().ok())
        .with_context(|| format!("--ask {url:?} cannot be used; write it as http://IP:PORT"))
}

fn check_service(service: &str) -> anyhow::Result<()> {
    let port = service.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
    if port.and_then(|port| port.parse::<u16>().ok()).is_none() {
        bail!("--ask-service {service:?} cannot be used; write it as HOST:PORT");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_asked_by_address_and_never_by_name() {
        assert_eq!(address("http://10.244.1.5:2380").unwrap(), ([10, 244, 1, 5], 2380).into());
        assert_eq!(address("http://[fd00::5]:2380/").unwrap().port(), 2380);
        for url in ["http://quince-0.quince.orchard.svc:2380", "10.244.1.5:2380", "http://10.1.2.3"]
        {
            let error = address(url).unwrap_err().to_string();
            assert!(error.contains("write it as http://IP:PORT"), "{url}: {error}");
        }
    }

    #[test]
    fn a_service_is_a_host_and_a_port() {
        check_service("quince.orchard.svc:2380").unwrap();
        for service in ["quince.orchard.svc", ":2380", "quince:peer"] {
            assert!(check_service(service).is_err(), "{service}");
        }
    }
}
