//! The terminal: the line being typed, and what the server says above it. Nothing here knows of
//! connections.

mod clusters;
pub(crate) mod display;
pub(crate) mod editor;
mod keys;
pub(crate) mod stdio;
pub(crate) mod terminal;
