//! Chat: being written.
use super::Offer;
use crate::engine::Service;
/// Chat.
pub const OFFER: Offer = Offer {
    name: "chat",
    port: 5001,
    about: "everybody in a room, line by line, until BYE",
    idle: None,
    fans_out: true,
    stream: Some(|_| Box::new(Chat)),
    datagram: None,
};
/// Chat.
pub struct Chat;
impl Service for Chat {
    fn received(
        &mut self,
        _: crate::engine::Peer,
        input: &[u8],
        _: &mut crate::engine::Net,
    ) -> usize {
        input.len()
    }
}
/// How many lines a member may send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Lines a second in the long run.
    pub per_second: f64,
    /// Lines at once after a silence.
    pub burst: f64,
}
impl Default for Rate {
    fn default() -> Self {
        Rate { per_second: 10.0, burst: 30.0 }
    }
}
