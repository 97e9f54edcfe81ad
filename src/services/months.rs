//! being written.
use super::Offer;
/// Being written.
pub const OFFER: Offer = Offer {
    name: "months",
    port: 8091,
    about: "",
    idle: None,
    fans_out: false,
    stream: None,
    datagram: None,
};
