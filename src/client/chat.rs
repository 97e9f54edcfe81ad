//! `cooee chat`: lines to a room and from it, until `BYE`.

use std::time::Duration;

use super::connect::connection::{ConnectionEnd, Route, ServerConnection};
use super::display::Display;
use super::drops::Drops;
use super::introduction::{Introduction, Refusal, Step};
use super::nicks::{List, Nicks, list_in};
use super::pacer::{Next, Pacer};
use super::piped::{Piece, Piped};
use super::waiting::Waiting;
use crate::engine::{Arrival, Net, Operated, Peer, Reason, Service, Time};
use crate::services::lines::core;
use crate::tty::stdio::Stdio;

/// How often the server is asked who is there, at most.
const ROLL_EVERY: Duration = Duration::from_secs(10);
/// An answer to that which comes later is shown: it may be to what the user asked.
const ROLL_ANSWER: Duration = Duration::from_secs(2);

/// A longer line than this means no goodbye, whatever the word between its blanks: our server
/// takes it for too long a line.
const GOODBYE_BYTES_MAX: usize = 1024;

/// What is asked for Tab without being shown: who is in the room, of those who have not been named.
#[derive(Clone, Copy, Debug, Default)]
struct Roll {
    /// When to ask, if at all.
    due: Option<Time>,
    /// Not before.
    again: Time,
    /// Until when the answer is ours; `None`: it is not, or has come.
    hidden_until: Option<Time>,
    /// Whether the last line was of it: the members of other servers come right behind ours.
    goes_on: bool,
}

/// The chat client.
pub(super) struct ChatClient {
    connection: ServerConnection,
    display: Display,
    /// What is said for the user on arrival, and whether the user has to wait for that.
    introduction: Introduction,
    is_introducing: bool,
    piped: Piped,
    pacer: Pacer,
    /// Whether the input waits for the pacer.
    is_holding: bool,
    /// How many lines the user has said.
    said: u64,
    /// Cuts what the server says into lines.
    heard: Piped,
    drops: Drops,
    nicks: Nicks,
    roll: Roll,
    waiting: Waiting,
    is_interactive: bool,
}

impl ChatClient {
    /// `rate`: how many lines a second the server takes; `None`: any number.
    pub(super) fn new(
        route: Route,
        stdio: Stdio,
        nick: Option<&str>,
        room: Option<&str>,
        rate: Option<f64>,
    ) -> ChatClient {
        let (piped, heard, drops, nicks, roll) = Default::default();
        ChatClient {
            connection: ServerConnection::new(route, stdio),
            display: Display::new(stdio),
            introduction: Introduction::new(nick, room, !stdio.is_interactive),
            is_introducing: false,
            piped,
            pacer: Pacer::new(rate),
            is_holding: false,
            said: 0,
            heard,
            drops,
            nicks,
            roll,
            waiting: Waiting::for_what("a word of the server"),
            is_interactive: stdio.is_interactive,
        }
    }

    /// Says the first words as far as their time has come, and then listens to the user.
    fn introduce(&mut self, net: &mut Net) {
        while self.is_introducing {
            match self.introduction.next(net.now()) {
                Step::Say(line) => self.say_unasked(&line, net),
                Step::Wait(until) => return net.wake_at(until),
                Step::Done => {
                    self.is_introducing = false;
                    net.hold_input(false);
                }
            }
        }
    }

    fn say_unasked(&mut self, line: &str, net: &mut Net) {
        self.connection.send(line.as_bytes(), net);
        self.pacer.charge(net.now());
    }

    /// Learns from what the server says.
    fn hear(&mut self, input: &[u8], now: Time) -> Option<Refusal> {
        let mut refusal = None;
        for piece in self.heard.take(Some(input)) {
            let Piece::Line(line) = piece else { continue };
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches('\r');
            if self.drops.hear(line) {
                self.pacer.slow_down();
                self.roll.hidden_until = None;
            }
            refusal = refusal.or(self.introduction.hear(line));
            if self.is_interactive {
                self.nicks.hear(line);
            }
        }
        if self.nicks.take_lack() {
            self.roll.due = Some(self.roll.again.max(now));
        }
        refusal
    }

    /// A filter must not go on as somebody else; a person may choose again.
    fn be_refused(&mut self, refusal: &Refusal, net: &mut Net) {
        match self.is_interactive {
            true => self.display.remark(&format!("{refusal}; {}", refusal.remedy()), net),
            false => {
                self.is_introducing = false;
                let what = format!("{refusal}; choose another, or leave it out");
                net.stop(Err(self.connection.complaint(&what)));
            }
        }
    }

    /// Asks who is there, if that is due.
    fn call_roll(&mut self, net: &mut Net) {
        let now = net.now();
        match self.roll.due {
            Some(due) if due > now => net.wake_at(due),
            Some(_) if self.connection.is_connected() && !self.is_introducing => {
                let (again, answer) = (now.after(ROLL_EVERY), now.after(ROLL_ANSWER));
                self.roll = Roll { due: None, again, hidden_until: Some(answer), goes_on: false };
                self.say_unasked("/who\n", net);
            }
            Some(_) | None => {}
        }
    }
}

impl Service for ChatClient {
    fn opened(&mut self, _: Peer, _: &Arrival, net: &mut Net) {
        self.connection.opened();
        self.introduction.begin(net.now());
        self.waiting.begin(net);
        self.is_introducing = true;
        self.introduce(net);
    }

    fn received(&mut self, _: Peer, input: &[u8], net: &mut Net) -> usize {
        self.connection.note(input);
        self.waiting.end();
        self.introduction.be_welcome();
        let (now, roll) = (net.now(), &mut self.roll);
        self.display.take_but(input, net, |message| {
            let is_ours = match list_in(&String::from_utf8_lossy(message)) {
                Some(List::Here) => roll.hidden_until.is_some_and(|until| now < until),
                Some(List::Elsewhere) => roll.goes_on,
                None => false,
            };
            roll.hidden_until = roll.hidden_until.filter(|_| !is_ours);
            roll.goes_on = is_ours;
            is_ours
        });
        if let Some(refusal) = self.hear(input, now) {
            self.be_refused(&refusal, net);
        }
        self.introduce(net);
        self.call_roll(net);
        input.len()
    }

    fn finished(&mut self, peer: Peer, _: &[u8], net: &mut Net) {
        self.display.finish(net);
        self.connection.finished(peer, net);
    }

    fn closed(&mut self, _: Peer, reason: Reason, net: &mut Net) {
        let end = self.connection.closed(reason, net);
        self.display.finish(net);
        if end == ConnectionEnd::Closed
            && !self.is_interactive
            && let Some(what) = self.drops.complaint(self.said)
        {
            net.stop(Err(self.connection.complaint(&what)));
        }
        self.connection.conversation_over(end, &self.display, net);
        if end != ConnectionEnd::None {
            self.pacer.release();
            self.pass_on(net);
        }
    }

    fn alarm(&mut self, net: &mut Net) {
        self.display.alarm(net);
        self.connection.alarm(net);
        self.waiting.alarm(&self.display, net);
        self.introduce(net);
        self.call_roll(net);
        self.pass_on(net);
    }

    fn operated(&mut self) -> Option<&mut dyn Operated> {
        Some(self)
    }
}

impl Operated for ChatClient {
    fn started(&mut self, net: &mut Net) {
        self.connection.call(net);
    }

    fn told(&mut self, line: Option<&str>, net: &mut Net) {
        match line {
            Some(line) => self.offer(Piece::Line(line.into())),
            None => {
                self.tell_refused();
                self.pacer.end();
            }
        }
        self.pass_on(net);
    }

    /// How long a line may be is for the server to say: a long one goes there whole, so that it is
    /// refused whole.
    fn fed(&mut self, bytes: Option<&[u8]>, net: &mut Net) {
        self.piped.take(bytes).into_iter().for_each(|piece| self.pacer.push(piece));
        if bytes.is_none() {
            self.pacer.end();
        }
        self.pass_on(net);
    }

    fn completions(&self, head: &str) -> Option<Vec<String>> {
        Some(self.nicks.completions(head))
    }
}

impl ChatClient {
    /// Has what a person said wait for its turn, and says if there is no room for it.
    fn offer(&mut self, piece: Piece) {
        match (self.pacer.offer(piece), self.pacer.refused()) {
            (false, 1) => log::warn!("too much waits to be said: what comes now is dropped"),
            (true, 1..) => self.tell_refused(),
            _ => {}
        }
    }

    fn tell_refused(&mut self) {
        let refused = self.pacer.take_refused();
        if refused > 0 {
            log::warn!("dropped, for too much was waiting to be said: {refused} lines");
        }
    }

    /// Says what may be said by now; the input waits while there is more.
    fn pass_on(&mut self, net: &mut Net) {
        loop {
            match self.pacer.next(net.now()) {
                Next::Send(piece) => self.say(&piece, net),
                Next::Wait(wait) => {
                    net.wake_in(wait);
                    self.is_holding = true;
                    return net.hold_input(true);
                }
                Next::Nothing => break,
                Next::End => self.connection.finish(net),
            }
        }
        if std::mem::take(&mut self.is_holding) {
            net.hold_input(false);
        }
    }

    fn say(&mut self, piece: &Piece, net: &mut Net) {
        match piece {
            Piece::Line(line) => self.say_line(line, net),
            Piece::Part(part) => self.connection.send(part, net),
            Piece::Rest(rest) => {
                self.said += 1;
                self.connection.send(&[&rest[..], b"\n"].concat(), net);
            }
        }
    }

    fn say_line(&mut self, line: &[u8], net: &mut Net) {
        self.connection.send(&[line, b"\n"].concat(), net);
        let is_short = line.len() <= GOODBYE_BYTES_MAX;
        if is_short && matches!(core(line), b"BYE" | b"/quit") {
            self.pacer.clear();
            return self.connection.leave(net);
        }
        self.said += u64::from(!core(line).is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::connect::connection::tests::{connected, route};
    use crate::engine::Kind;
    use crate::engine::stage::Stage;

    fn chat(nick: Option<&str>, room: Option<&str>) -> (Stage, Peer) {
        let stdio = Stdio::default();
        connected(ChatClient::new(route("chat", Kind::Stream), stdio, nick, room, Some(10.0)))
    }

    /// The same at a terminal.
    fn person(nick: Option<&str>) -> (Stage, Peer) {
        let stdio = Stdio { is_terminal: true, is_interactive: true, is_coloured: false };
        let route = route("chat", Kind::Stream);
        connected(ChatClient::new(route, stdio, nick, None, Some(10.0)))
    }

    #[test]
    fn name_and_room_are_told_one_after_the_other_before_the_user_is_heard() {
        let (mut stage, peer) = chat(Some("ann"), Some("den"));
        assert!(stage.engine().is_backed_up());
        assert_eq!(stage.hear(peer), "");
        stage.say(peer, "** Welcome!\n");
        assert_eq!(stage.hear(peer), "/nick ann\n");
        stage.say(peer, "** You are now ann.\n");
        assert_eq!(stage.hear(peer), "/join den\n");
        assert!(stage.engine().is_backed_up());
        stage.say(peer, "** You are now in den (1 here).\n");
        assert!(!stage.engine().is_backed_up());
        stage.tell(Some("hi"));
        assert_eq!(stage.hear(peer), "hi\n");
    }

    #[test]
    fn a_server_that_does_not_welcome_is_told_after_a_second() {
        let (mut stage, peer) = chat(Some("ann"), Some("den"));
        stage.pass(Duration::from_millis(999));
        assert_eq!(stage.hear(peer), "");
        stage.pass(Duration::from_millis(1));
        assert_eq!(stage.hear(peer), "/nick ann\n/join den\n");
        assert!(!stage.engine().is_backed_up());
    }

    #[test]
    fn a_person_whose_server_is_silent_is_told_once() {
        let (mut stage, peer) = person(None);
        stage.pass(Duration::from_secs(30));
        assert_eq!(stage.screen(), "* waiting for a word of the server; Ctrl-C leaves\n");
        stage.say(peer, "** Welcome!\n");
        stage.pass(Duration::from_secs(30));
        assert_eq!(stage.screen(), "** Welcome!\n");
    }

    #[test]
    fn a_filter_that_does_not_get_its_name_says_nothing_and_fails() {
        let (mut stage, peer) = chat(Some("ann"), Some("den"));
        stage.say(peer, "** Welcome!\n");
        stage.say(peer, "** That name is taken.\n");
        assert_eq!(stage.hear(peer), "/nick ann\n");
        assert!(stage.screen().ends_with("** That name is taken.\n"));
        let line = stage.engine().outcome().cloned().unwrap().unwrap_err();
        let wanted =
            "--nick ann was refused: \"That name is taken.\"; choose another, or leave it out";
        assert!(line.ends_with(wanted), "{line}");
    }

    #[test]
    fn a_person_who_does_not_get_the_name_is_told_and_goes_on() {
        let (mut stage, peer) = person(Some("ann"));
        stage.say(peer, "** Welcome!\n");
        assert!(!stage.engine().is_backed_up());
        stage.say(peer, "** That name is taken.\n");
        let told = "* --nick ann was refused: \"That name is taken.\"; /nick chooses another\n";
        assert!(stage.screen().ends_with(told));
        assert_eq!(stage.engine().outcome(), None);
    }

    #[test]
    fn a_server_that_leaves_before_it_has_answered_makes_a_filter_fail_that_has_more_to_say() {
        for (rest, is_fine) in [(None, true), (Some(&b"hi\n"[..]), false)] {
            let (mut stage, peer) = chat(Some("ann"), None);
            stage.say(peer, "** Welcome!\n");
            stage.finish(peer);
            stage.engine().feed(0, rest);
            stage.flush();
            assert_eq!(stage.engine().outcome().map(Result::is_ok), Some(is_fine));
        }
    }

    #[test]
    fn who_is_there_is_asked_for_tab_and_not_shown_but_what_the_user_asks_is() {
        let (mut stage, peer) = person(None);
        let welcome = "** Welcome! You are guest3, in lobby (3 here). Type /help for help.\n";
        stage.say(peer, welcome);
        assert_eq!(stage.hear(peer), "/who\n");
        stage.tell(Some("/who"));
        assert_eq!(stage.hear(peer), "/who\n");
        let list = "** 3 in lobby: ann, bob, guest3\n";
        stage.say(peer, format!("<ann> hi\n{list}{list}"));
        assert_eq!(stage.screen(), format!("{welcome}<ann> hi\n{list}"));
        assert_eq!(stage.engine().completions(0, "bo"), Some(vec!["bob: ".into()]));
        // In a crowd newcomers are counted: not each of them is asked for.
        stage.say(peer, "* 2 joined\n");
        assert_eq!(stage.hear(peer), "");
        stage.pass(Duration::from_secs(10));
        assert_eq!(stage.hear(peer), "/who\n");
        // Not answered for so long, it is the user's.
        stage.pass(Duration::from_secs(2));
        stage.screen();
        stage.say(peer, list);
        assert_eq!(stage.screen(), list);
    }

    #[test]
    fn a_filter_and_the_chat_of_another_server_are_not_asked() {
        let welcome = "** Welcome! You are guest3, in lobby (3 here). Type /help for help.\n";
        let (mut stage, peer) = chat(None, None);
        stage.say(peer, welcome);
        let (mut other, server) = person(None);
        other.say(server, "Welcome to the chat, 3 here\n");
        assert_eq!((stage.hear(peer), other.hear(server)), (String::new(), String::new()));
    }

    #[test]
    fn more_lines_than_a_server_takes_at_once_go_out_at_its_pace_in_order() {
        let (mut stage, peer) = chat(Some("ann"), None);
        stage.say(peer, "** Welcome!\n");
        stage.say(peer, "** You are now ann.\n");
        let lines: Vec<String> = (1..=60).map(|number| format!("{number}\n")).collect();
        stage.engine().feed(0, Some(lines.concat().as_bytes()));
        stage.engine().feed(0, None);
        stage.flush();
        let at_once = format!("/nick ann\n{}", lines[..19].concat());
        assert_eq!(stage.hear(peer), at_once);
        assert!(stage.engine().is_backed_up());
        stage.pass(Duration::from_secs(1));
        assert_eq!(stage.hear(peer), lines[19..29].concat());
        stage.pass(Duration::from_secs(3));
        assert!(!stage.is_over(peer));
        stage.pass(Duration::from_millis(100));
        assert_eq!(stage.hear(peer), lines[29..].concat());
        assert!(stage.is_over(peer));
        stage.finish(peer);
        assert_eq!(stage.engine().outcome(), Some(&Ok(())));
    }

    #[test]
    fn a_filter_some_of_whose_lines_were_dropped_slows_down_and_fails_with_their_number() {
        let (mut stage, peer) = chat(None, None);
        stage.engine().feed(0, Some("x\n".repeat(25).as_bytes()));
        stage.engine().feed(0, None);
        stage.flush();
        stage.say(peer, "** Too fast: what you send is dropped until you slow down.\n");
        stage.pass(Duration::from_secs(2));
        stage.hear(peer);
        stage.pass(Duration::from_millis(400));
        assert_eq!(stage.hear(peer), "x\n".repeat(2));
        stage.pass(Duration::from_secs(10));
        stage.say(peer, "** 3 of your lines were dropped: they came too fast.\n");
        stage.finish(peer);
        let line = stage.engine().outcome().cloned().unwrap().unwrap_err();
        assert!(line.contains("3 of 25 lines were dropped"), "{line}");
    }

    #[test]
    fn a_server_that_leaves_while_lines_wait_makes_a_filter_fail() {
        let (mut stage, peer) = chat(None, None);
        stage.engine().feed(0, Some("x\n".repeat(25).as_bytes()));
        stage.engine().feed(0, None);
        stage.flush();
        stage.finish(peer);
        let line = stage.engine().outcome().cloned().unwrap().unwrap_err();
        assert!(line.contains("before all of the input was sent: 40 bytes were"), "{line}");
    }

    #[test]
    fn after_a_goodbye_nothing_more_is_said() {
        let (mut stage, peer) = chat(None, None);
        stage.engine().feed(0, Some(b"BYE\nmore\n"));
        stage.flush();
        assert_eq!(stage.hear(peer), "BYE\n");
    }

    #[test]
    fn tab_goes_on_with_names_that_were_heard() {
        let (mut stage, peer) = person(None);
        stage.say(peer, "<an");
        stage.say(peer, "n> hi\r\n");
        assert_eq!(stage.engine().completions(0, "a"), Some(vec!["ann: ".into()]));
    }

    #[test]
    fn a_long_line_goes_out_whole_and_no_piece_of_it_is_a_command() {
        let (mut stage, peer) = chat(None, None);
        let long = "x".repeat(70_000);
        for piece in [long.as_bytes(), b"/quit", b"\nBYE", b" now\nx\n/quit"] {
            stage.engine().feed(0, Some(piece));
            stage.flush();
        }
        stage.engine().feed(0, Some(format!(" \n{}BYE\n", " ".repeat(1022)).as_bytes()));
        stage.flush();
        assert!(stage.is_over(peer));
        assert_eq!(stage.hear(peer), format!("{long}/quit\nBYE now\nx\n/quit \n"));
        let (mut stage, peer) = chat(None, None);
        let blanks = format!("{}BYE\n", " ".repeat(1022));
        stage.engine().feed(0, Some(blanks.as_bytes()));
        stage.tell(Some(blanks.trim_end()));
        assert!(!stage.is_over(peer));
        assert_eq!(stage.hear(peer), blanks.repeat(2));
    }

    #[test]
    fn bye_leaves_and_shows_the_goodbye() {
        let (mut stage, peer) = chat(None, None);
        stage.tell(Some("BYE"));
        assert_eq!(stage.hear(peer), "BYE\n");
        stage.say(peer, "** Goodbye, guest1!\n");
        stage.finish(peer);
        assert_eq!(stage.screen(), "** Goodbye, guest1!\n");
        assert_eq!(stage.engine().outcome(), Some(&Ok(())));
    }

    #[test]
    fn a_filter_whose_server_breaks_off_without_a_word_after_its_goodbye_has_failed() {
        for (goodbye, is_fine) in [("", false), ("** Goodbye!\n", true)] {
            let (mut stage, peer) = chat(None, None);
            stage.say(peer, "** Welcome!\n");
            stage.engine().feed(0, Some(b"hi\nBYE\n"));
            stage.flush();
            stage.say(peer, goodbye);
            stage.reset(peer);
            assert_eq!(stage.engine().outcome().map(Result::is_ok), Some(is_fine));
        }
    }

    #[test]
    fn a_filter_that_is_kicked_fails_if_it_had_more_to_say() {
        for (rest, is_fine) in [(None, true), (Some(&b"more\n"[..]), false)] {
            let (mut stage, peer) = chat(None, None);
            stage.engine().feed(0, Some(b"hi\n"));
            stage.flush();
            stage.say(peer, "** You have been kicked.\n");
            stage.finish(peer);
            assert_eq!(stage.screen(), "** You have been kicked.\n");
            assert_eq!(stage.engine().outcome(), None);
            stage.engine().feed(0, rest);
            assert_eq!(stage.engine().outcome().map(Result::is_ok), Some(is_fine));
        }
    }

    #[test]
    fn the_end_of_input_half_closes_and_what_still_comes_is_shown() {
        let (mut stage, peer) = chat(None, None);
        stage.tell(Some("hi"));
        stage.tell(None);
        stage.say(peer, "<bob> bye\n");
        stage.finish(peer);
        assert_eq!(stage.screen(), "<bob> bye\n");
        assert_eq!(stage.engine().outcome(), Some(&Ok(())));
    }
}
