//! `cooee months`: asks for the names of months over UDP, those on the command line or, on a
//! terminal, whatever is typed until `0`.
//!
//! The protocol has no numbers of its own, so a late copy of one answer may look like the answer
//! to the next question. A copy that is owed, because its question was asked again, is passed over;
//! an answer that is only suspicious of being one is held back for a moment.

pub(crate) mod answer;
mod late;

use std::collections::VecDeque;
use std::time::Duration;

use crate::client::connect::connection::{ConnectionEnd, Route, ServerConnection};
use crate::client::connect::question::{Question, RetryPolicy, Wait};
use crate::client::display::visible_line;
use crate::client::piped::{Piece, Piped};
use crate::engine::{Arrival, Net, Operated, Peer, Reason, Service, Time};
use crate::services::lines::core;
use crate::tty::stdio::Stdio;
use answer::{is_integer, is_right_month, is_wrong_month, may_be_answer};
use late::LateAnswers;

/// Says so much that a server which greets knows that it is greeted.
const HELLO: &[u8] = b"Hello I just want to use your Service";
/// A first answer of this length is the introduction of a server that greets whoever comes.
const INTRODUCTION_BYTES: usize = 32;
/// How long a suspicious answer waits for a better one.
const SUSPICION: Duration = Duration::from_millis(300);
/// So much of a word that is no integer is shown.
const WORD_CHARS_SHOWN: usize = 40;
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
pub(crate) struct MonthsClient {
    connection: ServerConnection,
    question: Question,
    stdio: Stdio,
    asking: Asking,
    queue: VecDeque<String>,
    /// The question before, and its answer.
    before: Option<(Vec<u8>, Vec<u8>)>,
    suspect: Option<Suspect>,
    /// What may still come in answer to earlier questions.
    late: LateAnswers,
    /// What the server said of itself before it answered.
    introduction: Option<Vec<u8>>,
    /// What has come in the place of an answer.
    nonsense: Option<String>,
    piped: Piped,
    /// Nothing more will be asked.
    ended: bool,
    /// What a filter was fed that cannot be asked: the failure, once the rest is answered.
    refused: Option<String>,
}

impl MonthsClient {
    /// `numbers`: what to ask for, unless it is to be typed.
    pub(crate) fn new(
        route: Route,
        stdio: Stdio,
        retry: RetryPolicy,
        numbers: &[String],
    ) -> MonthsClient {
        let asking = match stdio.is_interactive && numbers.is_empty() {
            true => Asking::Hello,
            false => Asking::Number,
        };
        MonthsClient {
            connection: ServerConnection::new(route, stdio),
            question: Question::new(retry),
            stdio,
            asking,
            queue: until_goodbye(numbers),
            before: None,
            suspect: None,
            late: LateAnswers::default(),
            introduction: None,
            nonsense: None,
            piped: Piped::default(),
            ended: !numbers.is_empty(),
            refused: None,
        }
    }
}

impl Service for MonthsClient {
    fn opened(&mut self, _: Peer, _: &Arrival, net: &mut Net) {
        self.connection.opened();
        if self.question.pending().is_some() {
            // The address before did not take it.
            self.question.ask_anew(&mut self.connection, net);
        } else if self.asking == Asking::Hello {
            self.question.ask(HELLO, &mut self.connection, net);
        } else {
            self.ask_next(net);
        }
    }

    fn received(&mut self, _: Peer, input: &[u8], net: &mut Net) -> usize {
        self.connection.note(input);
        let asked = self.question.pending().unwrap_or_default();
        if self.late.takes(asked, input) || self.question.pending().is_none() {
            log::debug!("that is an answer to an earlier question");
        } else if let Err(why) = may_be_answer(asked, input) {
            log::debug!("that is no answer: {why}");
            self.nonsense = Some(why);
        } else if self.is_introduction(input) {
            self.introduced(input, net);
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
        if let ConnectionEnd::Broken(reason) = self.connection.closed(reason, net) {
            let nonsense = self.nonsense.take().map(|why| self.no_months(&why));
            net.stop(Err(nonsense.unwrap_or_else(|| self.connection.broken(reason))));
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
        if self.question.alarm(&mut self.connection, net) == Wait::Over {
            match self.suspect.take() {
                Some(suspect) => self.accept(&suspect.answer, net),
                None => self.give_up(net),
            }
        }
    }

    fn operated(&mut self) -> Option<&mut dyn Operated> {
        Some(self)
    }
}

impl Operated for MonthsClient {
    fn started(&mut self, net: &mut Net) {
        self.connection.call(net);
    }

    fn told(&mut self, line: Option<&str>, net: &mut Net) {
        match line {
            Some(line) => self.take(line.as_bytes(), net),
            None => self.ended = true,
        }
        self.go_on(net);
    }

    fn fed(&mut self, bytes: Option<&[u8]>, net: &mut Net) {
        for piece in self.piped.take(bytes) {
            match piece {
                Piece::Line(line) => self.take(&line, net),
                Piece::Part(_) | Piece::Rest(_) if self.ended => {}
                Piece::Part(part) | Piece::Rest(part) => {
                    self.refuse(&String::from_utf8_lossy(&part), net);
                }
            }
        }
        self.ended |= bytes.is_none();
        self.go_on(net);
    }
}

impl MonthsClient {
    /// Takes a word that is to be asked.
    fn take(&mut self, line: &[u8], net: &mut Net) {
        let word = String::from_utf8_lossy(core(line));
        if self.ended || word.is_empty() {
            return;
        }
        if !is_integer(&word) {
            return self.refuse(&word, net);
        }
        self.ended = is_goodbye(&word);
        self.queue.push_back(word.into_owned());
    }

    fn go_on(&mut self, net: &mut Net) {
        if self.question.pending().is_none() {
            self.ask_next(net);
        }
        net.hold_input(self.queue.len() >= QUEUE_MAX);
    }

    /// Whether `input` is what a server says of itself to whoever comes, whatever was asked.
    fn is_introduction(&self, input: &[u8]) -> bool {
        let is_first = self.asking == Asking::Number && self.before.is_none();
        let is_again = self.introduction.as_deref() == Some(input);
        is_again || is_first && input.len() >= INTRODUCTION_BYTES
    }

    /// The question has not been answered yet: once more, unless that has been done.
    fn introduced(&mut self, input: &[u8], net: &mut Net) {
        if self.introduction.is_none() {
            self.introduction = Some(input.to_vec());
            self.asking = Asking::NumberAgain;
            self.question.ask_again(&mut self.connection, net);
        }
    }

    fn ask_next(&mut self, net: &mut Net) {
        match self.queue.pop_front() {
            Some(word) => self.question.ask(word.as_bytes(), &mut self.connection, net),
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
        let is_strange = self.late.has_lost() && !is_right_month(asked, input);
        is_repeated || is_strange || is_wrong_month(asked, input)
    }

    fn accept(&mut self, answer: &[u8], net: &mut Net) {
        let Some(asked) = self.question.answered() else { return };
        // An introduction was the answer to one of the tries.
        let introductions = u32::from(self.asking == Asking::NumberAgain);
        let owed = self.question.tries().saturating_sub(1 + introductions);
        self.late.answered(&asked, answer, owed);
        (self.suspect, self.nonsense) = (None, None);
        self.show(answer, net);
        if self.asking == Asking::Hello && self.stdio.is_interactive {
            net.print(b"* 1-12, or 0 to end\n");
        }
        self.asking = Asking::Number;
        self.before = Some((asked, answer.to_vec()));
        self.ask_next(net);
    }

    fn give_up(&mut self, net: &mut Net) {
        if self.connection.received == 0 && self.nonsense.is_none() {
            return self.connection.give_up(self.question.silence(), net);
        }
        let line = match self.nonsense.take() {
            Some(why) => self.no_months(&why),
            None => self.question.given_up(&self.connection),
        };
        if !self.stdio.is_interactive || self.ended || self.before.is_none() {
            return net.stop(Err(line));
        }
        net.print(format!("* {line}\n").as_bytes());
        if let Some(asked) = self.question.answered() {
            self.late.lost(&asked, self.question.tries());
        }
        self.ask_next(net);
    }

    fn no_months(&self, why: &str) -> String {
        self.connection.complaint(&format!("{why}: is that a months server?"))
    }

    fn refuse(&mut self, word: &str, net: &mut Net) {
        let mut shown: String = word.chars().take(WORD_CHARS_SHOWN).collect();
        if shown.len() < word.len() {
            shown.push_str("...");
        }
        let line = format!("{shown:?} is not an integer; write 1-12, or 0 to end");
        match self.stdio.is_interactive {
            true => net.print(format!("* {line}\n").as_bytes()),
            false => {
                self.refused = Some(format!("months: {line}"));
                self.ended = true;
            }
        }
    }

    fn show(&self, answer: &[u8], net: &mut Net) {
        // The introduction has line ends around it.
        let answer = core(answer);
        match self.stdio.is_terminal {
            true => net.print(format!("{}\n", visible_line(answer)).as_bytes()),
            false => {
                net.print(answer);
                net.print(b"\n");
            }
        }
    }
}

/// Whether `word` asks the server to end.
fn is_goodbye(word: &str) -> bool {
    word.parse() == Ok(0)
}

/// The numbers to ask for: nothing is asked after a goodbye.
fn until_goodbye(numbers: &[String]) -> VecDeque<String> {
    let end = numbers.iter().position(|word| is_goodbye(word)).map_or(numbers.len(), |at| at + 1);
    numbers[..end].iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::connect::connection::tests::{connected, route};
    use crate::engine::Kind;
    use crate::engine::stage::Stage;

    const TERMINAL: Stdio = Stdio { is_terminal: true, is_interactive: true, is_coloured: false };
    const PATIENCE: RetryPolicy = RetryPolicy { timeout: Duration::from_secs(2), retries: 2 };

    fn months(stdio: Stdio, numbers: &[&str]) -> (Stage, Peer) {
        let numbers: Vec<String> = numbers.iter().map(|word| (*word).to_owned()).collect();
        connected(MonthsClient::new(route("months", Kind::Datagram), stdio, PATIENCE, &numbers))
    }

    #[test]
    fn what_is_on_the_command_line_is_asked_one_by_one() {
        let (mut stage, peer) = months(Stdio::default(), &["1", "2"]);
        assert_eq!(stage.hear(peer), "1");
        stage.say(peer, "January");
        assert_eq!(stage.hear(peer), "2");
        stage.say(peer, "February");
        assert_eq!(stage.screen(), "January\nFebruary\n");
        assert_eq!(stage.engine().outcome(), Some(&Ok(())));
    }

    #[test]
    fn a_filter_answers_what_came_before_a_word_that_is_none() {
        let (mut stage, peer) = months(Stdio::default(), &[]);
        stage.tell(Some("1"));
        stage.tell(Some("two"));
        stage.tell(Some("3"));
        assert_eq!(stage.engine().outcome(), None);
        stage.say(peer, "January");
        assert_eq!(stage.screen(), "January\n");
        let line = stage.engine().outcome().cloned().unwrap().unwrap_err();
        assert!(line.contains("\"two\" is not an integer"), "{line}");
    }

    #[test]
    fn a_late_copy_is_not_the_answer_to_the_next_question() {
        let (mut stage, peer) = months(Stdio::default(), &["1", "2"]);
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
        let (mut stage, peer) = months(Stdio::default(), &["13", "14"]);
        stage.say(peer, hint);
        stage.say(peer, hint);
        assert_eq!(stage.screen(), format!("{hint}\n"));
        stage.pass(SUSPICION);
        assert_eq!(stage.screen(), format!("{hint}\n"));
        assert_eq!(stage.engine().outcome(), Some(&Ok(())));
    }

    #[test]
    fn a_server_that_is_wrong_is_shown_when_nothing_better_comes() {
        let (mut stage, peer) = months(Stdio::default(), &["1"]);
        stage.say(peer, "February");
        stage.pass(Duration::from_secs(6));
        assert_eq!(stage.screen(), "February\n");
    }

    #[test]
    fn a_server_that_introduces_itself_first_is_asked_again() {
        let (mut stage, peer) = months(Stdio::default(), &["3"]);
        stage.say(peer, "\nHey there I am going to provide you the month, if ...\n");
        assert_eq!(stage.hear(peer), "33");
        stage.say(peer, "March");
        assert_eq!(stage.screen(), "March\n");
    }

    #[test]
    fn an_introduction_that_comes_twice_is_not_an_answer_the_second_time() {
        let (mut stage, peer) = months(Stdio::default(), &["3"]);
        let introduction = "Hey there I am going to provide you the month, if ...";
        stage.pass(Duration::from_secs(2));
        stage.say(peer, introduction);
        stage.say(peer, introduction);
        stage.say(peer, "March");
        assert_eq!(stage.screen(), "March\n");
    }

    #[test]
    fn the_answer_to_each_try_is_known_however_it_is_spelt_and_however_late_it_comes() {
        let (mut stage, peer) = months(Stdio::default(), &["2", "13", "3"]);
        stage.pass(Duration::from_secs(4));
        assert_eq!(stage.hear(peer), "222");
        stage.say(peer, "Febuary");
        stage.say(peer, "Febuary");
        stage.pass(Duration::from_secs(1));
        stage.say(peer, "Invalid");
        stage.say(peer, "Febuary");
        stage.pass(Duration::from_secs(1));
        stage.say(peer, "Mrach");
        assert_eq!(stage.screen(), "Febuary\nInvalid\nMrach\n");
        assert_eq!(stage.engine().outcome(), Some(&Ok(())));
    }

    #[test]
    fn an_answer_that_was_given_up_is_not_taken_for_the_next() {
        let (mut stage, peer) = months(TERMINAL, &[]);
        stage.say(peer, "Hello, who asks?");
        stage.tell(Some("2"));
        stage.pass(Duration::from_secs(6));
        assert!(stage.screen().contains("no answer within 2s, asked 3 times"));
        stage.tell(Some("3"));
        stage.say(peer, "February");
        stage.say(peer, "Febuary");
        stage.pass(Duration::from_millis(100));
        stage.say(peer, "March");
        assert_eq!(stage.screen(), "March\n");
    }

    #[test]
    fn what_can_be_no_answer_is_none_and_told_if_nothing_better_comes() {
        assert!(may_be_answer(b"2", b"").is_err());
        let long = "x".repeat(513);
        for (nonsense, told) in [
            ("\0\0", "an empty answer"),
            ("2", "echo server"),
            ("\x1b]0;owned\x07", "no text"),
            ("42", "without a letter"),
            (&long, "too long"),
        ] {
            let (mut stage, peer) = months(Stdio::default(), &["2"]);
            stage.say(peer, nonsense);
            stage.say(peer, "Febuary\0\0");
            assert_eq!(stage.screen(), "Febuary\n", "{nonsense:?}");
            let (mut stage, peer) = months(Stdio::default(), &["2"]);
            stage.say(peer, nonsense);
            stage.pass(Duration::from_secs(6));
            let line = stage.engine().outcome().cloned().unwrap().unwrap_err();
            assert!(line.contains(told) && line.contains("months server?"), "{line}");
        }
    }

    #[test]
    fn no_piece_of_a_long_line_is_asked() {
        for head in ["x", "0", " "] {
            let (mut stage, peer) = months(Stdio::default(), &[]);
            stage.engine().feed(0, Some(head.repeat(70_000).as_bytes()));
            stage.engine().feed(0, Some(b"5\n6\n"));
            stage.flush();
            assert_eq!(stage.hear(peer), "");
            let line = stage.engine().outcome().cloned().unwrap().unwrap_err();
            assert!(line.len() < 120, "{line}");
        }
    }

    #[test]
    fn the_second_address_is_asked_what_the_first_was_silent_to() {
        let (mut stage, _) = months(Stdio::default(), &["1"]);
        stage.pass(Duration::from_secs(6));
        let second = stage.dialed()[1];
        stage.answer(second, ([192, 0, 2, 99], 4001).into());
        stage.flush();
        assert_eq!(stage.hear(second), "1");
        stage.say(second, "January");
        assert_eq!(stage.screen(), "January\n");
        assert_eq!(stage.engine().outcome(), Some(&Ok(())));
    }

    #[test]
    fn a_silent_server_is_asked_three_times_and_given_up() {
        let (mut stage, peer) = months(Stdio::default(), &["1"]);
        stage.pass(Duration::from_secs(6));
        assert_eq!(stage.hear(peer), "111");
        let other = stage.dialed()[1];
        stage.fail(other, std::io::ErrorKind::ConnectionRefused);
        stage.flush();
        let line = stage.engine().outcome().cloned().unwrap().unwrap_err();
        assert!(line.contains("192.0.2.1:7 (no answer within 2s, asked 3 times)"), "{line}");
        assert!(line.contains("192.0.2.2:7 (connection refused)"), "{line}");
    }

    #[test]
    fn on_a_terminal_it_says_hello_and_asks_until_zero() {
        let (mut stage, peer) = months(TERMINAL, &[]);
        assert!(stage.engine().is_backed_up());
        assert_eq!(stage.hear(peer).as_bytes(), HELLO);
        stage.say(peer, "\nHey there\n");
        assert!(!stage.engine().is_backed_up());
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
        assert_eq!(stage.engine().outcome(), Some(&Ok(())));
    }
}
