//! What is measured, and how sure that is. It knows no workload.

pub(crate) mod abort;
pub(crate) mod bound;
pub(crate) mod fault;
pub(crate) mod interference;
pub(crate) mod latency;
pub(crate) mod listeners;
pub(crate) mod measurement;
pub(crate) mod phase;
mod processes;
pub(crate) mod provenance;
pub(crate) mod recorder;
pub(crate) mod statistics;
pub(crate) mod ticker;
pub(crate) mod usage;
