//! What clients and the bench put between their sockets and themselves, and the flags that say so.

use std::rc::Rc;

use clap::Args;

use crate::engine::{Address, Layering, Layers};
#[cfg(feature = "proxy")]
use crate::proxy::HeaderPlan;

/// The flags.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ThroughArgs {
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

    /// What these flags ask for.
    ///
    /// # Errors
    /// One line for people: what is wrong, and what to write instead.
    pub(crate) fn through(&self) -> Result<Through, String> {
        let header = self
            .proxy_header
            .as_deref()
            .map(|text| header(text).map_err(|why| format!("--proxy-header: {why}")));
        Ok(Through { header: header.transpose()? })
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
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Through {
    header: Option<HeaderPlan>,
}

impl Through {
    /// Whether connections begin with a PROXY header.
    #[cfg(feature = "bench")]
    pub(crate) fn has_header(self) -> bool {
        self.header.is_some()
    }

    /// For calls; `None`: it is nothing.
    pub(crate) fn layering(self) -> Option<Rc<dyn Layering>> {
        self.header.is_some().then(|| Rc::new(self) as Rc<dyn Layering>)
    }
}

impl Layering for Through {
    fn layers(&self, _: Address) -> Option<Layers> {
        #[cfg(feature = "proxy")]
        return self.header.map(|header| Layers::default().opening(header.opener()));
        #[cfg(not(feature = "proxy"))]
        self.header.map(|never| match never {})
    }
}
