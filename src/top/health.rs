//! `cooee health`: asks a server with `--admin` once whether it is ready, for those who can run a
//! program and read its exit status, such as the HEALTHCHECK of a container without a shell.

use std::io::ErrorKind;
use std::time::Duration;

use clap::Args;

use super::answer::{ANSWER_MAX, Answer, read};
use super::args::{Where, first_line, host_of};
use crate::engine::{
    Arrival, Kind, Limits, Location, Net, Operated, Peer, Quota, Reason, Service, Time,
};
use crate::failure::{Failure, setting_up};
use crate::reactor::{Note, Reactor};
use crate::terminal::{screen, write_all};
use crate::units::{Parse, parse_positive_duration};

/// What `--help` shows at its end.
const EXAMPLES: &str = "
Examples:
  cooee health                    is the server at 127.0.0.1:5090 ready?
  cooee health --alive 6090       does the loop of that at port 6090 turn?
  cooee health && echo ready      in a script

Exit status: 0 it is, 1 it is not, 2 wrong usage.";

/// The flags of `cooee health`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct HealthArgs {
    #[command(flatten)]
    place: Where,

    /// How long all of it may take
    #[arg(long, value_name = "TIME", default_value = "2s",
          value_parser = parse_positive_duration as Parse<_>)]
    timeout: Duration,

    /// Ask only whether its loop turns (/healthz), not whether it takes newcomers in (/readyz)
    #[arg(long)]
    alive: bool,
}

/// Asks, and prints the answer if it is a yes.
///
/// # Errors
/// Why it is a no.
pub fn run(args: &HealthArgs) -> Result<(), Failure> {
    let address = args.place.address();
    let (locations, name) = (address.resolve().map_err(Failure::Failed)?, address.to_string());
    let question = if args.alive { Question::Alive } else { Question::Ready };
    let limits = Limits { inbox: ANSWER_MAX, dial: args.timeout, ..Limits::default() };
    let fail = |error| Failure::Failed(setting_up(error));
    let mut reactor = Reactor::new(limits).map_err(fail)?;
    let checkup = Checkup::new(&name, locations, question, args.timeout);
    reactor.engine().add_service("health", Quota::default(), Box::new(checkup));
    loop {
        reactor.turn().map_err(|error| Failure::Failed(format!("polling: {error}")))?;
        while let Some(note) = reactor.next_note() {
            if let Note::Signal(signal) = note {
                return Err(Failure::Signal(signal));
            }
        }
        match reactor.engine().outcome().cloned() {
            Some(Ok(())) => {
                let line = format!("{name} is {}\n", question.yes());
                return match write_all(screen(0), line.as_bytes()) {
                    Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                        Err(Failure::Failed(format!("standard output: {error}")))
                    }
                    _ => Ok(()),
                };
            }
            Some(Err(why)) => return Err(Failure::Failed(why)),
            None => {}
        }
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    /// Whether newcomers are taken in.
    Ready,
    /// Whether the loop turns.
    Alive,
}

impl Question {
    fn path(self) -> &'static str {
        match self {
            Question::Ready => "/readyz",
            Question::Alive => "/healthz",
        }
    }

    fn yes(self) -> &'static str {
        match self {
            Question::Ready => "ready",
            Question::Alive => "alive",
        }
    }
}

/// See the top of this file. It knows no socket.
struct Checkup {
    name: String,
    /// Those that are still to be tried, the next one last.
    locations: Vec<Location>,
    question: Question,
    timeout: Duration,
    /// When it is given up.
    end: Time,
    /// Whom is asked now, and where that is.
    asked: Option<(Peer, String)>,
}

impl Checkup {
    fn new(name: &str, locations: Vec<Location>, question: Question, timeout: Duration) -> Checkup {
        let locations = locations.into_iter().rev().collect();
        let name = name.to_owned();
        Checkup { name, locations, question, timeout, end: Time::ZERO, asked: None }
    }

    fn call(&mut self, why: &str, net: &mut Net) {
        match self.locations.pop() {
            Some(location) => {
                let host = host_of(&location);
                self.asked = net.dial(location, Kind::Stream).map(|peer| (peer, host));
            }
            None => self.end(Err(why.to_owned()), net),
        }
    }

    fn end(&mut self, outcome: Result<(), String>, net: &mut Net) {
        let yes = self.question.yes();
        net.stop(outcome.map_err(|why| format!("{} is not {yes}: {why}", self.name)));
    }
}

impl Service for Checkup {
    fn opened(&mut self, peer: Peer, _: &Arrival, net: &mut Net) {
        let Some((_, host)) = &self.asked else { return };
        let path = self.question.path();
        let close = "Connection: close";
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{close}\r\n\r\n");
        net.send(peer, request.as_bytes());
    }

    fn received(&mut self, _: Peer, input: &[u8], net: &mut Net) -> usize {
        match read(input) {
            Answer::Partial => return 0,
            Answer::Whole(_, 200, _) => self.end(Ok(()), net),
            Answer::Whole(_, code, body) => {
                self.end(Err(format!("it says {code} {}", first_line(body))), net);
            }
            Answer::Wrong(_) => {
                self.end(Err("what answers there speaks no HTTP; is it --admin?".into()), net);
            }
        }
        input.len()
    }

    fn finished(&mut self, peer: Peer, _: &[u8], net: &mut Net) {
        net.close(peer);
        self.end(Err("it has closed the connection without an answer".into()), net);
    }

    fn closed(&mut self, _: Peer, reason: Reason, net: &mut Net) {
        match reason {
            Reason::Failed(ErrorKind::ConnectionRefused) => {
                self.call("nothing listens there; is it running, with --admin?", net);
            }
            Reason::Failed(ErrorKind::NotFound) => self.call("there is no such file", net),
            Reason::Failed(kind) => self.call(&kind.to_string(), net),
            other => self.call(&other.to_string(), net),
        }
    }

    fn alarm(&mut self, net: &mut Net) {
        match net.now() < self.end {
            true => net.wake_at(self.end),
            false => self.end(Err(format!("no answer within {:?}", self.timeout)), net),
        }
    }

    fn operated(&mut self) -> Option<&mut dyn Operated> {
        Some(self)
    }
}

impl Operated for Checkup {
    fn started(&mut self, net: &mut Net) {
        self.end = net.now().after(self.timeout);
        net.wake_at(self.end);
        self.call("its name has no address", net);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stage::Stage;

    const PLACES: [([u8; 4], u16); 2] = [([192, 0, 2, 7], 5090), ([192, 0, 2, 8], 5090)];
    const HERE: ([u8; 4], u16) = ([192, 0, 2, 99], 4000);

    fn asked(question: Question) -> Stage {
        let places = PLACES.map(Location::from).to_vec();
        let checkup = Checkup::new("name:5090", places, question, Duration::from_secs(2));
        let mut stage = Stage::new(checkup);
        stage.flush();
        stage
    }

    fn last(stage: &Stage) -> Peer {
        *stage.dialed().last().expect("a call")
    }

    /// What is made of `answer`, and what was asked.
    fn told(question: Question, answer: &str) -> (String, Result<(), String>) {
        let mut stage = asked(question);
        let peer = last(&stage);
        stage.answer(peer, HERE.into());
        let said = stage.hear(peer);
        for cut in answer.as_bytes().chunks(7) {
            stage.say(peer, cut);
        }
        stage.finish(peer);
        (said, stage.engine().outcome().cloned().expect("an answer"))
    }

    #[test]
    fn a_yes_is_200_and_a_no_is_told_with_its_reason() {
        let yes = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nready\n";
        let (said, outcome) = told(Question::Ready, yes);
        let request = "GET /readyz HTTP/1.1\r\nHost: 192.0.2.7:5090\r\nConnection: close\r\n\r\n";
        assert_eq!((said.as_str(), outcome), (request, Ok(())));
        assert!(told(Question::Alive, yes).0.starts_with("GET /healthz HTTP/1.1\r\n"));
        for (answer, why) in [
            ("HTTP/1.1 503 x\r\nContent-Length: 9\r\n\r\nlea\x1bving\n", "503 lea\\x1bving"),
            ("SSH-2.0-x\r\n", "speaks no HTTP"),
            ("HTTP/1.1 200", "closed the connection without an answer"),
            ("", "closed the connection without an answer"),
        ] {
            let error = told(Question::Ready, answer).1.unwrap_err();
            let has = error.starts_with("name:5090 is not ready: ") && error.contains(why);
            assert!(has, "{error}");
        }
    }

    #[test]
    fn all_addresses_are_tried_in_turn_within_one_time() {
        let mut stage = asked(Question::Ready);
        stage.fail(last(&stage), ErrorKind::ConnectionRefused);
        assert_eq!((stage.dialed().len(), stage.engine().outcome()), (2, None));
        stage.fail(last(&stage), ErrorKind::ConnectionRefused);
        let Some(Err(why)) = stage.engine().outcome().cloned() else { panic!() };
        assert_eq!(
            why,
            "name:5090 is not ready: nothing listens there; is it running, with --admin?"
        );
        let mut stage = asked(Question::Alive);
        stage.pass(Duration::from_millis(1900));
        assert_eq!(stage.engine().outcome(), None);
        stage.pass(Duration::from_millis(100));
        let Some(Err(why)) = stage.engine().outcome().cloned() else { panic!() };
        assert_eq!(why, "name:5090 is not alive: no answer within 2s");
    }
}
