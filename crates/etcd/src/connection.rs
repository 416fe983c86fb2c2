//! Opening the one connection to a member.

use std::{error::Error as StdError, time::Duration};

use hyper_util::client::legacy::connect::HttpConnector;
use tokio::time::timeout;
use tonic::transport::{Channel, Uri};

use crate::{Endpoint, Error, Timeouts, Tls, error::unreachable};

/// How long sent bytes may stay unacknowledged before the kernel gives a connection up. A pod that
/// is gone acknowledges nothing, and without this limit the calls of the next quarter of an hour
/// would go into the dead connection. A stopped process does not count: its kernel acknowledges.
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);

/// Opens the connection within `timeouts.connect`; later it reconnects by itself when it is cut.
pub(crate) async fn open(
    endpoint: &Endpoint,
    tls: Option<&Tls>,
    timeouts: &Timeouts,
) -> Result<Channel, Error> {
    let target = target(endpoint, tls)?.connect_timeout(timeouts.connect);
    let connecting = target.connect_with_connector(connector(timeouts.connect));
    match timeout(timeouts.connect, connecting).await {
        Ok(Ok(channel)) => Ok(channel),
        Ok(Err(error)) if is_timeout(&error) => Err(too_slow(endpoint, timeouts)),
        Ok(Err(error)) => Err(unreachable(&endpoint.url, &error)),
        Err(_) => Err(too_slow(endpoint, timeouts)),
    }
}

/// What is dialled, checked: a host, by http without certificates and by https with them, under the
/// member's name if it is known.
fn target(endpoint: &Endpoint, tls: Option<&Tls>) -> Result<tonic::transport::Endpoint, Error> {
    let bad = |detail: String| Error::BadEndpoint { endpoint: endpoint.url.clone(), detail };
    let uri: Uri = endpoint.url.parse().map_err(|e| bad(format!("{e}")))?;
    let scheme = match (uri.scheme_str(), tls) {
        _ if uri.host().is_none() => return Err(bad("it names no host".into())),
        (Some("http"), None) => "http",
        (Some("https"), Some(_)) => "https",
        (Some("http"), Some(_)) => {
            return Err(bad("there are certificates: it must be https".into()));
        }
        (Some("https"), None) => return Err(bad("https needs certificates".into())),
        _ => return Err(bad("it is not a plain HTTP URL".into())),
    };
    let mut target = tonic::transport::Endpoint::from(uri);
    if let Some(name) = &endpoint.server_name {
        let origin: Uri =
            format!("{scheme}://{name}").parse().map_err(|e| bad(format!("{name}: {e}")))?;
        target = target.origin(origin);
    }
    let Some(tls) = tls else { return Ok(target) };
    let name = endpoint.server_name.as_deref().map(without_port);
    target.tls_config(tls.config(name)).map_err(|error| bad(format!("{error}")))
}

/// A certificate is for a host, whatever port it serves.
fn without_port(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host,
        _ => name,
    }
}

fn connector(limit: Duration) -> HttpConnector {
    let mut http = HttpConnector::new();
    // It dials; the scheme was looked at before, and TLS comes on top of what it opens.
    http.enforce_http(false);
    http.set_connect_timeout(Some(limit));
    http.set_nodelay(true);
    http.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
    http
}

fn too_slow(endpoint: &Endpoint, timeouts: &Timeouts) -> Error {
    Error::Timeout(format!("{} accepted no connection in {:?}", endpoint.url, timeouts.connect))
}

fn is_timeout(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::TimedOut
        {
            return true;
        }
        cause = error.source();
    }
    false
}
