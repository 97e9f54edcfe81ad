//! The bus: what joins the rooms of several servers, by way of NATS. Feature `bus`.

mod port;

pub use port::{BusFigures, News, Port, Wish};
