//! The bus, in a build without it: there is none.

#[cfg(feature = "admin")]
use super::admin::Family;
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

/// What an operator may see of it: nothing.
#[derive(Clone, Debug)]
pub(super) enum BusView {}

impl BusView {
    pub(super) fn line(&self) -> String {
        match *self {}
    }

    #[cfg(feature = "admin")]
    pub(super) fn families(&self) -> Vec<Family> {
        match *self {}
    }

    #[cfg(feature = "admin")]
    pub(super) fn status(&self) -> serde_json::Value {
        match *self {}
    }
}

impl BusPlan {
    pub(super) fn open(&self) -> Result<Joining, String> {
        match *self {}
    }
}

impl Joining {
    pub(super) fn view(&self) -> BusView {
        match self.rooms {}
    }

    pub(super) fn add_to(self, _: &mut Engine) {}
}
