//! Whom a client believes. The signature of the handshake is always checked: only who holds the
//! key of a certificate can show it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, client,
};

use super::{Trust, files};

/// Where systems have their list of authorities.
const LISTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt", // Debian, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",   // Fedora
    "/etc/ssl/ca-bundle.pem",             // openSUSE
    "/etc/ssl/cert.pem",                  // BSD
];
/// Names another one, as it does for OpenSSL and curl.
const LIST_VARIABLE: &str = "SSL_CERT_FILE";

/// Judges certificates of servers.
#[derive(Debug)]
pub(super) struct Verifier {
    algorithms: WebPkiSupportedAlgorithms,
    /// `None`: anybody is believed.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    /// What is believed as it is, though it may be no certificate for servers: an authority's own,
    /// or one signed by an unknown authority.
    listed: Vec<CertificateDer<'static>>,
}

impl Verifier {
    /// One that goes by `trust`.
    pub(super) fn new(trust: &Trust, provider: &Arc<CryptoProvider>) -> Result<Self, String> {
        let algorithms = provider.signature_verification_algorithms;
        let (authorities, listed) = match trust {
            Trust::Anybody => (None, Vec::new()),
            Trust::File(path) => {
                let listed = files::certificates(path)?;
                let roots = roots(path, &listed)?;
                (Some(roots), listed)
            }
            Trust::Machine => (Some(machine()?), Vec::new()),
        };
        let judge = |roots| {
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .map_err(|error| format!("TLS cannot be set up: {error}"))
        };
        Ok(Verifier { algorithms, authorities: authorities.map(judge).transpose()?, listed })
    }

    /// Whether what the authorities had against `certificate` does not matter for one that is
    /// listed. They look at the dates first, so those are right; the name has not been looked at.
    fn is_excused(&self, certificate: &CertificateDer<'_>, why: &Error) -> bool {
        let excused = match why {
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => true,
            Error::InvalidCertificate(CertificateError::Other(other)) => {
                matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
            }
            _ => false,
        };
        excused && self.listed.iter().any(|listed| listed == certificate)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(authorities) = &self.authorities else {
            return Ok(ServerCertVerified::assertion());
        };
        match authorities.verify_server_cert(certificate, others, name, ocsp, now) {
            Err(why) if self.is_excused(certificate, &why) => {
                client::verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn roots(path: &Path, certificates: &[CertificateDer<'static>]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for (number, certificate) in certificates.iter().enumerate() {
        roots.add(certificate.clone()).map_err(|_| {
            format!("{}: the certificate at place {} is broken", path.display(), number + 1)
        })?;
    }
    Ok(roots)
}

/// The authorities that this machine believes. A few that cannot be read do not matter.
fn machine() -> Result<RootCertStore, String> {
    let named = std::env::var_os(LIST_VARIABLE).filter(|path| !path.is_empty());
    let path = match &named {
        Some(path) => PathBuf::from(path),
        None => LISTS.iter().map(PathBuf::from).find(|path| path.exists()).ok_or_else(|| {
            format!(
                "whom to believe? this machine has no list of authorities ({}): name one with --ca \
                 FILE, or believe anybody with --insecure",
                LISTS[0]
            )
        })?,
    };
    let because = if named.is_some() { " (SSL_CERT_FILE)" } else { "" };
    let certificates = files::certificates(&path).map_err(|line| format!("{line}{because}"))?;
    let mut roots = RootCertStore::empty();
    match roots.add_parsable_certificates(certificates) {
        (0, _) => Err(format!("{}: no certificate in it can be read{because}", path.display())),
        _ => Ok(roots),
    }
}
