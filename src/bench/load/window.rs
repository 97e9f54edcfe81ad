//! The requests of one connection that may still be answered, and what an answer means: it came
//! in time, twice, too late, or to nothing that was asked.

use crate::engine::Time;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RequestState {
    Waiting,
    Answered,
    Lost,
}

#[derive(Clone, Copy)]
struct Slot {
    number: u64,
    intended: Time,
    sent: Time,
    state: RequestState,
}

const NOTHING: Slot =
    Slot { number: u64::MAX, intended: Time::ZERO, sent: Time::ZERO, state: RequestState::Lost };

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The first one, in time. `overtaken`: a later request was answered before.
    InTime {
        /// When the request was meant to be sent.
        intended: Time,
        /// When it was sent.
        sent: Time,
        /// Whether the answers were out of order.
        overtaken: bool,
    },
    /// Answered before.
    Duplicate,
    /// Given up before, or so long ago that nobody remembers.
    Late,
    /// Never asked.
    Unknown,
}

/// Requests by number: the newest so many are remembered.
pub(super) struct Window {
    slots: Box<[Slot]>,
    next: u64,
    /// None before this one waits.
    oldest: u64,
    in_flight: usize,
    highest_answered: Option<u64>,
}

impl Window {
    /// Room for `depth` requests at once, and as many again to be remembered.
    pub(super) fn new(depth: usize) -> Window {
        let slots = vec![NOTHING; (2 * depth).next_power_of_two()].into_boxed_slice();
        Window { slots, next: 0, oldest: 0, in_flight: 0, highest_answered: None }
    }

    /// How many requests wait for their answer.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The number of the oldest request that waits, or the next one's.
    pub(super) fn oldest(&self) -> u64 {
        self.oldest
    }

    /// The number of the next request.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// How many numbers lie between the oldest request that waits and the next one.
    pub(super) fn spread(&self) -> u64 {
        self.next - self.oldest
    }

    /// A request that still waits keeps its slot, however many have passed it.
    fn grow(&mut self) {
        let more = vec![NOTHING; 2 * self.slots.len()].into_boxed_slice();
        let slots = std::mem::replace(&mut self.slots, more);
        for slot in slots.iter().filter(|slot| slot.number < self.next) {
            let index = self.index(slot.number);
            self.slots[index] = *slot;
        }
    }

    /// Notes that the next request is sent. The caller sees to it that no more than `depth` are.
    pub(super) fn ask(&mut self, intended: Time, sent: Time) -> u64 {
        if self.spread() >= self.slots.len() as u64 {
            self.grow();
        }
        let number = self.next;
        let index = self.index(number);
        self.slots[index] = Slot { number, intended, sent, state: RequestState::Waiting };
        self.next += 1;
        self.in_flight += 1;
        number
    }

    /// An answer to request `number` has come.
    pub(super) fn answer(&mut self, number: u64) -> Answer {
        if number >= self.next {
            return Answer::Unknown;
        }
        let index = self.index(number);
        let slot = &mut self.slots[index];
        if slot.number != number {
            return Answer::Late;
        }
        match std::mem::replace(&mut slot.state, RequestState::Answered) {
            RequestState::Waiting => {}
            RequestState::Answered => return Answer::Duplicate,
            RequestState::Lost => return Answer::Late,
        }
        let (intended, sent) = (slot.intended, slot.sent);
        let overtaken = self.highest_answered.is_some_and(|highest| highest > number);
        self.highest_answered = self.highest_answered.max(Some(number));
        self.in_flight -= 1;
        self.advance();
        Answer::InTime { intended, sent, overtaken }
    }

    /// The newest request so far whose number leaves `residue` when divided by `modulus`.
    pub(super) fn resolve(&self, residue: u64, modulus: u64) -> Option<u64> {
        let newest = self.next.checked_sub(1)?;
        let back = (newest % modulus + modulus - residue % modulus) % modulus;
        newest.checked_sub(back)
    }

    /// When the oldest request that waits was sent.
    pub(super) fn waiting_since(&self) -> Option<Time> {
        (self.in_flight > 0).then(|| self.slots[self.index(self.oldest)].sent)
    }

    /// Gives up what was sent before `then`; `lost` is told when each was meant to be. How many
    /// those are.
    pub(super) fn expire(&mut self, then: Time, mut lost: impl FnMut(Time)) -> usize {
        let before = self.in_flight;
        while self.waiting_since().is_some_and(|sent| sent < then) {
            let index = self.index(self.oldest);
            self.slots[index].state = RequestState::Lost;
            lost(self.slots[index].intended);
            self.in_flight -= 1;
            self.advance();
        }
        before - self.in_flight
    }

    fn advance(&mut self) {
        while self.oldest < self.next
            && self.slots[self.index(self.oldest)].state != RequestState::Waiting
        {
            self.oldest += 1;
        }
    }

    #[allow(clippy::cast_possible_truncation)] // less than the number of slots
    fn index(&self, number: u64) -> usize {
        (number & (self.slots.len() as u64 - 1)) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_slow_answer_is_in_time_however_many_have_passed_it() {
        let mut window = Window::new(2);
        let slow = window.ask(at(0), at(0));
        for millis in 1..100 {
            let number = window.ask(at(millis), at(millis));
            assert!(matches!(window.answer(number), Answer::InTime { .. }));
            assert_eq!(window.in_flight(), 1);
        }
        let wanted = Answer::InTime { intended: at(0), sent: at(0), overtaken: true };
        assert_eq!(window.answer(slow), wanted);
        assert_eq!((window.in_flight(), window.spread()), (0, 0));
    }

    fn at(millis: u64) -> Time {
        Time::at(Duration::from_millis(millis))
    }

    fn asked(count: u64) -> Window {
        let mut window = Window::new(4);
        for n in 0..count {
            assert_eq!(window.ask(at(n), at(n + 1)), n);
        }
        window
    }

    fn in_time(n: u64, overtaken: bool) -> Answer {
        Answer::InTime { intended: at(n), sent: at(n + 1), overtaken }
    }

    #[test]
    fn answers_in_order_twice_and_overtaken_are_told_apart() {
        let mut window = asked(3);
        assert_eq!(window.answer(0), in_time(0, false));
        assert_eq!(window.answer(2), in_time(2, false));
        assert_eq!(window.oldest(), 1);
        assert_eq!(window.answer(1), in_time(1, true));
        assert_eq!(window.answer(1), Answer::Duplicate);
        assert_eq!(window.answer(3), Answer::Unknown);
        assert_eq!((window.in_flight(), window.oldest()), (0, 3));
    }

    #[test]
    fn what_is_given_up_is_late_when_it_comes_and_is_counted_once() {
        let mut window = asked(3);
        assert_eq!(window.expire(at(3), |_| ()), 2);
        assert_eq!(window.waiting_since(), Some(at(3)));
        assert_eq!(window.answer(0), Answer::Late);
        assert_eq!(window.answer(0), Answer::Duplicate);
        assert_eq!(window.answer(2), in_time(2, false));
        assert_eq!(window.expire(at(99), |_| ()), 0);
    }

    #[test]
    fn an_answer_to_something_long_forgotten_is_late() {
        let mut window = asked(1);
        window.answer(0);
        for n in 1..20 {
            window.ask(at(n), at(n));
            window.answer(n);
        }
        assert_eq!(window.answer(3), Answer::Late);
    }

    #[test]
    fn a_short_number_means_the_newest_request_that_fits() {
        let mut window = asked(3);
        assert_eq!(window.resolve(2, 12), Some(2));
        assert_eq!(window.resolve(3, 12), None);
        for n in 3..15 {
            window.expire(at(n), |_| ());
            window.ask(at(n), at(n));
        }
        assert_eq!(window.resolve(2, 12), Some(14));
        assert_eq!(window.resolve(3, 12), Some(3));
    }
}
