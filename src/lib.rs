//! cooee: the little conversations networks are tested and taught with, served from one
//! hand-written poll loop.
#![forbid(unsafe_code)]

pub mod engine;
pub mod services;
