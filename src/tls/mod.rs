//! TLS 1.2 and 1.3 as a layer of a connection: [`Server`] and [`Client`] make a
//! [`Cipher`](crate::engine::Cipher) for each conversation, which is fed what has come and says
//! what to send. No socket, no thread.
//!
//! The protocol is rustls's, the cryptography graviola's. Neither is named outside this folder:
//! rustls 0.24 changes every type that is used here. What is not here: certificates of clients,
//! ALPN, early data, lists of what has been revoked.

#[cfg_attr(
    not(all(feature = "tls", any(target_arch = "x86_64", target_arch = "aarch64"))),
    path = "absent.rs"
)]
mod ends;
mod processor;

use std::path::PathBuf;

pub use ends::{Client, Server, Signer};
pub use processor::available;

/// Whose certificates a client believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Those that this machine's list of authorities has signed.
    Machine,
    /// Those that are in this file, or that one in it has signed (`--ca FILE`).
    File(PathBuf),
    /// Anybody's; only who holds the certificate's key can answer with it (`--insecure`).
    Anybody,
}

/// Whether a client goes on from earlier conversations with the same server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Each begins anew.
    Off,
    /// Where there is a ticket, it fails unless the server takes it. The first ones have none.
    Only,
    /// If both can.
    Auto,
}
