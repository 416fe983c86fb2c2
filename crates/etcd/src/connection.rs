//! Opening the one connection to a member.

use std::{error::Error as StdError, time::Duration};

use hyper_util::client::legacy::connect::HttpConnector;
use tokio::time::timeout;
use tonic::transport::{Channel, Uri};

use crate::{Endpoint, Error, Timeouts, error::unreachable};

/// How long sent bytes may stay unacknowledged before the kernel gives a connection up. A pod that
/// is gone acknowledges nothing, and without this limit the calls of the next quarter of an hour
/// would go into the dead connection. A stopped process does not count: its kernel acknowledges.
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);

/// Opens the connection within `timeouts.connect`; later it reconnects by itself when it is cut.
pub(crate) async fn open(endpoint: &Endpoint, timeouts: &Timeouts) -> Result<Channel, Error> {
    let target = target(endpoint)?.connect_timeout(timeouts.connect);
    let connecting = target.connect_with_connector(connector(timeouts.connect));
    match timeout(timeouts.connect, connecting).await {
        Ok(Ok(channel)) => Ok(channel),
        Ok(Err(error)) if is_timeout(&error) => Err(too_slow(endpoint, timeouts)),
        Ok(Err(error)) => Err(unreachable(&endpoint.url, &error)),
        Err(_) => Err(too_slow(endpoint, timeouts)),
    }
}

/// What is dialled, checked: plain HTTP with a host, under the member's name if it is known.
fn target(endpoint: &Endpoint) -> Result<tonic::transport::Endpoint, Error> {
    let bad = |detail: String| Error::BadEndpoint { endpoint: endpoint.url.clone(), detail };
    let uri: Uri = endpoint.url.parse().map_err(|e| bad(format!("{e}")))?;
    if uri.scheme_str() != Some("http") || uri.host().is_none() {
        return Err(bad("it is not a plain HTTP URL".into()));
    }
    let target = tonic::transport::Endpoint::from(uri);
    let Some(name) = &endpoint.server_name else { return Ok(target) };
    let origin = format!("http://{name}").parse().map_err(|e| bad(format!("{name}: {e}")))?;
    Ok(target.origin(origin))
}

fn connector(limit: Duration) -> HttpConnector {
    let mut http = HttpConnector::new();
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
