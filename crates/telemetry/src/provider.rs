//! The one TLS provider of the process.

use rustls::crypto::{CryptoProvider, aws_lc_rs};

/// Another provider was there first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "another TLS provider is installed already; install aws-lc-rs once, as the first act of main, \
     and see with `cargo tree -i ring` that no second one is linked"
)]
pub struct ProviderError;

/// Makes aws-lc-rs the process's TLS provider. With two providers linked and none installed, rustls
/// panics at the first connection; this says it at the start. Fails if one is installed already.
pub fn install_crypto_provider() -> Result<(), ProviderError> {
    // Checked first and not only by the installation: a provider that the first use of TLS picked
    // by itself counts as well.
    if CryptoProvider::get_default().is_some() {
        return Err(ProviderError);
    }
    aws_lc_rs::default_provider().install_default().map_err(|_| ProviderError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provider_is_installed_once_and_a_second_time_is_refused() {
        assert_eq!(install_crypto_provider(), Ok(()));
        assert!(CryptoProvider::get_default().is_some());
        assert_eq!(install_crypto_provider(), Err(ProviderError));
    }
}
