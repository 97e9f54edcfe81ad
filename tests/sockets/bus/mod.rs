//! `--bus`: the servers of this program and NATS.
#![allow(clippy::disallowed_methods)] // patience is measured by a clock

mod likeness;
