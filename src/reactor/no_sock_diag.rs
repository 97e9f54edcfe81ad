//! Asking the kernel about a connection, on systems without sock_diag(7): there is no asking.

use std::io;
use std::net::SocketAddr;

/// See `sock_diag.rs`.
pub(super) struct SockDiag;

/// See `sock_diag.rs`.
pub(super) struct Signs {
    pub(super) retransmits: u8,
    pub(super) probes: u8,
    pub(super) silent_ms: u32,
}

impl SockDiag {
    pub(super) fn open() -> io::Result<SockDiag> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn ask(&self, _: SocketAddr, _: SocketAddr) -> io::Result<Signs> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
