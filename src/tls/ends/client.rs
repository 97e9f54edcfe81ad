//! The end that is shown a certificate.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, SupportedProtocolVersion};

use super::session::{End, Session};
use super::tickets::Tickets;
use super::trust::Verifier;
use super::{Cipher, Resume, Trust, available};

/// What all conversations with one server have in common.
pub struct Client {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    tickets: Arc<Tickets>,
    resume: Resume,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl Client {
    /// For conversations with the server `name`: a DNS name or an IP address, without brackets,
    /// which its certificate has to have.
    ///
    /// # Errors
    ///
    /// One line: what is wrong with the name, or with the file and what would be right.
    pub fn new(trust: &Trust, name: &str, resume: Resume) -> Result<Client, String> {
        Client::with_versions(trust, name, resume, rustls::ALL_VERSIONS)
    }

    pub(super) fn with_versions(
        trust: &Trust,
        name: &str,
        resume: Resume,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<Client, String> {
        available()?;
        let name = server_name(name)?;
        let provider = Arc::new(rustls_graviola::default_provider());
        let verifier = Verifier::new(trust, &provider)?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(|error| format!("TLS cannot be set up: {error}"))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        let tickets = Arc::new(Tickets::default());
        config.resumption = match resume {
            Resume::Off => Resumption::disabled(),
            Resume::Only | Resume::Auto => Resumption::store(tickets.clone()),
        };
        Ok(Client { config: Arc::new(config), name, tickets, resume })
    }

    /// For one more conversation.
    ///
    /// # Errors
    ///
    /// One line; it is not the peer's fault.
    pub fn cipher(&self) -> Result<Box<dyn Cipher>, String> {
        let must_resume = self.resume == Resume::Only && self.tickets() > 0;
        let connection = ClientConnection::new(self.config.clone(), self.name.clone())
            .map_err(|error| format!("TLS cannot begin: {error}"))?;
        Ok(Box::new(Session::new(connection, End::Client, must_resume)))
    }

    /// Whether it was made for [`Resume::Only`].
    pub fn resumes_only(&self) -> bool {
        self.resume == Resume::Only
    }

    /// How many conversations could be resumed if they began now.
    pub fn tickets(&self) -> usize {
        self.tickets.count()
    }
}

fn server_name(name: &str) -> Result<ServerName<'static>, String> {
    // What an address is on is nobody's name.
    let host = name.split_once('%').map_or(name, |(address, _)| address);
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(address.into());
    }
    ServerName::try_from(name.to_string()).map_err(|_| {
        format!(
            "server name {name:?}: a certificate has DNS names and IP addresses, e.g. \
                 echo.example.org; give one with --server-name"
        )
    })
}
