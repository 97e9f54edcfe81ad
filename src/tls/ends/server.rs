//! The end that has a certificate.

use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, ServerConnection};

use super::session::{End, Session};
use super::{Cipher, available, files};

/// What all conversations of one server have in common. Shared by its listeners, which ask it for
/// each newcomer, so that a new certificate is for those who come from then on.
pub struct Server {
    certificate: PathBuf,
    key: PathBuf,
    /// Outlives a certificate: who has a ticket may still come back with it. Tickets hold all that
    /// there is to remember, under a key that changes every six hours, so nothing is kept here.
    tickets: Arc<dyn ProducesTickets>,
    config: RefCell<Arc<ServerConfig>>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server")
    }
}

impl Server {
    /// Reads the certificate, perhaps with others that vouch for it behind it, and its key.
    ///
    /// # Errors
    ///
    /// One line: the file, what is wrong with it, what would be right.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Server, String> {
        available()?;
        let certified = files::certified(certificate, key)?;
        let tickets = rustls_graviola::Ticketer::new()
            .map_err(|error| format!("TLS cannot make a key for its tickets: {error}"))?;
        let config = RefCell::new(config(certified, &tickets)?);
        Ok(Server { certificate: certificate.into(), key: key.into(), tickets, config })
    }

    /// Reads both files again. Who is connected goes on as before.
    ///
    /// # Errors
    ///
    /// As [`from_files`](Server::from_files); all stays as it was.
    pub fn reload(&self) -> Result<(), String> {
        let certified = files::certified(&self.certificate, &self.key)?;
        self.config.replace(config(certified, &self.tickets)?);
        Ok(())
    }

    /// For one more conversation.
    ///
    /// # Errors
    ///
    /// One line; it is not the peer's fault.
    pub fn cipher(&self) -> Result<Box<dyn Cipher>, String> {
        let connection = ServerConnection::new(self.config.borrow().clone())
            .map_err(|error| format!("TLS cannot begin: {error}"))?;
        Ok(Box::new(Session::new(connection, End::Server, false)))
    }
}

fn config(
    certified: CertifiedKey,
    tickets: &Arc<dyn ProducesTickets>,
) -> Result<Arc<ServerConfig>, String> {
    let provider = Arc::new(rustls_graviola::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.ticketer = tickets.clone();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}

#[cfg(test)]
impl Server {
    /// Shows a certificate whose key it has not.
    pub(super) fn impostor(certificate: &Path, key: &Path) -> Server {
        let server = Server::from_files(&certificate.with_file_name("p256.pem"), key);
        let server = server.expect("the key of p256.pem");
        let mut certified = files::certified(&certificate.with_file_name("p256.pem"), key);
        let certified = certified.as_mut().expect("the same");
        certified.cert = files::certificates(certificate).expect("a certificate");
        server.config.replace(config(certified.clone(), &server.tickets).expect("as before"));
        server
    }
}
