//! A datagram socket whose replies are to suffer: what that is, the engine decides
//! (`engine/faults/mishaps.rs`); here it is asked, and what is due is sent.

use std::fmt;
use std::rc::Rc;

use super::answers::{Envelope, Message};
use super::{Datagrams, Screening};
use crate::engine::{Engine, Knobs, Mishaps, Time};

/// The knobs of a socket, and where they come from.
pub struct UdpFaults {
    /// Tells which hold now.
    knobs: Rc<dyn Fn() -> Option<Rc<Knobs>>>,
    mishaps: Mishaps<Envelope>,
    /// Whether there are any, in this turn.
    is_on: bool,
}

impl UdpFaults {
    /// For the listener at that place on the command line, which does wrong what `knobs` say.
    pub fn new(place: usize, knobs: Rc<dyn Fn() -> Option<Rc<Knobs>>>) -> UdpFaults {
        UdpFaults { knobs, mishaps: Mishaps::new(place), is_on: false }
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
        let now = screening.engine.now();
        let counts = screening.engine.datagram_counts_mut(self.responder);
        if !faults.mishaps.add(to, reply, now, &mut counts.faults) {
            counts.dropped += 1;
        }
        self.send_due(screening.engine);
    }

    /// Sends what is due.
    fn send_due(&mut self, engine: &mut Engine) {
        let now = engine.now();
        while let Some(faults) = &mut self.faults {
            let counts = &mut engine.datagram_counts_mut(self.responder).faults;
            let Some((to, reply)) = faults.mishaps.release(now, counts) else { return };
            self.send(Message::single(to, &reply), engine);
        }
    }

    /// Sends all that is held back: nobody waits for us.
    pub(crate) fn send_held(&mut self, engine: &mut Engine) {
        if let Some(mut faults) = self.faults.take() {
            for (to, reply) in faults.mishaps.release_all() {
                self.send(Message::single(to, &reply), engine);
            }
        }
    }

    /// When something that is held is due.
    pub(crate) fn due(&self) -> Option<Time> {
        self.faults.as_ref()?.mishaps.next()
    }
}
