//! What stands between those who connect and the services: the header of a proxy.

use std::cell::RefCell;

use super::Config;
use crate::engine::{Address, Layering, Layers};
use crate::guards::Proxies;

/// See the top of this file. All listeners of services have the same.
#[derive(Debug)]
pub(super) struct Front {
    proxies: RefCell<Proxies>,
}

impl Front {
    pub(super) fn new(config: &Config) -> Front {
        Front { proxies: RefCell::new(config.proxies.clone()) }
    }

    /// The same as `config` has it, for whoever connects from now on.
    #[cfg(feature = "config")]
    pub(super) fn change(&self, config: &Config) {
        self.proxies.replace(config.proxies.clone());
    }
}

impl Layering for Front {
    fn layers(&self, remote: Address) -> Option<Layers> {
        self.proxies.borrow().has(remote).then(header)
    }
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
