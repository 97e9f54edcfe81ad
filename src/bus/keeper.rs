//! The stream that keeps the lines: whether there is one, and whether it is the one we knew. Pure:
//! it says what to ask, and is told what came of it.

use std::time::Duration;

use crate::engine::Time;

/// How long an answer may take; then it is done without a stream.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is asked for again where there is none.
const AGAIN: Duration = Duration::from_secs(30);
/// How soon after it has been found it is looked for again, if there is a doubt.
const DOUBT: Duration = Duration::from_millis(500);

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Whether it is there.
    Look,
    /// To make it.
    Make,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is there.
    There {
        /// When it was made, as it says.
        created: String,
        /// The place of the last line that it has taken.
        last: u64,
    },
    /// It is not there, and may be made.
    Missing,
    /// It is not to be had, as the line says.
    Refused(String),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing: nobody had asked.
    Nothing,
    /// That is to be asked.
    Ask(Question),
    /// There is a stream. `is_new`: another one than before, so that what was known of its lines
    /// is worth nothing.
    Present { is_new: bool },
    /// There is none, as the line says.
    Absent(String),
}

/// See the top of this file.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    asked: Option<(Question, Time)>,
    /// Which one it was the last time that there was one, and the last place that we know of.
    created: Option<String>,
    last: u64,
    /// The place of the last line that it has taken from us on this connection.
    taken: u64,
    /// When to look again: where there is none, or where it is in doubt.
    again: Option<Time>,
    /// When it was found last on this connection.
    found_at: Option<Time>,
    /// Why it could not be made, while it is looked for once more.
    hindrance: Option<String>,
}

impl Keeper {
    /// Begins to look. What to ask.
    pub(super) fn look(&mut self, now: Time) -> Question {
        self.ask(Question::Look, now)
    }

    /// Whether it is still there is in doubt. What to ask now, if anything.
    pub(super) fn doubt(&mut self, now: Time) -> Option<Question> {
        if self.is_asking() {
            return None;
        }
        let soon = self.found_at.map(|found| found.after(DOUBT)).filter(|when| *when > now);
        match soon {
            Some(_) => self.again = soon,
            None => return Some(self.look(now)),
        }
        None
    }

    fn ask(&mut self, question: Question, now: Time) -> Question {
        self.asked = Some((question, now));
        self.again = None;
        question
    }

    /// Whether an answer is waited for.
    pub(super) fn is_asking(&self) -> bool {
        self.asked.is_some()
    }

    /// The connection is gone.
    pub(super) fn interrupted(&mut self) {
        let (created, last) = (self.created.take(), self.last);
        *self = Keeper { created, last, ..Keeper::default() };
    }

    /// The stream has taken a line of ours, said at that time, at that place: false if it is not
    /// behind the one before, so that it must be another stream. What was said before this one was
    /// found may have been taken by one that is gone, whose places are worth nothing.
    pub(super) fn took(&mut self, place: u64, said_at: Time) -> bool {
        if self.found_at.is_none_or(|found| said_at < found) {
            return true;
        }
        let is_behind = place > self.taken;
        self.taken = place;
        self.told(place);
        is_behind
    }

    /// A line has come from that place.
    pub(super) fn told(&mut self, place: u64) {
        self.last = self.last.max(place);
    }

    /// The answer has come.
    pub(super) fn answered(&mut self, question: Question, answer: Answer, now: Time) -> Step {
        if self.asked.is_none_or(|(asked, _)| asked != question) {
            return Step::Nothing;
        }
        match (question, answer) {
            (_, Answer::There { created, last }) => {
                (self.asked, self.hindrance, self.found_at) = (None, None, Some(now));
                let known = self.created.replace(created);
                let is_same = known.is_none() || known == self.created;
                let is_new = !is_same || last < self.last;
                (self.last, self.taken) = (last, 0);
                Step::Present { is_new }
            }
            (Question::Look, Answer::Missing) => match self.hindrance.take() {
                Some(why) => self.absent(why, now),
                None => Step::Ask(self.ask(Question::Make, now)),
            },
            (Question::Make, Answer::Missing) => self.hindered("it cannot be made".into(), now),
            (Question::Make, Answer::Refused(why)) => self.hindered(why, now),
            (Question::Look, Answer::Refused(why)) => self.absent(why, now),
        }
    }

    /// It cannot be made. Another server may have done that since we looked.
    fn hindered(&mut self, why: String, now: Time) -> Step {
        self.hindrance = Some(why);
        Step::Ask(self.ask(Question::Look, now))
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Time) -> Step {
        match (self.asked, self.again) {
            (Some((_, since)), _) if since.after(PATIENCE) <= now => {
                self.absent("JetStream does not answer".into(), now)
            }
            (None, Some(again)) if again <= now => Step::Ask(self.look(now)),
            _ => Step::Nothing,
        }
    }

    fn absent(&mut self, why: String, now: Time) -> Step {
        (self.asked, self.again, self.hindrance) = (None, Some(now.after(AGAIN)), None);
        Step::Absent(why)
    }

    /// It is of no use to us, whether it is there or not: not asked for again on this connection.
    pub(super) fn forbid(&mut self, why: &str) -> Step {
        (self.asked, self.again, self.hindrance) = (None, None, None);
        Step::Absent(why.into())
    }

    /// When to `tick` next.
    pub(super) fn due(&self) -> Time {
        let overdue = self.asked.map(|(_, since)| since.after(PATIENCE));
        [overdue, self.again].into_iter().flatten().min().unwrap_or(Time::NEVER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::at(Duration::from_secs(seconds))
    }

    fn there(created: &str, last: u64) -> Answer {
        Answer::There { created: created.into(), last }
    }

    #[test]
    fn it_is_made_where_it_is_missing() {
        let mut keeper = Keeper::default();
        assert_eq!(keeper.look(at(0)), Question::Look);
        let step = keeper.answered(Question::Look, Answer::Missing, at(0));
        assert_eq!(step, Step::Ask(Question::Make));
        let step = keeper.answered(Question::Make, there("today", 0), at(0));
        assert_eq!((step, keeper.due()), (Step::Present { is_new: false }, Time::NEVER));
        let again = keeper.answered(Question::Make, there("tomorrow", 0), at(0));
        assert_eq!(again, Step::Nothing, "nobody has asked");
    }

    #[test]
    fn of_two_servers_that_make_it_at_once_both_have_it() {
        let overlap = || Answer::Refused("subjects overlap".into());
        for (found, wanted) in [
            (there("today", 0), Step::Present { is_new: false }),
            (Answer::Missing, Step::Absent("subjects overlap".into())),
        ] {
            let mut keeper = Keeper::default();
            keeper.look(at(0));
            keeper.answered(Question::Look, Answer::Missing, at(0));
            let step = keeper.answered(Question::Make, overlap(), at(0));
            assert_eq!(step, Step::Ask(Question::Look));
            assert_eq!(keeper.answered(Question::Look, found, at(0)), wanted);
            assert!(!keeper.is_asking());
        }
    }

    #[test]
    fn another_stream_of_its_name_is_another_stream() {
        for (created, last, is_new) in
            [("one", 9, false), ("one", 12, false), ("one", 8, true), ("two", 99, true)]
        {
            let mut keeper = Keeper::default();
            keeper.look(at(0));
            keeper.answered(Question::Look, there("one", 5), at(0));
            assert!(keeper.took(8, at(0)) && keeper.took(9, at(0)));
            assert!(!keeper.took(9, at(0)));
            keeper.interrupted();
            keeper.look(at(1));
            let step = keeper.answered(Question::Look, there(created, last), at(1));
            assert_eq!(step, Step::Present { is_new }, "{created} {last}");
        }
    }

    #[test]
    fn what_a_stream_that_is_gone_has_taken_says_nothing_of_the_one_that_is_there() {
        let mut keeper = Keeper::default();
        keeper.look(at(0));
        keeper.answered(Question::Look, there("one", 500), at(0));
        assert!(keeper.took(501, at(1)));
        keeper.look(at(2));
        let step = keeper.answered(Question::Look, there("two", 0), at(3));
        assert_eq!(step, Step::Present { is_new: true });
        assert!(keeper.took(502, at(1)) && keeper.took(1, at(3)));
        keeper.look(at(4));
        let step = keeper.answered(Question::Look, there("two", 1), at(4));
        assert_eq!(step, Step::Present { is_new: false });
    }

    #[test]
    fn whether_it_is_still_there_is_asked_now_and_then() {
        let (mut keeper, millis) = (Keeper::default(), |ms| Time::at(Duration::from_millis(ms)));
        assert_eq!(keeper.doubt(at(0)), Some(Question::Look));
        assert_eq!(keeper.doubt(at(0)), None, "it has been asked");
        keeper.answered(Question::Look, there("one", 5), millis(100));
        assert_eq!((keeper.doubt(millis(100)), keeper.due()), (None, millis(600)));
        assert_eq!(keeper.tick(millis(600)), Step::Ask(Question::Look));
        keeper.answered(Question::Look, there("one", 5), millis(600));
        assert_eq!(keeper.due(), Time::NEVER);
        assert_eq!(keeper.doubt(at(5)), Some(Question::Look));
    }

    #[test]
    fn where_there_is_none_it_is_asked_for_now_and_then() {
        let mut keeper = Keeper::default();
        keeper.look(at(0));
        assert_eq!((keeper.tick(at(1)), keeper.due()), (Step::Nothing, at(2)));
        assert!(matches!(keeper.tick(at(2)), Step::Absent(_)));
        assert_eq!((keeper.tick(at(31)), keeper.due()), (Step::Nothing, at(32)));
        assert_eq!(keeper.tick(at(32)), Step::Ask(Question::Look));
        let refused = Answer::Refused("JetStream is not enabled".into());
        let step = keeper.answered(Question::Look, refused, at(33));
        assert_eq!(step, Step::Absent("JetStream is not enabled".into()));
        assert_eq!(keeper.due(), at(63));
    }
}
