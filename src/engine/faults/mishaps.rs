//! What the replies of one datagram listener suffer: some are late, lost, sent twice, behind others
//! or damaged. No socket, no clock.
//!
//! The knobs hold one behind the other: a reply becomes due after its delay, leaves at the rate of
//! the listener, and only then is lost, doubled, overtaken or damaged, as on a line behind it.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use super::Share;
use super::knobs::{Draws, FaultKind, Knobs};
use super::rate::Rate;
use crate::engine::time::Time;

/// Replies that are held back at once; further ones are lost.
const HELD_MAX: usize = 4096;
/// And their bytes.
const HELD_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long a reply waits for another one to be sent before it.
const REORDER_MAX: Duration = Duration::from_millis(50);

/// When something is due, and its number among all that is held.
type Place = (Time, u64);

/// See the top of this file. `T` is where a reply goes.
pub(crate) struct Mishaps<T> {
    /// The place of its endpoint on the command line.
    place: usize,
    /// How many replies there were, of all listeners of that endpoint.
    number: Rc<Cell<u64>>,
    knobs: Option<Rc<Knobs>>,
    rate: Option<Rate>,
    /// When the rate lets another one out.
    open_again: Time,
    /// What is held, by when it is due and then in order.
    held: BTreeMap<Place, Held<T>>,
    /// What is through, but for another one that is to overtake it, and until when it waits for
    /// that: one of each peer at the most, who waits longest in front.
    late: VecDeque<(Time, Held<T>)>,
    /// What leaves next.
    leaving: VecDeque<(T, Vec<u8>)>,
    /// How many were held so far.
    order: u64,
    bytes: usize,
}

/// A reply, and what becomes of it once it is through.
struct Held<T> {
    to: T,
    reply: Vec<u8>,
    fate: Fate,
}

#[derive(Clone, Copy, Default)]
struct Fate {
    is_lost: bool,
    is_twice: bool,
    lets_pass: bool,
    /// By which draw a bit of each copy is turned over.
    damage: [Option<u64>; 2],
}

impl Fate {
    fn of(knobs: &Knobs, draws: Draws) -> Fate {
        let is_drawn = |share: Share, kind, nth| share.has(draws.draw(kind, nth));
        let damage = |copy: u64| {
            let is_damaged = is_drawn(knobs.corrupt, FaultKind::Corrupt, 2 * copy);
            is_damaged.then(|| draws.draw(FaultKind::Corrupt, 2 * copy + 1))
        };
        Fate {
            is_lost: is_drawn(knobs.drop, FaultKind::Drop, 0),
            is_twice: is_drawn(knobs.duplicate, FaultKind::Duplicate, 0),
            lets_pass: is_drawn(knobs.reorder, FaultKind::Reorder, 0),
            damage: [damage(0), damage(1)],
        }
    }
}

impl<T: Copy + PartialEq> Mishaps<T> {
    /// Nothing yet, for a listener of the endpoint at that place, which has had `number` replies.
    pub(crate) fn new(place: usize, number: Rc<Cell<u64>>) -> Mishaps<T> {
        Mishaps {
            place,
            number,
            knobs: None,
            rate: None,
            open_again: Time::ZERO,
            held: BTreeMap::new(),
            late: VecDeque::new(),
            leaving: VecDeque::new(),
            order: 0,
            bytes: 0,
        }
    }

    /// These hold from now on. Returns whether a reply has anything to fear, or to wait for.
    pub(crate) fn heed(&mut self, knobs: Option<Rc<Knobs>>) -> bool {
        if self.knobs != knobs {
            self.open_again = Time::ZERO;
            self.rate = knobs.as_ref().and_then(|knobs| knobs.rate).map(Rate::new);
            self.knobs = knobs;
        }
        self.knobs.is_some() || self.next().is_some()
    }

    /// A reply is to be sent at `now`. Returns whether there was room for it. `tell` hears what
    /// goes wrong, here and below.
    pub(crate) fn add(
        &mut self,
        to: T,
        reply: &[u8],
        now: Time,
        tell: &mut dyn FnMut(T, FaultKind),
    ) -> bool {
        let (mut due, mut fate) = (now, Fate::default());
        if let Some(knobs) = &self.knobs {
            let draws = knobs.draws(self.place, self.number.replace(self.number.get() + 1));
            fate = Fate::of(knobs, draws);
            let delay = knobs.delay.map(|spread| spread.pick(draws.draw(FaultKind::Delay, 0)));
            due = now.after(delay.unwrap_or_default());
        }
        if self.held.len() + self.late.len() >= HELD_MAX
            || self.bytes.saturating_add(reply.len()) > HELD_BYTES_MAX
        {
            return false;
        }
        if due > now {
            tell(to, FaultKind::Delay);
        }
        self.bytes += reply.len();
        self.held.insert((due, self.order), Held { to, reply: reply.to_vec(), fate });
        self.order += 1;
        true
    }

    /// The next reply that is to leave at `now`, if there is one.
    pub(crate) fn release(
        &mut self,
        now: Time,
        tell: &mut dyn FnMut(T, FaultKind),
    ) -> Option<(T, Vec<u8>)> {
        loop {
            if let Some(next) = self.leaving.pop_front() {
                return Some(next);
            }
            let until = self.late.front().map_or(now, |(until, _)| *until);
            if let Some(one) = self.through(until.min(now), now, tell) {
                self.go(one, now, tell);
                continue;
            }
            // Nobody has overtaken it.
            let (_, one) = if until <= now { self.late.pop_front() } else { None }?;
            self.leave(one, tell);
        }
    }

    /// The next one that was due by `until` and that the rate lets out at `now`.
    fn through(
        &mut self,
        until: Time,
        now: Time,
        tell: &mut dyn FnMut(T, FaultKind),
    ) -> Option<Held<T>> {
        let first = self.held.first_entry().filter(|first| first.key().0 <= until)?;
        if let Some(rate) = &mut self.rate {
            if now < self.open_again {
                return None;
            }
            let length = first.get().reply.len();
            if rate.allows(now) == 0 {
                tell(first.get().to, FaultKind::Rate);
                self.open_again = rate.ready(length).max(now.after(Duration::from_nanos(1)));
                return None;
            }
            rate.spend(length, now);
        }
        Some(first.remove())
    }

    /// A reply is through: it is lost, or waits for the next one to the same peer, or leaves, and
    /// behind it who has waited for that. Those who wait are looked through: they are few, for none
    /// does so for long.
    fn go(&mut self, one: Held<T>, now: Time, tell: &mut dyn FnMut(T, FaultKind)) {
        if one.fate.is_lost {
            return self.lose(&one, tell);
        }
        let waiting = self.late.iter().position(|(_, late)| late.to == one.to);
        if waiting.is_none() && one.fate.lets_pass {
            return self.late.push_back((now.after(REORDER_MAX), one));
        }
        self.leave(one, tell);
        if let Some((_, overtaken)) = waiting.and_then(|at| self.late.remove(at)) {
            tell(overtaken.to, FaultKind::Reorder);
            self.leave(overtaken, tell);
        }
    }

    fn lose(&mut self, one: &Held<T>, tell: &mut dyn FnMut(T, FaultKind)) {
        self.bytes -= one.reply.len();
        tell(one.to, FaultKind::Drop);
    }

    fn leave(&mut self, one: Held<T>, tell: &mut dyn FnMut(T, FaultKind)) {
        let Held { to, reply, fate } = one;
        self.bytes -= reply.len();
        if fate.is_twice {
            tell(to, FaultKind::Duplicate);
            self.leaving.push_back((to, damaged(reply.clone(), to, fate.damage[1], tell)));
        }
        self.leaving.push_back((to, damaged(reply, to, fate.damage[0], tell)));
    }

    /// All that is held, due or not, but for what is lost anyway.
    pub(crate) fn release_all(
        &mut self,
        tell: &mut dyn FnMut(T, FaultKind),
    ) -> VecDeque<(T, Vec<u8>)> {
        while let Some((_, one)) = self.late.pop_front() {
            self.leave(one, tell);
        }
        while let Some((_, one)) = self.held.pop_first() {
            match one.fate.is_lost {
                true => self.lose(&one, tell),
                false => self.leave(one, tell),
            }
        }
        std::mem::take(&mut self.leaving)
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Option<Time> {
        let held = self.held.first_key_value().map(|((due, _), _)| self.open_again.max(*due));
        let late = self.late.front().map(|(until, _)| *until);
        held.into_iter().chain(late).min()
    }
}

/// The reply with one bit turned over, if that was drawn and it has any.
fn damaged<T>(
    mut reply: Vec<u8>,
    to: T,
    draw: Option<u64>,
    tell: &mut dyn FnMut(T, FaultKind),
) -> Vec<u8> {
    let Some(draw) = draw else { return reply };
    let at = usize::try_from(draw >> 3).unwrap_or(0) % reply.len().max(1);
    if let Some(byte) = reply.get_mut(at) {
        *byte ^= 1 << (draw & 7);
        tell(to, FaultKind::Corrupt);
    }
    reply
}

#[cfg(test)]
mod tests;
