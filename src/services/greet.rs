//! Greet: being written.
use super::Offer;
/// Greet.
pub const OFFER: Offer = Offer {
    name: "greet",
    port: 1025,
    about: "says hello",
    idle: None,
    fans_out: false,
    stream: None,
    datagram: None,
};
/// Template.
#[derive(Clone, Debug, Default)]
pub struct Template;
