//! The end of the wires where NATS is: its kernel, and what befalls both.

use std::rc::Rc;
use std::time::Duration;

use cooee::engine::Time;

use super::Nodes;
use super::blows::Blow;
use super::wires::{End, Wire, Wires};
use crate::sim::nats::Trouble;
use crate::sim::pipe::Pipe;

impl Nodes {
    pub(super) fn nats_is_due(&self, now: Time) -> bool {
        let is_here = self.absent_until <= now;
        let wires = self.wires.borrow();
        (is_here && self.nats.deadline() <= now)
            || wires.all.iter().any(|wire| match wire.end {
                End::Calling { answered_at } => answered_at <= now,
                End::Nats { link, stalled_until } => {
                    stalled_until <= now && self.has_something(link, &wire.pipe)
                }
                _ => false,
            })
    }

    fn has_something(&self, link: u64, pipe: &Pipe) -> bool {
        let speaks = !self.nats.is_frozen() && self.nats.has_output(link);
        let may_speak = speaks && (pipe.dropped || pipe.unread() < pipe.up_room);
        let may_end = !self.nats.is_frozen() && (pipe.is_over() || self.nats.is_over(link));
        pipe.unheard() > 0 || may_speak || may_end
    }

    pub(super) fn nats_deadline(&self, now: Time) -> Time {
        let wires = self.wires.borrow();
        let ends = wires.all.iter().map(|wire| match wire.end {
            End::Calling { answered_at } => answered_at,
            End::Nats { stalled_until, .. } if stalled_until > now => stalled_until,
            _ => Time::NEVER,
        });
        ends.chain([self.nats.deadline().max(self.absent_until)]).min().expect("one")
    }

    /// One of its connections has something to be carried either way, or it is told the time.
    pub(super) fn carry(&mut self, now: Time) {
        if self.absent_until <= now && self.nats.deadline() <= now {
            self.nats.tick(now);
        }
        let wires = Rc::clone(&self.wires);
        let mut wires = wires.borrow_mut();
        for number in 0..wires.all.len() {
            match wires.all[number].end {
                End::Calling { answered_at } if answered_at <= now => {
                    self.answer(&mut wires, number, now);
                }
                End::Nats { link, stalled_until } if stalled_until <= now => {
                    self.exchange(&mut wires, number, link, now);
                }
                _ => {}
            }
        }
    }

    /// Somebody has called.
    fn answer(&mut self, wires: &mut Wires, number: usize, now: Time) {
        let is_there = self.absent_until <= now && self.nats.is_listening();
        let wire = &mut wires.all[number];
        if is_there {
            let link = self.nats.connect(now);
            wire.end = End::Nats { link, stalled_until: Time::ZERO };
            wire.pipe.edge.writable = true;
        } else {
            wire.pipe.break_off(std::io::ErrorKind::ConnectionRefused, true);
            wire.end = End::Nobody;
        }
        let told = [number as u64, u64::from(is_there)];
        wires.trace.note("answered", &told);
    }

    fn exchange(&mut self, wires: &mut Wires, number: usize, link: u64, now: Time) {
        let Wires { rng, all, trace, .. } = wires;
        let pipe = &mut all[number].pipe;
        if pipe.unheard() > 0 {
            let count = rng.within(1..=pipe.unheard());
            let bytes = pipe.heard[pipe.read..pipe.read + count].to_vec();
            pipe.hear(count, now);
            trace.note("nats hears", &[number as u64, count as u64]);
            self.nats.feed(link, &bytes, now);
        }
        if self.nats.is_frozen() {
            return;
        }
        if pipe.is_over() {
            self.nats.lose(link, now);
            pipe.close(rng);
            all[number].end = End::Nobody;
            return;
        }
        let is_over = self.nats.is_over(link);
        let output = self.nats.output(link);
        if !output.is_empty() {
            let count = rng.within(1..=output.len());
            let said = pipe.say(&output[..count]);
            trace.note("nats says", &[number as u64, said as u64]);
            output.drain(..said);
            // To whom has hung up, for ever.
            if pipe.client_reset {
                output.clear();
            }
        }
        if is_over && self.nats.output(link).is_empty() {
            self.nats.lose(link, now);
            pipe.close(rng);
            all[number].end = End::Nobody;
        }
    }

    pub(super) fn strike(&mut self, blow: Blow, now: Time) {
        let wires = Rc::clone(&self.wires);
        let mut wires = wires.borrow_mut();
        wires.trace.note(&format!("{now:?} {blow:?}"), &[]);
        self.struck.push((now, blow));
        match blow {
            Blow::Cut(node) => self.cut(&mut wires, now, |wire| wire.node == node),
            Blow::Stall(node, wait) => {
                for wire in wires.all.iter_mut().filter(|wire| wire.node == node) {
                    if let End::Nats { stalled_until, .. } = &mut wire.end {
                        *stalled_until = now.after(wait);
                    }
                }
            }
            Blow::Freeze(wait) => self.nats.freeze(now.after(wait)),
            Blow::LoseStreams => self.nats.lose_streams(),
            Blow::LameDuck => {
                self.nats.lame_duck(now);
                let back = now.after(Duration::from_secs(11));
                let later = Blow::Restart { after: Duration::ZERO, keeps: true };
                let place = self.blows.iter().position(|(at, _)| *at > back);
                self.blows.insert(place.unwrap_or(self.blows.len()), (back, later));
            }
            Blow::Restart { after, keeps } => {
                self.cut(&mut wires, now, |_| true);
                self.nats.restart(now, keeps);
                self.absent_until = now.after(after);
            }
            Blow::Slow(millis) => {
                let delay = Duration::from_millis(millis);
                let twice = self.setting.twice;
                self.nats.set_trouble(Trouble { delay, twice, ..Trouble::default() });
            }
        }
    }

    /// Cuts connections to NATS: of what was under way a part may have arrived.
    fn cut(&mut self, wires: &mut Wires, now: Time, which: impl Fn(&Wire) -> bool) {
        for number in 0..wires.all.len() {
            let End::Nats { link, .. } = wires.all[number].end else { continue };
            if !which(&wires.all[number]) {
                continue;
            }
            if wires.rng.chance(500) {
                self.exchange(wires, number, link, now);
            }
            self.nats.lose(link, now);
            wires.cut(number);
        }
    }
}
