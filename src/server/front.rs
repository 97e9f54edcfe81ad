//! What stands between those who connect and the services: the header of a proxy, and TLS.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use super::Config;
use crate::engine::{Address, Layering, Layers, Unable};
use crate::guards::Proxies;
use crate::tls;

/// The files of a certificate and of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, and behind it those that vouch for it.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// See the top of this file. All listeners of services have the same.
#[derive(Debug)]
pub(super) struct Front {
    proxies: RefCell<Proxies>,
    /// Where the certificate is, and the conversations that are held with it.
    tls: RefCell<Option<(Identity, tls::Server)>>,
}

impl Front {
    /// As `config` has it.
    ///
    /// # Errors
    /// One line for people: which file is wrong, and what would be right.
    pub(super) fn new(config: &Config) -> Result<Front, String> {
        let tls = config.identity.clone().map(identified).transpose()?;
        Ok(Front { proxies: RefCell::new(config.proxies.clone()), tls: RefCell::new(tls) })
    }

    /// The proxies that `config` has, for whoever connects from now on.
    #[cfg(feature = "config")]
    pub(super) fn change(&self, config: &Config) {
        self.proxies.replace(config.proxies.clone());
    }

    /// Whether there is a certificate.
    pub(super) fn has_identity(&self) -> bool {
        self.tls.borrow().is_some()
    }

    /// Reads the certificate and its key again, if there are any, for whoever connects from now on;
    /// from the files of `config` if there is one.
    ///
    /// # Errors
    /// As for `new`; everything stays as it was.
    pub(super) fn renew(&self, config: Option<&Config>) -> Result<(), String> {
        let mut tls = self.tls.borrow_mut();
        let Some((files, server)) = &mut *tls else { return Ok(()) };
        match config.and_then(|config| config.identity.as_ref()) {
            Some(others) if others != files => *tls = Some(identified(others.clone())?),
            _ => server.reload().map_err(|why| in_tls(&why))?,
        }
        Ok(())
    }
}

impl Layering for Front {
    fn layers(&self, remote: Address) -> Option<Layers> {
        self.proxies.borrow().has(remote).then(header)
    }
}

/// The same before services over TLS.
#[derive(Debug)]
pub(super) struct Secured(pub(super) Rc<Front>);

impl Layering for Secured {
    fn layers(&self, remote: Address) -> Option<Layers> {
        let layers = self.0.layers(remote).unwrap_or_default();
        // A listener that is to be secured is opened only if there is a certificate.
        let tls = self.0.tls.borrow();
        let tls = tls.as_ref().ok_or_else(|| "there is no certificate".to_owned());
        let cipher = tls.and_then(|(_, server)| server.cipher());
        Some(layers.enciphered(cipher.unwrap_or_else(|why| Box::new(Unable(why)))))
    }

    fn is_secured(&self) -> bool {
        true
    }
}

/// The conversations that are held with that certificate.
fn identified(files: Identity) -> Result<(Identity, tls::Server), String> {
    let server = tls::Server::from_files(&files.certificate, &files.key);
    Ok((files, server.map_err(|why| in_tls(&why))?))
}

fn in_tls(why: &str) -> String {
    format!("--tls-cert, --tls-key: {why}")
}

#[cfg(feature = "proxy")]
fn header() -> Layers {
    Layers::default().prefaced(Box::new(crate::proxy::HeaderReader))
}

/// Nobody is trusted to send one.
#[cfg(not(feature = "proxy"))]
fn header() -> Layers {
    Layers::default()
}
