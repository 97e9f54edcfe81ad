//! Both ends of a conversation over TLS, where there is something to hold it with.

mod client;
mod files;
mod server;
mod session;
mod signer;
mod tickets;
mod trust;
mod words;

use super::{Resume, Trust, available};
use crate::engine::{Cipher, Fed, Handshake};

pub use client::Client;
pub use server::Server;
pub use signer::Signer;

#[cfg(test)]
mod tests;
