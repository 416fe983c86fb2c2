//! Who we are to an etcd whose authentication is on.
//!
//! A name and a password are changed for a token, which goes with every later call on the connection.
//! etcd writes that exchange to its log, so it needs a quorum, and each one counts as a change of the
//! cluster. A client certificate needs neither: its common name is the user (`--client-cert-auth`).

use std::fmt;

use etcd_client::{Channel as AnyChannel, Client};
use tokio::time::timeout;
use tonic::{
    body::Body,
    codegen::http::{HeaderValue, Request},
    transport::Channel,
};
use tower::{BoxError, ServiceExt, util::BoxCloneSyncService};

use crate::{Endpoint, Error, Timeouts, error::from_client};

/// etcd's answer to a password while its authentication is off, without its prefix.
const NOT_ENABLED: &str = "authentication is not enabled";

/// A user of etcd's.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    name: String,
    password: String,
}

impl User {
    /// A user with a password.
    pub fn new(name: impl Into<String>, password: impl Into<String>) -> Self {
        Self { name: name.into(), password: password.into() }
    }
}

/// Says who it is and nothing of the password.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The connection on which this user makes the calls. With authentication off nobody is needed, and
/// the connection is given back as it is, as etcdctl does it.
pub(crate) async fn sign_in(
    endpoint: &Endpoint,
    channel: Channel,
    user: &User,
    timeouts: &Timeouts,
) -> Result<AnyChannel, Error> {
    let failed = |error| from_client(&endpoint.url, error);
    let plain = AnyChannel::Tonic(channel.clone());
    let mut auth = Client::from_channel(plain.clone(), None).await.map_err(failed)?.auth_client();
    let asking = auth.authenticate(user.name.clone(), user.password.clone());
    let limit = timeouts.change;
    let late = || Error::Timeout(format!("{} did not sign in {user:?} in {limit:?}", endpoint.url));
    let answer = timeout(limit, asking).await.map_or_else(|_| Err(late()), |it| it.map_err(failed));
    match answer {
        Ok(answer) => Ok(AnyChannel::Custom(with_token(channel, answer.token())?)),
        Err(Error::Other { message, .. }) if message.contains(NOT_ENABLED) => Ok(plain),
        Err(error) => Err(error),
    }
}

type Calls = BoxCloneSyncService<Request<Body>, tonic::codegen::http::Response<Body>, BoxError>;

fn with_token(channel: Channel, token: &str) -> Result<Calls, Error> {
    let mut token = HeaderValue::from_str(token).map_err(|_| Error::Other {
        code: "Internal".into(),
        message: "the token that etcd gave cannot be sent".into(),
    })?;
    token.set_sensitive(true);
    let add = move |mut request: Request<Body>| {
        request.headers_mut().insert("token", token.clone());
        request
    };
    Ok(BoxCloneSyncService::new(channel.map_request(add).map_err(BoxError::from)))
}
