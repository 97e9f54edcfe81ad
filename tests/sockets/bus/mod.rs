//! The bus, with nats-servers that the tests start.

mod caller;
mod protocol;
