//! The bus, in a build without it: there is none.

use super::args::BusArgs;
use crate::engine::Engine;
use crate::services::chat::BusRooms;

/// Descriptors that are for this.
pub(super) const DESCRIPTORS: usize = 0;

/// Where the bus is: nowhere.
#[derive(Clone, Debug)]
pub enum BusPlan {}

/// The bus, with what chat is to be given: nothing.
pub(super) struct Joining {
    pub(super) rooms: BusRooms,
}

impl BusPlan {
    pub(super) fn new(_: &str, _: &BusArgs, _: bool) -> Result<BusPlan, String> {
        Err("there is no bus here".into())
    }

    pub(super) fn open(&self) -> Result<Joining, String> {
        match *self {}
    }
}

impl Joining {
    pub(super) fn add_to(self, _: &mut Engine) {}
}
