//! What clients and the bench put between their sockets and themselves, and the flags that say so.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use clap::Args;

use crate::engine::{Address, Layering, Layers, Unable};
#[cfg(feature = "proxy")]
use crate::proxy::HeaderPlan;
use crate::tls::{self, Resume, Trust};

/// The flags.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ThroughArgs {
    /// Over TLS, trust the certificates in FILE and those that they have signed [default: this
    /// machine's list]
    #[arg(long, value_name = "FILE", conflicts_with = "insecure",
          hide = cfg!(not(feature = "tls")))]
    ca: Option<PathBuf>,

    /// Over TLS, the name that the server's certificate has to have [default: its host]
    #[arg(long, value_name = "NAME", hide = cfg!(not(feature = "tls")))]
    server_name: Option<String>,

    /// Over TLS, trust any certificate: anybody may be listening
    #[arg(long, hide = cfg!(not(feature = "tls")))]
    insecure: bool,

    /// Begin each connection with a PROXY header: v1 or v2, for this end of it, or v1=SOURCE or
    /// v2=SOURCE, for SOURCE (IP:PORT)
    #[arg(long, value_name = "HEADER", hide = cfg!(not(feature = "proxy")))]
    proxy_header: Option<String>,
}

impl ThroughArgs {
    /// Whether connections begin with a PROXY header.
    pub(crate) fn has_header(&self) -> bool {
        self.proxy_header.is_some()
    }

    /// The first flag that is given and would do nothing outside of TLS.
    pub(crate) fn of_tls(&self) -> Option<&'static str> {
        let given = [
            ("--ca", self.ca.is_some()),
            ("--server-name", self.server_name.is_some()),
            ("--insecure", self.insecure),
        ];
        given.into_iter().find_map(|(flag, is_given)| is_given.then_some(flag))
    }

    /// What these flags ask for, in the clear.
    ///
    /// # Errors
    /// One line for people: what is wrong, and what to write instead.
    pub(crate) fn through(&self) -> Result<Through, String> {
        let read = |text| header(text).map_err(|why| format!("--proxy-header: {why}"));
        let header = self.proxy_header.as_deref().map(read);
        Ok(Through { header: header.transpose()?, tls: None })
    }

    /// What they ask for with all over TLS, to the server `host`.
    ///
    /// # Errors
    /// As for `through`.
    pub(crate) fn secured(&self, host: &str, resume: Resume) -> Result<Through, String> {
        let trust = match &self.ca {
            Some(file) => Trust::File(file.clone()),
            None if self.insecure => Trust::Anybody,
            None => Trust::Machine,
        };
        let name = self.server_name.as_deref().unwrap_or(host);
        let tls = Arc::new(tls::Client::new(&trust, name, resume)?);
        Ok(Through { tls: Some(tls), ..self.through()? })
    }
}

#[cfg(feature = "proxy")]
fn header(text: &str) -> Result<HeaderPlan, String> {
    text.parse()
}

/// There is no header to be had.
#[cfg(not(feature = "proxy"))]
#[derive(Clone, Copy, Debug)]
pub(crate) enum HeaderPlan {}

#[cfg(not(feature = "proxy"))]
fn header(_: &str) -> Result<HeaderPlan, String> {
    Err("it needs the feature proxy, which this cooee was built without".into())
}

/// What is put there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Through {
    header: Option<HeaderPlan>,
    tls: Option<Arc<tls::Client>>,
}

impl Through {
    /// Whether connections begin with a PROXY header.
    #[cfg(feature = "bench")]
    pub(crate) fn has_header(&self) -> bool {
        self.header.is_some()
    }

    /// Whether all is said over TLS.
    #[cfg(feature = "bench")]
    pub(crate) fn is_secured(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether only connections are wanted that go on from earlier ones.
    #[cfg(feature = "bench")]
    pub(crate) fn resumes_only(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.resumes_only())
    }

    /// For calls; `None`: it is nothing.
    pub(crate) fn layering(&self) -> Option<Rc<dyn Layering>> {
        let is_nothing = self.header.is_none() && self.tls.is_none();
        (!is_nothing).then(|| Rc::new(self.clone()) as Rc<dyn Layering>)
    }

    fn opening(&self) -> Layers {
        #[cfg(feature = "proxy")]
        if let Some(header) = self.header {
            return Layers::default().opening(header.opener());
        }
        Layers::default()
    }
}

impl Layering for Through {
    fn layers(&self, _: Address) -> Option<Layers> {
        let layers = self.opening();
        Some(match &self.tls {
            Some(tls) => {
                layers.enciphered(tls.cipher().unwrap_or_else(|why| Box::new(Unable(why))))
            }
            None => layers,
        })
    }
}
