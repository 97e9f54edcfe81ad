//! A datagram socket whose replies are to suffer: what that is, the engine decides
//! (`engine/faults/mishaps.rs`); here it is asked, and what is due is sent.

use std::cell::Cell;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;

use super::answers::{Envelope, Message};
use super::{Datagrams, Screening, ends};
use crate::engine::{Engine, FaultKind, Knobs, Mishaps, Time};

/// The knobs of a socket, and where they come from.
pub struct UdpFaults {
    /// Tells which hold now.
    knobs: Rc<dyn Fn() -> Option<Rc<Knobs>>>,
    mishaps: Mishaps<Envelope>,
    /// Whether there are any, in this turn.
    is_on: bool,
}

impl UdpFaults {
    /// For a listener of the endpoint at that place on the command line, whose listeners have sent
    /// `number` replies and do wrong what `knobs` say.
    pub fn new(
        place: usize,
        number: Rc<Cell<u64>>,
        knobs: Rc<dyn Fn() -> Option<Rc<Knobs>>>,
    ) -> UdpFaults {
        UdpFaults { knobs, mishaps: Mishaps::new(place, number), is_on: false }
    }
}

/// Who hears what is done wrong by a socket at that address.
fn teller(
    responder: usize,
    local: SocketAddr,
    engine: &mut Engine,
) -> impl FnMut(Envelope, FaultKind) {
    move |envelope, kind| {
        engine.datagram_counts_mut(responder).faults.count(kind);
        if engine.is_tapped() {
            let (local, remote) = ends(local, envelope);
            engine.show_datagram_fault(local, remote, kind);
        }
    }
}

impl fmt::Debug for UdpFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UdpFaults({:?})", (self.knobs)())
    }
}

impl Datagrams {
    /// Looks up what holds from now on, and sends what is due.
    pub(super) fn heed_faults(&mut self, engine: &mut Engine) {
        if let Some(faults) = &mut self.faults {
            faults.is_on = faults.mishaps.heed((faults.knobs)());
            if faults.is_on {
                engine.datagram_counts_mut(self.responder).faults.expect();
            }
            self.send_due(engine);
        }
    }

    /// Whether replies are to go through `suffer`.
    pub(super) fn is_faulty(&self) -> bool {
        self.faults.as_ref().is_some_and(|faults| faults.is_on)
    }

    /// Has a reply suffer what is drawn for it.
    pub(super) fn suffer(&mut self, to: Envelope, reply: &[u8], screening: &mut Screening<'_>) {
        let Some(faults) = &mut self.faults else { return };
        let engine = &mut *screening.engine;
        let now = engine.now();
        let fits =
            faults.mishaps.add(to, reply, now, &mut teller(self.responder, self.local, engine));
        if !fits {
            engine.datagram_counts_mut(self.responder).dropped += 1;
        }
        self.send_due(engine);
    }

    /// Sends what is due.
    fn send_due(&mut self, engine: &mut Engine) {
        let now = engine.now();
        while let Some(faults) = &mut self.faults {
            let due = faults.mishaps.release(now, &mut teller(self.responder, self.local, engine));
            let Some((to, reply)) = due else { return };
            self.send(Message::single(to, &reply), engine);
        }
    }

    /// Sends all that is held back: nobody waits for us.
    pub(crate) fn send_held(&mut self, engine: &mut Engine) {
        if let Some(mut faults) = self.faults.take() {
            let held = faults.mishaps.release_all(&mut teller(self.responder, self.local, engine));
            for (to, reply) in held {
                self.send(Message::single(to, &reply), engine);
            }
        }
    }

    /// When something that is held is due.
    pub(crate) fn due(&self) -> Option<Time> {
        self.faults.as_ref()?.mishaps.next()
    }
}
