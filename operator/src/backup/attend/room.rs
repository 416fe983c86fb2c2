//! What the backups of all clusters share, and what is known of each one's Secrets.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::backup::client::SidecarClient;
use crate::backup::defaults::Defaults;
use crate::backup::links::Links;
use crate::backup::policy::Credentials;
use crate::backup::secrets::Identity;
use crate::backup::volume::Refusals;

/// What the backups of all clusters share.
pub struct Room {
    /// How the operator was started.
    pub defaults: Defaults,
    /// The links to the sidecars.
    pub links: Links,
    pub(super) refusals: Refusals,
    secrets: Mutex<HashMap<String, Known>>,
}

/// What is known of a cluster's Secrets. Comfort: after a restart they are read again.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) at: Timestamp,
    pub(super) wanted: Option<Credentials>,
    pub(super) credentials: Option<String>,
    pub(super) identity: Identity,
    pub(super) client: Option<(SocketAddr, Arc<SidecarClient>)>,
}

impl Room {
    /// Nothing is known yet.
    pub fn new(defaults: Defaults, links: Links) -> Self {
        Self { defaults, links, refusals: Refusals::default(), secrets: Mutex::default() }
    }

    pub(super) fn known(&self, uid: &str) -> Option<Known> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).get(uid).cloned()
    }

    pub(super) fn learn(&self, uid: &str, known: Known) {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).insert(uid.into(), known);
    }

    pub(super) fn forget(&self, uid: &str) {
        self.keep(|other| other != uid);
    }

    /// Forgets all clusters but these.
    pub fn keep(&self, is_there: impl Fn(&str) -> bool) {
        self.links.keep(&is_there);
        self.refusals.keep(&is_there);
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.retain(|uid, _| is_there(uid));
    }
}
