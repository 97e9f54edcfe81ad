//! Rooms that span servers, in a build without the bus: there are none.

use std::collections::BTreeMap;

use super::Membership;
use super::acts::Manner;
use super::names::{Name, Names};
use super::rooms::Rooms;
use crate::engine::{Net, Peer, Table};

/// What joins the rooms of one server with those of others: nobody has it.
#[derive(Clone, Debug)]
pub enum BusRooms {}

/// The rooms of other servers: there are none.
pub(super) enum Far {}

/// Something that is said here.
#[expect(dead_code)] // nobody passes it on
pub(super) struct Spoken<'a> {
    pub(super) room: usize,
    pub(super) speaker: Option<(Peer, Name)>,
    pub(super) manner: Manner,
    pub(super) text: &'a [u8],
    pub(super) line: &'a str,
}

impl Far {
    #[expect(clippy::needless_pass_by_value)] // as the other one has to
    pub(super) fn new(bus: BusRooms) -> Far {
        match bus {}
    }

    pub(super) fn start(&mut self, _: &mut Rooms, _: &mut Net) {
        match *self {}
    }

    pub(super) fn settle(&mut self, _: &Table<Membership>, _: &Names, _: &mut Rooms, _: &mut Net) {
        match *self {}
    }

    pub(super) fn wake(&mut self, _: &Table<Membership>, _: &Names, _: &mut Rooms, _: &mut Net) {
        match *self {}
    }

    pub(super) fn take(&mut self, _: &Spoken<'_>, _: &mut Rooms, _: &mut Net) -> bool {
        match *self {}
    }

    pub(super) fn opened(&self, _: usize, _: &mut Rooms) {
        match *self {}
    }

    pub(super) fn is_here(&self, _: Name) -> bool {
        match *self {}
    }

    pub(super) fn send_message(&self, _: (Peer, Name), _: Name, _: Name, _: &[u8], _: &mut Net) {
        match *self {}
    }

    pub(super) fn list_members(&self, _: Peer, _: Name, _: usize, _: &mut Net) {
        match *self {}
    }

    pub(super) fn rooms(&self, _: &mut Net) -> BTreeMap<Name, usize> {
        match *self {}
    }
}
