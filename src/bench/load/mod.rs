//! What makes the load: which workloads there are, the plan of a run, the services that ask, and
//! whom they ask.

pub(crate) mod budget;
pub(crate) mod core;
pub(crate) mod crowd;
pub(crate) mod exchange;
mod payload;
pub(crate) mod plan;
pub(crate) mod rate;
pub(crate) mod room;
pub(crate) mod run_id;
mod schedule;
mod script;
pub(crate) mod target;
pub(crate) mod visit;
mod window;
pub(crate) mod workload;
