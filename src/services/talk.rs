//! being written.
use super::Offer;
/// Being written.
pub const OFFER: Offer = Offer {
    name: "talk",
    port: 5000,
    about: "",
    idle: None,
    fans_out: false,
    stream: None,
    datagram: None,
};
