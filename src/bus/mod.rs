//! The bus: what joins the rooms of several servers, by way of NATS. Feature `bus`.

#![expect(dead_code)]
mod following;
mod followings;
mod heart;
mod keeper;
mod kept;
mod lookup;
mod port;

pub use lookup::{Found, Lookup, Resolver};
pub use port::{BusFigures, News, Port, Wish};
