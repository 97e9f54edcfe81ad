//! Lines of ours: published, and kept until a stream has taken them.

use super::calls::Phase;
use super::lines::About;
use super::{Bus, Mode, News, PREFIX};
use crate::engine::{Net, Time};
use crate::nats::stream::{code, pub_ack};
use crate::nats::{Message, say};

impl Bus {
    /// Says those that have not been said, as far as there is room.
    pub(super) fn say_kept(&mut self, now: Time) {
        // Behind a line that is to be said again nothing may get ahead of it.
        if self.phase != Phase::Up || self.keeper.is_asking() || self.unheard {
            return;
        }
        while let Some(line) = self.kept.next_expired(now) {
            let why = "the bus was out of reach for too long".into();
            self.port.tell(News::Refused { id: line.id, why });
            self.has_told_late = true;
        }
        let mode = self.mode;
        while self.out.has_room()
            && let Some(line) = self.kept.say_next(now)
        {
            let subject = format!("{PREFIX}{}", line.subject);
            self.port.count(|figures| figures.messages_out += 1);
            if mode == Some(Mode::Stream) {
                let reply = format!("{}.{}", self.inbox, About::Line(line.number).token());
                let (id, payload) = (line.id.as_str(), line.payload.as_slice());
                say::publish_once(&mut self.out.bytes, &subject, Some(&reply), id, payload);
                continue;
            }
            say::publish(&mut self.out.bytes, &subject, None, &line.payload);
            let number = line.number;
            if self.heart.ask_behind(now) {
                say::ping(&mut self.out.bytes);
            }
            if let Some(line) = self.kept.answered(number) {
                self.port.tell(News::Kept { id: line.id });
                self.has_told_late = true;
            }
        }
    }

    /// Nothing may be published under that. Of lines of ours there, the first is refused: each is
    /// complained of.
    pub(super) fn deny(&mut self, subject: &str) {
        let line = subject.strip_prefix(PREFIX).and_then(|subject| self.kept.denied(subject));
        if let Some(line) = line {
            self.tell(News::Refused { id: line.id, why: "the bus does not permit it".into() });
        }
    }

    /// What became of a line of ours.
    pub(super) fn take_receipt(
        &mut self,
        number: u64,
        is_unheard: bool,
        message: &Message<'_>,
        net: &mut Net,
    ) {
        let receipt = pub_ack(message.payload);
        if is_unheard || receipt.as_ref().is_err_and(|error| error.code == code::NO_STREAM) {
            self.unheard = true;
            return self.look_again(net.now());
        }
        let Some(line) = self.kept.answered(number) else { return };
        match receipt {
            Ok(receipt) => {
                self.tell(News::Kept { id: line.id });
                if !receipt.is_duplicate && !self.keeper.took(receipt.seq, line.said_at) {
                    self.look_again(net.now());
                }
            }
            Err(error) => self.tell(News::Refused { id: line.id, why: error.to_string() }),
        }
    }
}
