//! `cooee months`: asks for the names of months over UDP, those on the command line or, on a
//! terminal, whatever is typed until `0`.
//!
//! The protocol has no numbers of its own, so a late copy of one answer may look like the answer
//! to the next question. An answer that is suspicious of that is held back for a moment.

use std::collections::VecDeque;
use std::time::Duration;

use super::caller::{Caller, End, Line};
use super::display::{Look, visible_line};
use super::question::{Persistence, Question, Wait};
use crate::engine::{Arrival, Net, Peer, Reason, Service, Time};
use crate::services::months::NAMES;

/// Says so much that a server which greets knows that it is greeted.
const HELLO: &[u8] = b"Hello I just want to use your Service";
/// A first answer of this length is the introduction of a server that greets whoever comes.
const INTRODUCTION_BYTES: usize = 32;
/// How long a suspicious answer waits for a better one.
const SUSPICION: Duration = Duration::from_millis(300);
/// So many questions wait before no more input is read.
const QUEUE_MAX: usize = 256;

/// What is being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asking {
    Hello,
    Number,
    /// The same once more, because the first answer was an introduction.
    NumberAgain,
}

/// An answer that may be a late copy of another, and when it is believed after all.
struct Suspect {
    answer: Vec<u8>,
    until: Time,
}

/// The months client.
pub(super) struct Months {
    caller: Caller,
    question: Question,
    look: Look,
    asking: Asking,
    queue: VecDeque<String>,
    /// The question before, and its answer.
    before: Option<(Vec<u8>, Vec<u8>)>,
    suspect: Option<Suspect>,
    /// Nothing more will be asked.
    ended: bool,
    /// What a filter was fed that cannot be asked: the failure, once the rest is answered.
    refused: Option<String>,
}

impl Months {
    /// `numbers`: what to ask for, unless it is to be typed.
    pub(super) fn new(
        line: Line,
        look: Look,
        persistence: Persistence,
        numbers: &[String],
    ) -> Months {
        let asking = match look.interactive && numbers.is_empty() {
            true => Asking::Hello,
            false => Asking::Number,
        };
        Months {
            caller: Caller::new(line),
            question: Question::new(persistence),
            look,
            asking,
            queue: numbers.iter().cloned().collect(),
            before: None,
            suspect: None,
            ended: !numbers.is_empty(),
            refused: None,
        }
    }
}

impl Service for Months {
    fn started(&mut self, net: &mut Net) {
        self.caller.call(net);
    }

    fn opened(&mut self, _: Peer, _: &Arrival, net: &mut Net) {
        self.caller.opened();
        if self.question.pending().is_some() {
            // The address before did not take it.
            self.question.ask_again(&mut self.caller, net);
        } else if self.asking == Asking::Hello {
            self.question.ask(HELLO, &mut self.caller, net);
        } else {
            self.ask_next(net);
        }
    }

    fn received(&mut self, _: Peer, input: &[u8], net: &mut Net) -> usize {
        self.caller.note(input);
        if self.question.pending().is_none() {
            log::debug!("nothing was asked; that is an answer once more");
        } else if self.asking == Asking::Number
            && self.before.is_none()
            && input.len() >= INTRODUCTION_BYTES
        {
            self.asking = Asking::NumberAgain;
            self.question.ask_again(&mut self.caller, net);
        } else if self.is_suspicious(input) {
            log::debug!("that may be the answer before, once more; waiting for another");
            let until = net.now().after(SUSPICION);
            self.suspect = Some(Suspect { answer: input.to_vec(), until });
            net.wake_at(until);
        } else {
            self.accept(input, net);
        }
        input.len()
    }

    fn closed(&mut self, _: Peer, reason: Reason, net: &mut Net) {
        if let End::Broken(reason) = self.caller.closed(reason, net) {
            net.stop(Err(self.caller.broken(reason)));
        }
    }

    fn alarm(&mut self, net: &mut Net) {
        let asked = self.question.pending().map(<[u8]>::to_vec).unwrap_or_default();
        let is_believed = |suspect: &mut Suspect| !is_wrong_month(&asked, &suspect.answer);
        match &mut self.suspect {
            Some(suspect) if suspect.until > net.now() => net.wake_at(suspect.until),
            suspect => {
                if let Some(suspect) = suspect.take_if(is_believed) {
                    return self.accept(&suspect.answer, net);
                }
            }
        }
        if self.question.alarm(&mut self.caller, net) == Wait::Over {
            match self.suspect.take() {
                Some(suspect) => self.accept(&suspect.answer, net),
                None => self.give_up(net),
            }
        }
    }

    fn told(&mut self, line: Option<&str>, net: &mut Net) {
        let word = line.map(str::trim);
        match word {
            _ if self.ended => return,
            Some("") => return,
            Some(word) if word.parse::<i64>().is_err() => self.refuse(word, net),
            Some(word) => {
                self.queue.push_back(word.to_owned());
                self.ended = word.parse() == Ok(0);
            }
            None => self.ended = true,
        }
        if self.question.pending().is_none() {
            self.ask_next(net);
        }
        net.hold_input(self.queue.len() >= QUEUE_MAX);
    }
}

impl Months {
    fn ask_next(&mut self, net: &mut Net) {
        match self.queue.pop_front() {
            Some(word) => self.question.ask(word.as_bytes(), &mut self.caller, net),
            None if self.ended => net.stop(self.refused.take().map_or(Ok(()), Err)),
            None => {}
        }
        if self.queue.len() <= QUEUE_MAX / 2 {
            net.hold_input(self.ended);
        }
    }

    /// Whether `input` is likely to be the answer before, once more.
    fn is_suspicious(&self, input: &[u8]) -> bool {
        let asked = self.question.pending().unwrap_or_default();
        let is_repeated = self.before.as_ref().is_some_and(|(question, answer)| {
            question.as_slice() != asked && answer.as_slice() == input
        });
        is_repeated || is_wrong_month(asked, input)
    }

    fn accept(&mut self, answer: &[u8], net: &mut Net) {
        let Some(asked) = self.question.answered() else { return };
        self.suspect = None;
        self.show(answer, net);
        if self.asking == Asking::Hello && self.look.interactive {
            net.print(b"* 1-12, or 0 to end\n");
        }
        self.asking = Asking::Number;
        self.before = Some((asked, answer.to_vec()));
        self.ask_next(net);
    }

    fn give_up(&mut self, net: &mut Net) {
        let line = self.question.given_up(&self.caller);
        let has_answered = self.caller.received > 0;
        if !(self.look.interactive && has_answered) || self.ended {
            return net.stop(Err(line));
        }
        net.print(format!("* {line}\n").as_bytes());
        self.question.answered();
        self.ask_next(net);
    }

    fn refuse(&mut self, word: &str, net: &mut Net) {
        let line = format!("{word:?} is not an integer; write 1-12, or 0 to end");
        match self.look.interactive {
            true => net.print(format!("* {line}\n").as_bytes()),
            false => {
                self.refused = Some(format!("months: {line}"));
                self.ended = true;
            }
        }
    }

    fn show(&self, answer: &[u8], net: &mut Net) {
        // The introduction has line ends around it.
        let answer = answer.trim_ascii();
        match self.look.terminal {
            true => net.print(format!("{}\n", visible_line(answer)).as_bytes()),
            false => {
                net.print(answer);
                net.print(b"\n");
            }
        }
    }
}

/// Whether `answer` is the name of a month, but not of the one that was asked for.
fn is_wrong_month(asked: &[u8], answer: &[u8]) -> bool {
    let named = NAMES.iter().position(|name| name.as_bytes() == answer.trim_ascii());
    let asked = std::str::from_utf8(asked).ok().and_then(|word| word.parse::<usize>().ok());
    named.is_some_and(|index| asked != Some(index + 1))
}

#[cfg(test)]
mod tests {
    use super::super::caller::tests::{connected, line};
    use super::*;
    use crate::engine::Kind;
    use crate::engine::stage::Stage;

    const TERMINAL: Look = Look { terminal: true, interactive: true, colour: false };
    const PATIENCE: Persistence = Persistence { timeout: Duration::from_secs(2), retries: 2 };

    fn months(look: Look, numbers: &[&str]) -> (Stage, Peer) {
        let numbers: Vec<String> = numbers.iter().map(|word| (*word).to_owned()).collect();
        connected(Months::new(line("months", Kind::Datagram), look, PATIENCE, &numbers))
    }

    #[test]
    fn what_is_on_the_command_line_is_asked_one_by_one() {
        let (mut stage, peer) = months(Look::default(), &["1", "2"]);
        assert_eq!(stage.hear(peer), "1");
        stage.say(peer, "January");
        assert_eq!(stage.hear(peer), "2");
        stage.say(peer, "February");
        assert_eq!(stage.screen(), "January\nFebruary\n");
        assert_eq!(stage.engine.outcome(), Some(&Ok(())));
    }

    #[test]
    fn a_filter_answers_what_came_before_a_word_that_is_none() {
        let (mut stage, peer) = months(Look::default(), &[]);
        stage.tell(Some("1"));
        stage.tell(Some("two"));
        stage.tell(Some("3"));
        assert_eq!(stage.engine.outcome(), None);
        stage.say(peer, "January");
        assert_eq!(stage.screen(), "January\n");
        let line = stage.engine.outcome().cloned().unwrap().unwrap_err();
        assert!(line.contains("\"two\" is not an integer"), "{line}");
    }

    #[test]
    fn a_late_copy_is_not_the_answer_to_the_next_question() {
        let (mut stage, peer) = months(Look::default(), &["1", "2"]);
        stage.say(peer, "January");
        stage.say(peer, "January");
        stage.pass(Duration::from_millis(500));
        assert_eq!(stage.screen(), "January\n");
        stage.say(peer, "February");
        assert_eq!(stage.screen(), "February\n");
    }

    #[test]
    fn the_same_answer_to_two_questions_is_believed_after_a_moment() {
        let hint = "1-12, or 0 to end";
        let (mut stage, peer) = months(Look::default(), &["13", "14"]);
        stage.say(peer, hint);
        stage.say(peer, hint);
        assert_eq!(stage.screen(), format!("{hint}\n"));
        stage.pass(SUSPICION);
        assert_eq!(stage.screen(), format!("{hint}\n"));
        assert_eq!(stage.engine.outcome(), Some(&Ok(())));
    }

    #[test]
    fn a_server_that_is_wrong_is_shown_when_nothing_better_comes() {
        let (mut stage, peer) = months(Look::default(), &["1"]);
        stage.say(peer, "February");
        stage.pass(Duration::from_secs(6));
        assert_eq!(stage.screen(), "February\n");
    }

    #[test]
    fn a_server_that_introduces_itself_first_is_asked_again() {
        let (mut stage, peer) = months(Look::default(), &["3"]);
        stage.say(peer, "\nHey there I am going to provide you the month, if ...\n");
        assert_eq!(stage.hear(peer), "33");
        stage.say(peer, "March");
        assert_eq!(stage.screen(), "March\n");
    }

    #[test]
    fn a_silent_server_is_asked_three_times_and_given_up() {
        let (mut stage, peer) = months(Look::default(), &["1"]);
        stage.pass(Duration::from_secs(6));
        assert_eq!(stage.hear(peer), "111");
        let line = stage.engine.outcome().cloned().unwrap().unwrap_err();
        assert!(line.contains("no answer within 2s (asked 3 times)"), "{line}");
    }

    #[test]
    fn on_a_terminal_it_says_hello_and_asks_until_zero() {
        let (mut stage, peer) = months(TERMINAL, &[]);
        assert!(stage.engine.is_backed_up());
        assert_eq!(stage.hear(peer).as_bytes(), HELLO);
        stage.say(peer, "\nHey there\n");
        assert!(!stage.engine.is_backed_up());
        assert_eq!(stage.screen(), "Hey there\n* 1-12, or 0 to end\n");
        stage.tell(Some(" 2 "));
        stage.tell(Some("two"));
        assert_eq!(stage.hear(peer), "2");
        stage.say(peer, "February");
        let shown = "* \"two\" is not an integer; write 1-12, or 0 to end\nFebruary\n";
        assert_eq!(stage.screen(), shown);
        stage.tell(Some("0"));
        stage.say(peer, "Goodbye!");
        assert_eq!(stage.screen(), "Goodbye!\n");
        assert_eq!(stage.engine.outcome(), Some(&Ok(())));
    }
}
