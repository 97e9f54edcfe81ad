//! Lines of ours on their way into the stream: kept, in order, until it says that it has them.
//! After a break they are said again, before new ones and under the same ids, by which the stream
//! knows those that it has already.

use std::collections::VecDeque;
use std::time::Duration;

use crate::engine::Time;

/// Lines kept; further ones are refused.
const LINES_MAX: usize = 1024;
/// Bytes of theirs; what would be more is refused.
const BYTES_MAX: usize = 1024 * 1024;
/// How long the stream may take for one; longer, and the bus is lost.
const PATIENCE: Duration = Duration::from_secs(2);
/// For how long a line is worth saying again: the stream forgets ids after
/// `lines::DUPLICATE_WINDOW`, and one that it has by then would come twice.
const KEPT_FOR: Duration = Duration::from_secs(110);

/// When a line that was said then should have been answered.
pub(super) fn overdue_at(said_at: Time) -> Time {
    said_at.after(PATIENCE)
}

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KeptLine {
    /// By which its answer is known: another one each time that it is said.
    pub(super) number: u64,
    /// What makes it one of a kind.
    pub(super) id: String,
    pub(super) subject: String,
    pub(super) payload: Vec<u8>,
    kept_at: Time,
    /// When it was said, on this connection.
    pub(super) said_at: Time,
}

impl KeptLine {
    fn bytes(&self) -> usize {
        self.id.len() + self.subject.len() + self.payload.len()
    }
}

/// See the top of this file.
#[derive(Debug, Default)]
pub(super) struct Kept {
    lines: VecDeque<KeptLine>,
    /// How many of them, from the first, have been said on this connection: these are by number.
    said: usize,
    bytes: usize,
    last_number: u64,
}

impl Kept {
    /// Takes a line in. False: there is no room for it.
    pub(super) fn keep(
        &mut self,
        subject: String,
        id: String,
        payload: Vec<u8>,
        now: Time,
    ) -> bool {
        let said_at = Time::NEVER;
        let line = KeptLine { number: 0, id, subject, payload, kept_at: now, said_at };
        let bytes = self.bytes + line.bytes();
        let has_room = self.lines.len() < LINES_MAX && bytes <= BYTES_MAX;
        if has_room {
            self.bytes = bytes;
            self.lines.push_back(line);
        }
        has_room
    }

    /// The next line to be said, if one is left; it counts as said now.
    pub(super) fn say_next(&mut self, now: Time) -> Option<&KeptLine> {
        let line = self.lines.get_mut(self.said)?;
        self.last_number += 1;
        (line.number, line.said_at) = (self.last_number, now);
        self.said += 1;
        Some(line)
    }

    /// The answer to that line has come: it is kept no longer. What is answered after it was said
    /// again is not known: a stream that is gone may have taken it.
    pub(super) fn answered(&mut self, number: u64) -> Option<KeptLine> {
        let at = self.lines.iter().take(self.said).position(|line| line.number == number)?;
        self.remove(at)
    }

    /// That subject is not for us: the first of its lines that have been said is kept no longer.
    pub(super) fn denied(&mut self, subject: &str) -> Option<KeptLine> {
        let at = self.lines.iter().take(self.said).position(|line| line.subject == subject)?;
        self.remove(at)
    }

    fn remove(&mut self, at: usize) -> Option<KeptLine> {
        let line = self.lines.remove(at)?;
        self.bytes -= line.bytes();
        self.said -= usize::from(at < self.said);
        Some(line)
    }

    /// The connection is gone: all that has not been answered is to be said again.
    pub(super) fn rewind(&mut self) {
        self.said = 0;
    }

    /// Since when the line has waited for its answer that was said first.
    pub(super) fn waits_since(&self) -> Option<Time> {
        self.lines.front().filter(|_| self.said > 0).map(|line| line.said_at)
    }

    /// The next line that is too old to be said again, while none is on its way.
    pub(super) fn next_expired(&mut self, now: Time) -> Option<KeptLine> {
        let line = self.lines.front().filter(|_| self.said == 0)?;
        let is_old = line.kept_at.after(KEPT_FOR) <= now;
        is_old.then(|| self.remove(0)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::at(Duration::from_secs(seconds))
    }

    fn keep(kept: &mut Kept, id: &str, now: Time) -> bool {
        kept.keep("say.lobby".into(), id.into(), b"{}".to_vec(), now)
    }

    fn say(kept: &mut Kept, now: Time) -> Vec<String> {
        std::iter::from_fn(|| kept.say_next(now).map(|line| line.id.clone())).collect()
    }

    #[test]
    fn lines_are_said_once_and_after_a_break_again_in_order_and_before_new_ones() {
        let mut kept = Kept::default();
        for id in ["a", "b", "c"] {
            assert!(keep(&mut kept, id, at(0)));
        }
        assert_eq!(say(&mut kept, at(1)), ["a", "b", "c"]);
        assert!(kept.say_next(at(1)).is_none());
        assert_eq!(kept.answered(2).map(|line| line.id), Some("b".into()));
        assert_eq!(kept.answered(2), None);
        assert!(keep(&mut kept, "d", at(2)));
        kept.rewind();
        assert_eq!(kept.waits_since(), None);
        assert_eq!(say(&mut kept, at(3)), ["a", "c", "d"]);
        assert_eq!(kept.waits_since(), Some(at(3)));
    }

    #[test]
    fn an_answer_to_what_has_been_said_again_since_is_not_known() {
        let mut kept = Kept::default();
        keep(&mut kept, "a", at(0));
        assert_eq!(say(&mut kept, at(0)), ["a"]);
        kept.rewind();
        assert_eq!(kept.answered(1), None, "it is to be said again");
        assert_eq!(say(&mut kept, at(1)), ["a"]);
        assert_eq!(kept.answered(1), None);
        assert_eq!(kept.answered(2).map(|line| line.id), Some("a".into()));
    }

    #[test]
    fn answers_in_any_order_leave_what_is_unsaid_alone() {
        let mut kept = Kept::default();
        keep(&mut kept, "a", at(0));
        keep(&mut kept, "b", at(0));
        assert!(kept.say_next(at(0)).is_some());
        assert!(kept.answered(1).is_some());
        assert_eq!(kept.waits_since(), None);
        assert_eq!(say(&mut kept, at(1)), ["b"]);
    }

    #[test]
    fn of_a_subject_that_is_denied_what_was_said_first_is_dropped() {
        let mut kept = Kept::default();
        for (subject, id) in [("say.a", "1"), ("say.b", "2"), ("say.b", "3")] {
            kept.keep(subject.into(), id.into(), b"{}".to_vec(), at(0));
        }
        assert_eq!(kept.denied("say.b"), None, "none has been said");
        assert_eq!(say(&mut kept, at(1)), ["1", "2", "3"]);
        assert_eq!(kept.denied("say.b").map(|line| line.id), Some("2".into()));
        assert_eq!(kept.denied("say.c"), None);
        kept.rewind();
        assert_eq!(say(&mut kept, at(2)), ["1", "3"]);
    }

    #[test]
    fn no_more_is_kept_than_fits() {
        let mut kept = Kept::default();
        let taken = (0..2 * LINES_MAX).filter(|_| keep(&mut kept, "x", at(0))).count();
        assert_eq!(taken, LINES_MAX);
        assert!(kept.say_next(at(0)).is_some() && kept.answered(1).is_some());
        assert!(keep(&mut kept, "y", at(0)) && !keep(&mut kept, "z", at(0)));
        let mut kept = Kept::default();
        assert!(!kept.keep("s".into(), "i".into(), vec![0; BYTES_MAX], at(0)));
        assert!(kept.keep("s".into(), "i".into(), vec![0; BYTES_MAX - 2], at(0)));
        assert!(kept.say_next(at(0)).is_some() && kept.answered(1).is_some());
        assert_eq!(kept.bytes, 0);
    }

    #[test]
    fn what_the_stream_may_have_forgotten_is_not_said_again() {
        let mut kept = Kept::default();
        keep(&mut kept, "old", at(0));
        keep(&mut kept, "new", at(60));
        assert_eq!(kept.next_expired(at(109)), None);
        assert_eq!(kept.next_expired(at(110)).map(|line| line.id), Some("old".into()));
        assert_eq!(kept.next_expired(at(110)), None);
        assert_eq!(say(&mut kept, at(111)), ["new"]);
        assert_eq!(kept.next_expired(at(999)), None, "it is on its way");
    }
}
