//! The faults of a listener: what it does wrong to those who connect to it, from its knobs.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

use crate::endpoint::{Endpoint, Transport};
use crate::engine::{Address, Carrier, Engine, Knobs, Layering, Layers, Script};
use crate::reactor::UdpFaults;
use crate::services::Offer;

/// The knobs of one endpoint, which all its listeners share, and whom they have been drawn for.
#[derive(Debug)]
pub(super) struct Faults {
    /// Its place on the command line, from 0.
    place: usize,
    knobs: RefCell<Option<Rc<Knobs>>>,
    /// Those that were asked for, behind a `?`: without a seed that was chosen. Or nothing.
    written: String,
    /// How many have connected to it so far.
    accepted: Cell<u64>,
    /// How many datagrams have been answered while there were any.
    answered: Rc<Cell<u64>>,
}

impl Faults {
    /// Those that `endpoint` has, at that place. Where it has no seed, one is chosen.
    pub(super) fn of(place: usize, endpoint: &Endpoint) -> Rc<Faults> {
        let knobs = endpoint.knobs.as_ref();
        let written = knobs.map(|knobs| format!("?{knobs}")).unwrap_or_default();
        Faults::with(place, knobs.map(|knobs| seeded(knobs)), written)
    }

    /// The same for other listeners of its endpoint, who count for themselves.
    pub(super) fn apart(&self) -> Rc<Faults> {
        Faults::with(self.place, self.knobs(), self.written.clone())
    }

    pub(super) fn new(place: usize, knobs: Option<Rc<Knobs>>) -> Rc<Faults> {
        Faults::with(place, knobs, String::new())
    }

    fn with(place: usize, knobs: Option<Rc<Knobs>>, written: String) -> Rc<Faults> {
        let (knobs, accepted, answered) = (RefCell::new(knobs), Cell::default(), Rc::default());
        Rc::new(Faults { place, knobs, written, accepted, answered })
    }

    /// What was asked for, to stand behind an endpoint.
    pub(super) fn written(&self) -> &str {
        &self.written
    }

    /// Other knobs for whoever connects from now on; `None`: nothing is done wrong.
    pub(super) fn change(&self, knobs: Option<Rc<Knobs>>) {
        self.knobs.replace(knobs);
    }

    /// Those that hold.
    pub(super) fn knobs(&self) -> Option<Rc<Knobs>> {
        self.knobs.borrow().clone()
    }

    /// The same for a datagram socket.
    pub(super) fn for_datagrams(self: &Rc<Faults>) -> UdpFaults {
        let faults = Rc::clone(self);
        UdpFaults::new(self.place, Rc::clone(&self.answered), Rc::new(move || faults.knobs()))
    }

    /// What the next one to connect is to suffer.
    fn next(&self) -> Option<Script> {
        let number = self.accepted.replace(self.accepted.get() + 1);
        let knobs = self.knobs.borrow();
        let knobs = knobs.as_ref()?;
        Script::new(knobs, knobs.draws(self.place, number))
    }
}

/// The same, with a seed in any case.
pub(super) fn seeded(knobs: &Knobs) -> Rc<Knobs> {
    Rc::new(Knobs { seed: Some(knobs.seed.unwrap_or_else(chosen)), ..knobs.clone() })
}

/// A listener, whose knobs can be changed while it runs.
pub(super) struct FaultyListener {
    /// What it is announced as.
    pub(super) url: String,
    pub(super) offer: &'static Offer,
    pub(super) transport: Transport,
    /// The number of its service in the engine.
    pub(super) service: usize,
    pub(super) faults: Rc<Faults>,
}

impl FaultyListener {
    /// Has faults counted and told, if there are to be any.
    pub(super) fn expect(&self, engine: &mut Engine) {
        let carrier = match self.transport {
            Transport::Tcp => Carrier::Tcp,
            Transport::Unix => Carrier::Unix,
            Transport::Tls => Carrier::Tls,
            // Told as soon as they hold.
            Transport::Udp => return,
        };
        if self.faults.knobs().is_some() {
            engine.expect_faults(self.service, carrier);
        }
    }
}

/// A seed that nobody has chosen: short, for it is copied by hand.
fn chosen() -> u64 {
    RandomState::new().hash_one(()) % 1_000_000
}

/// What stands before a service, with faults before all of that.
#[derive(Debug)]
pub(super) struct Faulty {
    pub(super) front: Rc<dyn Layering>,
    pub(super) faults: Rc<Faults>,
}

impl Layering for Faulty {
    fn layers(&self, remote: Address) -> Option<Layers> {
        match (self.front.layers(remote), self.faults.next()) {
            (layers, None) => layers,
            (layers, Some(script)) => Some(layers.unwrap_or_default().faulty(script)),
        }
    }

    fn is_secured(&self) -> bool {
        self.front.is_secured()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{At, Share};

    /// Nothing.
    #[derive(Debug)]
    struct Bare;

    impl Layering for Bare {
        fn layers(&self, _: Address) -> Option<Layers> {
            None
        }
    }

    fn drawn(faults: Rc<Faults>) -> Vec<bool> {
        let faulty = Faulty { front: Rc::new(Bare), faults };
        let address = Address::from(([192, 0, 2, 1], 1));
        (0..200).map(|_| faulty.layers(address).is_some()).collect()
    }

    #[test]
    fn the_same_seed_and_the_same_place_give_the_same_faults_to_the_same_connections() {
        let half = Share::of_million(500_000);
        let reset = half.map(|half| (half, At::FirstReply));
        let knobs = |seed| Some(Rc::new(Knobs { reset, seed: Some(seed), ..Knobs::default() }));
        let once = drawn(Faults::new(0, knobs(7)));
        assert_eq!(once, drawn(Faults::new(0, knobs(7))));
        assert_ne!(once, drawn(Faults::new(1, knobs(7))));
        assert_ne!(once, drawn(Faults::new(0, knobs(8))));
        // Whoever came before there were any counts, too.
        let late = Faults::new(0, None);
        (0..100).for_each(|_| drop(late.next()));
        late.change(knobs(7));
        assert_eq!(drawn(late)[..100], once[100..]);
    }
}
