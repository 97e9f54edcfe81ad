//! `cooee echo`, over TCP and over UDP.

pub(crate) mod datagram;
pub(crate) mod stream;
