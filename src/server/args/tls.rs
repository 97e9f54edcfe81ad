//! The flags of TLS.

use std::path::PathBuf;

use clap::Args;

use crate::endpoint::Endpoint;
use crate::server::front::Identity;

/// The flags of TLS.
#[derive(Args, Debug)]
#[command(next_help_heading = "TLS")]
pub(super) struct TlsArgs {
    /// Show this certificate to those who connect to SERVICE+tls: PEM, and behind it those that
    /// vouch for it. SIGHUP has both files read again
    #[arg(long, value_name = "FILE", requires = "tls_key", hide = cfg!(not(feature = "tls")))]
    tls_cert: Option<PathBuf>,

    /// Its key: PEM, not encrypted
    #[arg(long, value_name = "FILE", requires = "tls_cert", hide = cfg!(not(feature = "tls")))]
    tls_key: Option<PathBuf>,
}

impl TlsArgs {
    /// What these flags ask for.
    pub(super) fn identity(&self, endpoints: &[Endpoint]) -> Result<Option<Identity>, String> {
        let is_inside = |endpoint: &&Endpoint| endpoint.transports().any(|over| over.is_secured());
        let inside = endpoints.iter().find(is_inside);
        match (&self.tls_cert, &self.tls_key, inside) {
            _ if inside.is_some() && cfg!(not(feature = "tls")) => Err(format!(
                "{} needs the feature tls, which this cooee was built without",
                inside.map_or(String::new(), Endpoint::to_string)
            )),
            (Some(certificate), Some(key), Some(_)) => {
                Ok(Some(Identity { certificate: certificate.clone(), key: key.clone() }))
            }
            (None, None, Some(endpoint)) => Err(format!(
                "{endpoint} needs a certificate and its key: --tls-cert FILE --tls-key FILE"
            )),
            (None, None, None) => Ok(None),
            _ => Err("--tls-cert and --tls-key are for services over TLS, and none is served \
                      here: add one, such as echo+tls, or leave them out"
                .into()),
        }
    }
}
