//! Rooms that span servers, in a build without the bus: there are none.

/// What joins the rooms of one server with those of others: nobody has it.
#[derive(Clone, Debug)]
pub enum BusRooms {}
