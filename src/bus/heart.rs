//! Whether the other end is alive: PINGs on their way, and how long each may take.

use std::collections::VecDeque;
use std::time::Duration;

use crate::engine::Time;

/// How often the other end is asked while nothing else tells.
const EVERY: Duration = Duration::from_secs(5);
/// How long it may take for that: the next one has been missed then, too.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take where somebody waits for it.
pub(super) const URGENT: Duration = Duration::from_secs(2);
/// How often such a one is sent at most.
const URGENT_EVERY: Duration = Duration::from_millis(500);
/// Where heartbeats are due every second: after so long a silence it is asked, and after so long it
/// is taken for gone.
const QUIET: Duration = Duration::from_millis(1_500);
const SILENT: Duration = Duration::from_millis(2_500);

/// What is to be done once it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing: it was to know whether the other end is there.
    Nothing,
    /// It has let us in.
    Welcome,
    /// All that was subscribed to before is heard now.
    Heard,
}

#[derive(Clone, Copy, Debug)]
struct Ping {
    sent_at: Time,
    patience: Duration,
    then: Then,
}

/// See the top of this file.
#[derive(Debug)]
pub(super) struct Heart {
    /// Those that have not been answered, in order.
    pings: VecDeque<Ping>,
    last_at: Time,
    last_urgent: Option<Time>,
    /// When one is to be sent behind what was said too soon after the last of that kind.
    owed_at: Option<Time>,
    heard_at: Time,
    /// Whether something should come every second.
    is_beaten: bool,
}

impl Heart {
    /// There is a connection.
    pub(super) fn new(now: Time) -> Heart {
        Heart {
            pings: VecDeque::new(),
            last_at: now,
            last_urgent: None,
            owed_at: None,
            heard_at: now,
            is_beaten: false,
        }
    }

    /// Something has come.
    pub(super) fn heard(&mut self, now: Time) {
        self.heard_at = now;
    }

    /// Whether something should come every second from now on.
    pub(super) fn expect_beats(&mut self, is_beaten: bool, now: Time) {
        if is_beaten && !self.is_beaten {
            self.heard_at = now;
        }
        self.is_beaten = is_beaten;
    }

    /// A PING is sent, to be answered soon.
    pub(super) fn ask(&mut self, then: Then, now: Time) {
        self.send(URGENT, then, now);
    }

    /// Whether a PING is to be sent behind what somebody has said: it counts as sent then. If it is
    /// too soon for that, `beat` sends one later.
    pub(super) fn ask_behind(&mut self, now: Time) -> bool {
        let at = self.last_urgent.map_or(now, |last| last.after(URGENT_EVERY));
        if at <= now {
            self.ask(Then::Nothing, now);
        } else {
            self.owed_at = Some(at);
        }
        at <= now
    }

    fn send(&mut self, patience: Duration, then: Then, now: Time) {
        self.pings.push_back(Ping { sent_at: now, patience, then });
        self.last_at = now;
        if patience == URGENT {
            (self.last_urgent, self.owed_at) = (Some(now), None);
        }
    }

    /// A PONG has come: to what, and after how long.
    pub(super) fn answered(&mut self, now: Time) -> Option<(Then, Duration)> {
        let ping = self.pings.pop_front()?;
        Some((ping.then, now.since(ping.sent_at)))
    }

    /// Whether a PING is to be sent because it is time. It counts as sent then.
    pub(super) fn beat(&mut self, now: Time) -> bool {
        let is_due = self.ask_at() <= now;
        if is_due {
            let is_owed = self.owed_at.is_some_and(|at| at <= now);
            self.send(if is_owed { URGENT } else { PATIENCE }, Then::Nothing, now);
        }
        is_due
    }

    fn ask_at(&self) -> Time {
        let quiet = self.heard_at.after(QUIET);
        let quiet = Some(quiet).filter(|quiet| self.is_beaten && self.last_at < *quiet);
        quiet.into_iter().chain(self.owed_at).fold(self.last_at.after(EVERY), Time::min)
    }

    /// Since when nothing has come that should have, if that is too long.
    pub(super) fn lost_since(&self, now: Time) -> Option<Time> {
        let overdue = self.pings.iter().filter(|ping| ping.sent_at.after(ping.patience) <= now);
        let is_silent = self.is_beaten && self.heard_at.after(SILENT) <= now;
        let silence = is_silent.then_some(self.heard_at);
        overdue.map(|ping| ping.sent_at).chain(silence).min()
    }

    /// When to look again.
    pub(super) fn due(&self) -> Time {
        let overdue = self.pings.iter().map(|ping| ping.sent_at.after(ping.patience)).min();
        let silent = self.is_beaten.then(|| self.heard_at.after(SILENT));
        [Some(self.ask_at()), overdue, silent].into_iter().flatten().min().unwrap_or(Time::NEVER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::at(Duration::from_millis(millis))
    }

    /// When it asks, and when it gives up, if nothing is ever heard.
    fn alone(mut heart: Heart) -> (Vec<Time>, Time) {
        let mut asked = Vec::new();
        loop {
            let now = heart.due();
            if heart.lost_since(now).is_some() {
                return (asked, now);
            }
            assert!(heart.beat(now), "{now:?} was for something");
            asked.push(now);
        }
    }

    #[test]
    fn a_second_ping_that_is_not_answered_is_the_end() {
        let (asked, lost) = alone(Heart::new(at(0)));
        assert_eq!((asked, lost), (vec![at(5_000), at(10_000)], at(15_000)));
    }

    #[test]
    fn where_beats_are_due_silence_is_noticed_within_three_seconds() {
        let mut heart = Heart::new(at(0));
        heart.expect_beats(true, at(1_000));
        let (asked, lost) = alone(heart);
        assert_eq!((asked, lost), (vec![at(2_500)], at(3_500)));
    }

    #[test]
    fn behind_what_is_said_an_answer_has_to_come_soon() {
        let mut heart = Heart::new(at(0));
        assert!(heart.ask_behind(at(100)));
        assert!(!heart.ask_behind(at(599)));
        assert!(heart.ask_behind(at(600)));
        // What is said too soon after that has one behind it, too, only later.
        assert!(!heart.ask_behind(at(700)) && !heart.beat(at(1_099)));
        assert_eq!(heart.due(), at(1_100));
        assert!(heart.beat(at(1_100)) && !heart.beat(at(1_200)));
        assert_eq!(heart.lost_since(at(2_099)), None);
        assert_eq!(heart.lost_since(at(2_100)), Some(at(100)));
        assert_eq!(heart.answered(at(2_100)), Some((Then::Nothing, Duration::from_secs(2))));
        assert_eq!(heart.due(), at(2_600));
        assert!(heart.answered(at(2_200)).is_some());
        assert_eq!(heart.due(), at(3_100));
        assert!(heart.answered(at(2_200)).is_some());
        assert_eq!(heart.answered(at(2_200)), None);
        assert_eq!(heart.due(), at(6_100));
    }

    #[test]
    fn answers_come_in_the_order_of_the_questions() {
        let mut heart = Heart::new(at(0));
        heart.ask(Then::Welcome, at(0));
        heart.ask(Then::Heard, at(1));
        let answers = [0, 1].map(|_| heart.answered(at(3)).map(|(then, _)| then));
        assert_eq!(answers, [Some(Then::Welcome), Some(Then::Heard)]);
    }
}
