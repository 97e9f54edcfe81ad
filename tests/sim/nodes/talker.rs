//! Stands for the chat where the bus is tried alone: follows some subjects, keeps lines and
//! publishes others, and does what it is told by the news.

use std::time::Duration;

use cooee::bus::{News, Port, Wish};
use cooee::engine::{Net, Operated, Service, Time};

use super::super::rng::Rng;

/// What every one of them follows.
pub(crate) const SUBJECTS: [&str; 3] = ["say.lobby", "say.rust", "say.night-shift"];

/// See the top of this file.
pub(crate) struct Talker {
    port: Port,
    node: usize,
    rng: Rng,
    until: Time,
    said: u64,
    is_up: bool,
    /// How long it is silent at most.
    pause: usize,
}

impl Talker {
    /// One that says so much and no more after that time.
    pub(crate) fn new(port: Port, node: usize, seed: u64, until: Time) -> Talker {
        let mut rng = Rng::new(seed);
        let pause = *rng.pick(&[100_000, 500_000, 2_000_000]);
        Talker { port, node, rng, until, said: 0, is_up: false, pause }
    }

    fn speak(&mut self) {
        let subject = (*self.rng.pick(&SUBJECTS)).to_owned();
        let burst = if self.rng.chance(50) { 20 } else { 1 };
        for _ in 0..burst {
            self.said += 1;
            let payload = format!("{{\"node\":{},\"n\":{}}}", self.node, self.said).into_bytes();
            // Nobody keeps lines of whom it knows that they would not be heard.
            if self.is_up {
                let id = format!("{}-{}", self.node, self.said);
                self.port.wish(Wish::Keep { subject: subject.clone(), id, payload });
            }
        }
        if self.rng.chance(100) {
            let payload = format!("{{\"node\":{}}}", self.node).into_bytes();
            self.port.wish(Wish::Publish { subject: "here.lobby".into(), payload });
        }
    }
}

impl Service for Talker {
    fn alarm(&mut self, net: &mut Net) {
        if net.now() < self.until {
            self.speak();
            net.wake_in(self.rng.micros(0..=self.pause));
        }
    }

    fn settled(&mut self, _: &mut Net) {
        while let Some(news) = self.port.next_news() {
            match news {
                News::Up { .. } => self.is_up = true,
                News::Down { .. } => self.is_up = false,
                _ => {}
            }
        }
    }

    fn operated(&mut self) -> Option<&mut dyn Operated> {
        Some(self)
    }
}

impl Operated for Talker {
    fn started(&mut self, net: &mut Net) {
        for subject in SUBJECTS {
            self.port.wish(Wish::Follow(subject.into()));
        }
        self.port.wish(Wish::Listen("here.*".into()));
        net.wake_in(Duration::from_millis(1));
    }
}
