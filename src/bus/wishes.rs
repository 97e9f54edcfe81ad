//! What is wanted of the bus.

use super::calls::Phase;
use super::following::Supply;
use super::heart::Then;
use super::{Bus, Mode, News, PAYLOAD_MAX, PREFIX, Wish};
use crate::engine::{Net, Time};
use crate::nats::{is_subject, say};

impl Bus {
    /// Takes all wishes that were left.
    pub(super) fn take_wishes(&mut self, net: &Net) {
        if let Some(call) = &self.call {
            self.out.look(call.peer, net);
        }
        let mut is_to_hear = false;
        while let Some(wish) = self.port.next_wish() {
            match wish {
                Wish::Listen(subject) => self.listen(&subject),
                Wish::Follow(subject) => is_to_hear |= self.follow(&subject),
                Wish::Leave(subject) => self.forget(&subject),
                Wish::Publish { subject, payload } => self.publish(&subject, &payload),
                Wish::Keep { subject, id, payload } => {
                    self.keep(subject, id, payload, net.now());
                }
            }
        }
        if is_to_hear {
            self.ping(Then::Heard, net);
        }
    }

    /// Whether the server knows us, so that it can be told what is wanted.
    fn is_in(&self) -> bool {
        matches!(self.phase, Phase::Entering(_) | Phase::In | Phase::Up)
    }

    fn listen(&mut self, subject: &str) {
        if fits(subject) && self.subscriptions.listen(subject) && self.is_in() {
            self.hear_of(subject);
        }
    }

    /// Whether it is heard only behind the next PONG.
    fn follow(&mut self, subject: &str) -> bool {
        let is_plain = self.mode == Some(Mode::Plain);
        let is_new = fits(subject) && self.followings.follow(subject);
        if is_new && is_plain {
            self.hear_plainly(subject);
        }
        is_new && is_plain
    }

    fn forget(&mut self, subject: &str) {
        if let Some(sid) = self.subscriptions.ignore(subject) {
            self.end_supply(Supply::Plain(sid));
        }
        if let Some(supply) = self.followings.leave(subject) {
            self.end_supply(supply);
        }
    }

    fn publish(&mut self, subject: &str, payload: &[u8]) {
        if self.phase != Phase::Up {
            return;
        }
        let is_lost = !self.out.has_room() || !fits(subject) || payload.len() > PAYLOAD_MAX;
        self.port.count(|figures| {
            figures.messages_out += u64::from(!is_lost);
            figures.dropped_queue += u64::from(is_lost);
        });
        if !is_lost {
            say::publish(&mut self.out.bytes, &format!("{PREFIX}{subject}"), None, payload);
        }
    }

    fn keep(&mut self, subject: String, id: String, payload: Vec<u8>, now: Time) {
        let is_fit = fits(&subject) && payload.len() <= PAYLOAD_MAX;
        let is_kept = is_fit && self.kept.keep(subject, id.clone(), payload, now);
        if !is_kept {
            self.port.count(|figures| figures.dropped_queue += 1);
            let why = match is_fit {
                true => "too many lines wait for the bus",
                false => "it is too long for the bus",
            };
            self.port.tell(News::Refused { id, why: why.into() });
            self.has_told_late = true;
        }
    }

    /// Something has been dropped because there was too much of it.
    pub(super) fn count_surplus(&mut self, now: Time) {
        self.port.count(|figures| figures.dropped_rate += 1);
        if self.surplus_due == Time::NEVER {
            self.surplus_due = now;
        }
    }

    /// Whether a line is told that came without a stream. What is not is counted.
    pub(super) fn passes_plain(&mut self, subject: &str, net: &Net) -> bool {
        let limit = self.admission.as_ref().map(|admission| &admission.one);
        let Some(one) = self.followings.get_mut(subject) else { return false };
        let is_within = one.passes(limit, net.now());
        if !is_within {
            one.surplus.count();
            self.count_surplus(net.now());
        }
        is_within
    }

    /// Tells what was dropped, if it is time to.
    pub(super) fn tell_surplus(&mut self, now: Time) {
        if self.surplus_due > now {
            return;
        }
        while let Some((subject, lines)) = self.subscriptions.surplus(now) {
            self.tell(News::Dropped { subject, lines });
        }
        let mut due = self.subscriptions.surplus_due();
        let mut dropped = Vec::new();
        for (subject, one) in self.followings.iter_mut() {
            if let Some(lines) = one.surplus.take(now) {
                dropped.push((subject.clone(), lines));
            }
            due = due.min(one.surplus.due().unwrap_or(Time::NEVER));
        }
        for (subject, lines) in dropped {
            self.tell(News::Dropped { subject, lines });
        }
        self.surplus_due = due;
    }
}

/// Whether that can be wanted: a `*` is allowed.
fn fits(subject: &str) -> bool {
    debug_assert!(is_subject(subject), "{subject:?}");
    is_subject(subject)
}
