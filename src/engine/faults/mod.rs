//! Faults on demand: what a listener does wrong, exactly as told.

mod knobs;

pub use knobs::{At, Draws, FaultCounts, FaultKind, Knobs, Share, Slicing, Spread, Stall};
