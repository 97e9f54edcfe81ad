//! Reaching a server: whom the user means, at which addresses, over one connection; over UDP, one
//! question at a time. What goes wrong on the way, in words.

pub(crate) mod connection;
pub(crate) mod diagnosis;
pub(crate) mod question;
pub(crate) mod target;
