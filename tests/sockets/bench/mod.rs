//! `cooee bench` from outside: what it measures and says, what others have left behind, and
//! servers that keep it waiting.

mod leftovers;
mod live;
mod results;
mod run;
mod scripted;
mod waits;
