//! `cooee bench` from outside: what it measures and says, what others have left behind, and
//! servers that keep it waiting.

pub(crate) mod browser;
mod compare;
mod faulty;
mod leftovers;
mod live;
mod outputs;
mod page;
mod placement;
mod results;
pub(crate) mod run;
mod scripted;
mod stages;
mod together;
mod waits;
