//! All subjects that are followed, and the consumers that hand out their lines. Pure. There may be
//! thousands, so consumers are made some at a time, and nobody is looked at before one may be due.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::following::{BEATS_MISSED, Following, Supply};
use crate::engine::Time;

/// Consumers that are being made at a time; the others wait for them.
const ASKED_MAX: usize = 64;
/// How often a consumer gives a sign of life, and how often where there are more than `FEW`.
const BEAT: Duration = Duration::from_secs(1);
const SLOW_BEAT: Duration = Duration::from_secs(5);
const FEW: usize = 100;

/// A consumer that is to be made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) subject: String,
    /// The place in the stream of its first line; 0: from the beginning.
    pub(super) from: u64,
    pub(super) beat: Duration,
}

/// What has become of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ticked {
    /// Consumers that were silent and count no more.
    pub(super) silent: Vec<u64>,
}

/// See the top of this file.
#[derive(Debug)]
pub(super) struct Followings {
    all: BTreeMap<String, Following>,
    /// Those without a supply that are to have a consumer, in that order.
    waiting: VecDeque<String>,
    /// How many are being made.
    asked: usize,
    /// How many have been made.
    made: usize,
    /// None is due earlier.
    due: Time,
}

impl Default for Followings {
    fn default() -> Self {
        let (all, waiting) = Default::default();
        Followings { all, waiting, asked: 0, made: 0, due: Time::NEVER }
    }
}

impl Followings {
    /// From now on. False: it is followed already.
    pub(super) fn follow(&mut self, subject: &str) -> bool {
        let is_new = !self.all.contains_key(subject);
        if is_new {
            self.all.insert(subject.into(), Following::new());
            self.waiting.push_back(subject.into());
        }
        is_new
    }

    /// No longer. What has handed out its lines.
    pub(super) fn leave(&mut self, subject: &str) -> Option<Supply> {
        let one = self.all.remove(subject)?;
        // Where there is no stream nobody takes it from there.
        self.waiting.retain(|waiting| waiting != subject);
        self.uncount(one.supply);
        Some(one.supply)
    }

    fn uncount(&mut self, supply: Supply) {
        self.asked -= usize::from(matches!(supply, Supply::Asked(..)));
        self.made -= usize::from(matches!(supply, Supply::Consumer(_)));
    }

    pub(super) fn get_mut(&mut self, subject: &str) -> Option<&mut Following> {
        self.all.get_mut(subject)
    }

    /// All of them, by subject.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&String, &mut Following)> {
        self.all.iter_mut()
    }

    /// Whether some consumer gives signs of life.
    pub(super) fn has_beats(&self) -> bool {
        self.made > 0
    }

    /// The next consumer to be made, if it is time for one. `asked` has to be told.
    pub(super) fn next_order(&mut self) -> Option<Order> {
        let beat = if self.all.len() <= FEW { BEAT } else { SLOW_BEAT };
        while self.asked < ASKED_MAX {
            let subject = self.waiting.pop_front()?;
            if let Some(one) = self.all.get(&subject)
                && one.supply == Supply::Missing
            {
                let from = one.first_wanted();
                return Some(Order { subject, from, beat });
            }
        }
        None
    }

    /// That has been asked for, as the consumer with that number.
    pub(super) fn asked(&mut self, order: &Order, number: u64, now: Time) {
        let Some(one) = self.all.get_mut(&order.subject) else { return };
        one.asked(number, order.beat, now);
        // If it is made at once, it may be silent before it would have had to be made.
        self.due = self.due.min(one.due()).min(now.after(order.beat * BEATS_MISSED));
        self.asked += 1;
    }

    /// The consumer with that number is there. The one that is followed by it, unless that has
    /// another one by now.
    pub(super) fn made(&mut self, subject: &str, number: u64) -> Option<&mut Following> {
        let one = self.all.get_mut(subject)?;
        let is_it = matches!(one.supply, Supply::Asked(asked, _) if asked == number);
        if is_it {
            (self.asked, self.made) = (self.asked - 1, self.made + 1);
        }
        is_it.then_some(one)
    }

    /// The one that the consumer with that number is for.
    pub(super) fn of_consumer(&mut self, subject: &str, number: u64) -> Option<&mut Following> {
        let of_it =
            |supply| matches!(supply, Supply::Asked(of, _) | Supply::Consumer(of) if of == number);
        self.all.get_mut(subject).filter(|one| of_it(one.supply))
    }

    /// The consumer of that one is to go, and another to be made: at once, or when it has rested.
    pub(super) fn replace(&mut self, subject: &str, had: Supply) {
        self.uncount(had);
        let Some(one) = self.all.get_mut(subject) else { return };
        match one.supply {
            Supply::Resting(until) => self.due = self.due.min(until),
            _ => {
                one.supply = Supply::Missing;
                self.waiting.push_back(subject.into());
            }
        }
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Time) -> Ticked {
        let mut ticked = Ticked::default();
        if now < self.due {
            return ticked;
        }
        let mut again = Vec::new();
        for (subject, one) in &mut self.all {
            if one.due() <= now {
                if let Supply::Asked(number, _) | Supply::Consumer(number) = one.supply {
                    ticked.silent.push(number);
                }
                again.push((subject.clone(), one.supply));
                one.supply = Supply::Missing;
            }
        }
        again.into_iter().for_each(|(subject, had)| self.replace(&subject, had));
        self.due = self.all.values().map(Following::due).min().unwrap_or(Time::NEVER);
        ticked
    }

    /// When to `tick` next, at the earliest.
    pub(super) fn due(&self) -> Time {
        self.due
    }

    /// The connection is gone, or there is a stream where there was none, or the other way round.
    pub(super) fn interrupted(&mut self) {
        self.all.values_mut().for_each(Following::interrupted);
        self.start_over();
    }

    /// The stream is another one.
    pub(super) fn renewed(&mut self) {
        self.all.values_mut().for_each(Following::renewed);
        self.start_over();
    }

    fn start_over(&mut self) {
        (self.asked, self.made, self.due) = (0, 0, Time::NEVER);
        self.waiting = self.all.keys().cloned().collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::at(Duration::from_secs(seconds))
    }

    /// Asks for all consumers that may be asked for, numbered from there on.
    fn ask(all: &mut Followings, first: u64, now: Time) -> Vec<String> {
        let mut asked = Vec::new();
        while let Some(order) = all.next_order() {
            all.asked(&order, first + asked.len() as u64, now);
            asked.push(order.subject);
        }
        asked
    }

    #[test]
    fn consumers_are_made_some_at_a_time() {
        let mut all = Followings::default();
        for room in 0..100 {
            assert!(all.follow(&format!("say.{room}")));
            assert!(!all.follow(&format!("say.{room}")));
        }
        let asked = ask(&mut all, 1, at(0));
        assert_eq!(asked.len(), ASKED_MAX);
        assert!(all.made(&asked[0], 2).is_none() && all.made(&asked[0], 1).is_some());
        assert_eq!(ask(&mut all, 65, at(0)).len(), 1);
        assert_eq!(all.leave(&asked[1]), Some(Supply::Asked(2, at(0))));
        assert_eq!(ask(&mut all, 66, at(0)).len(), 1);
        all.interrupted();
        assert_eq!(ask(&mut all, 1, at(1)).len(), ASKED_MAX);
    }

    #[test]
    fn who_comes_and_goes_leaves_nothing_behind() {
        let mut all = Followings::default();
        for room in 0..1_000 {
            all.follow(&format!("say.{room}"));
            assert_eq!(all.leave(&format!("say.{room}")), Some(Supply::Missing));
        }
        assert!(all.waiting.is_empty());
    }

    #[test]
    fn a_silent_consumer_is_replaced() {
        let mut all = Followings::default();
        all.follow("say.a");
        all.follow("say.b");
        ask(&mut all, 1, at(0));
        for (subject, number) in [("say.a", 1), ("say.b", 2)] {
            all.made(subject, number).unwrap().made(number, 0, at(0));
        }
        assert!(all.has_beats());
        all.of_consumer("say.b", 2).unwrap().beaten(None, at(2));
        assert!(all.of_consumer("say.b", 1).is_none());
        assert_eq!(all.tick(at(2)), Ticked::default());
        assert_eq!(all.tick(at(3)).silent, [1]);
        assert_eq!(ask(&mut all, 3, at(3)), ["say.a"]);
        // One that is never made is silent, too.
        all.of_consumer("say.b", 2).unwrap().beaten(None, at(7));
        assert_eq!(all.tick(at(8)).silent, [3]);
        assert_eq!(all.due(), at(10));
    }

    #[test]
    fn who_rests_has_a_consumer_again_afterwards() {
        let mut all = Followings::default();
        all.follow("say.a");
        ask(&mut all, 1, at(0));
        let one = all.made("say.a", 1).unwrap();
        one.made(1, 0, at(0));
        one.supply = Supply::Resting(at(1));
        all.replace("say.a", Supply::Consumer(1));
        assert_eq!((ask(&mut all, 2, at(0)).len(), all.due()), (0, at(1)));
        assert_eq!(all.tick(at(1)), Ticked::default());
        assert_eq!(ask(&mut all, 2, at(1)), ["say.a"]);
        assert!(!all.has_beats());
    }
}
