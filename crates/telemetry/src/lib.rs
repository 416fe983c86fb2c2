//! What a program of ours says about itself: logs, metrics, and what it never says.
//!
//! A binary calls, in this order and before anything else: [`install_crypto_provider`], then
//! [`init_logging`]; it makes one [`Metrics`] and hands parts of its registry to its components.
//! Secrets travel as [`Secret`], which prints nothing. There is no global metrics registry, and
//! nothing here opens a port or leaves the process.

mod logging;
mod metrics;
mod process;
mod provider;
mod secret;

pub use logging::{LogFormat, LoggingError, init_logging};
pub use metrics::{CONTENT_TYPE, EncodeError, Metrics};
pub use provider::{ProviderError, install_crypto_provider};
pub use secret::Secret;
