//! `cooee bench` from outside: what it measures and says, what others have left behind, and
//! servers that keep it waiting.

mod browser;
mod leftovers;
mod page;
mod results;
mod run;
mod scripted;
mod waits;
