//! Greet: says hello, tells the client its own address as this side sees it, and closes.
//!
//! A connection has no state: everything happens when it opens. The engine sees to it that no
//! client loses the greeting, not even one that sends before it reads (flush, FIN, drain, close).

use std::any::Any;
use std::fmt;
use std::io::Write;

use jiff::Timestamp;

use super::{Offer, Settings};
use crate::engine::{Address, Arrival, Net, Peer, Service};

/// This service in the table of services.
pub const OFFER: Offer = Offer {
    name: "greet",
    port: 1025,
    about: "says hello, tells the client its own address, closes",
    idle: None,
    fans_out: false,
    single_process: false,
    stream: Some(|settings| Box::new(Greet::new(settings))),
    datagram: None,
};

/// Greet over TCP.
pub struct Greet {
    template: Template,
    host_name: String,
    /// The greeting being written, kept so that its memory is used again.
    greeting: Vec<u8>,
}

impl Service for Greet {
    fn opened(&mut self, peer: Peer, arrival: &Arrival, net: &mut Net) {
        net.send(peer, self.compose(peer, arrival, net.wall_seconds()));
        net.close(peer);
    }

    fn received(&mut self, _: Peer, input: &[u8], _: &mut Net) -> usize {
        input.len()
    }

    fn reconfigured(&mut self, settings: &dyn Any) {
        if let Some(Settings { greeting, .. }) = settings.downcast_ref() {
            self.template = greeting.clone();
        }
    }
}

impl Greet {
    /// Greets as `settings` say.
    pub fn new(settings: &Settings) -> Greet {
        let (template, host_name) = (settings.greeting.clone(), settings.host_name.clone());
        Greet { template, host_name, greeting: Vec::new() }
    }

    fn compose(&mut self, peer: Peer, arrival: &Arrival, seconds: u64) -> &[u8] {
        self.greeting.clear();
        for part in &self.template.parts {
            part.write(&mut self.greeting, peer, arrival, &self.host_name, seconds);
        }
        &self.greeting
    }
}

/// What greet says, parsed once and for all: a greeting only has to be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

impl Default for Template {
    /// ``Hello! You are connected to ('{ip}', {port})`` and a newline; over a unix socket, who the
    /// client is.
    fn default() -> Self {
        let text = |text: &str| Part::Text(text.into());
        Template { parts: vec![text("Hello! You are connected to "), Part::Pair, text("\n")] }
    }
}

impl Template {
    /// Reads a template: placeholders `{ip} {port} {peer} {local} {host} {time} {id}`, escapes
    /// `\n \r \t \\ {{ }}`, and everything else verbatim, with nothing added.
    pub fn parse(source: &str) -> Result<Template, TemplateError> {
        let mut parser = Parser { source, at: 0, text: String::new(), parts: Vec::new() };
        while let Some(character) = parser.take() {
            match character {
                '\\' => parser.escape()?,
                '{' => parser.placeholder()?,
                '}' => parser.closing_brace()?,
                _ => parser.text.push(character),
            }
        }
        parser.end_text();
        Ok(Template { parts: parser.parts })
    }
}

/// Why a template cannot be used, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    fault: String,
    /// Which character, counted from 1.
    column: usize,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at column {} of the greeting; known are", self.fault, self.column)?;
        PLACEHOLDERS.iter().try_for_each(|(name, _)| write!(f, " {{{name}}}"))?;
        f.write_str(r" and the escapes \n \r \t \\ {{ }}")
    }
}

impl std::error::Error for TemplateError {}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// How Python shows an address, ``('{ip}', {port})``, if it is one of IP.
    Pair,
    Ip,
    Port,
    Peer,
    Local,
    Host,
    Time,
    Id,
}

const PLACEHOLDERS: [(&str, Part); 7] = [
    ("ip", Part::Ip),
    ("port", Part::Port),
    ("peer", Part::Peer),
    ("local", Part::Local),
    ("host", Part::Host),
    ("time", Part::Time),
    ("id", Part::Id),
];

impl Part {
    fn write(&self, out: &mut Vec<u8>, peer: Peer, arrival: &Arrival, host: &str, seconds: u64) {
        let remote = arrival.remote;
        // Writing to a `Vec` cannot fail.
        let _ = match self {
            Part::Text(text) => out.write_all(text.as_bytes()),
            Part::Pair => match remote {
                Address::Ip(remote) => write!(out, "('{}', {})", remote.ip(), remote.port()),
                Address::Unix(_) => write!(out, "{remote}"),
            },
            Part::Ip => match remote.ip() {
                Some(ip) => write!(out, "{ip}"),
                None => write!(out, "{remote}"),
            },
            Part::Port => write!(out, "{}", remote.port().unwrap_or(0)),
            Part::Peer => write!(out, "{remote}"),
            Part::Local => write!(out, "{}", arrival.local),
            Part::Host => out.write_all(host.as_bytes()),
            Part::Time => write!(out, "{}", timestamp(seconds)),
            Part::Id => write!(out, "{}", peer.number()),
        };
    }
}

/// The time in UTC, which prints as RFC 3339. Any time after the year 9999 is the last one before.
fn timestamp(seconds: u64) -> Timestamp {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

struct Parser<'a> {
    source: &'a str,
    /// Where in `source` the next character is.
    at: usize,
    /// Verbatim text that is not a part yet.
    text: String,
    parts: Vec<Part>,
}

impl Parser<'_> {
    fn take(&mut self) -> Option<char> {
        let character = self.source[self.at..].chars().next()?;
        self.at += character.len_utf8();
        Some(character)
    }

    /// A backslash has been taken.
    fn escape(&mut self) -> Result<(), TemplateError> {
        let start = self.at - 1;
        let character = match self.take() {
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('\\') => '\\',
            Some(other) => {
                let fault = format!(r"unknown escape \{}", other.escape_debug());
                return Err(self.error(start, fault));
            }
            None => return Err(self.error(start, r"a backslash \ with nothing behind it")),
        };
        self.text.push(character);
        Ok(())
    }

    /// A `{` has been taken.
    fn placeholder(&mut self) -> Result<(), TemplateError> {
        let (start, rest) = (self.at - 1, &self.source[self.at..]);
        if rest.starts_with('{') {
            self.at += 1;
            self.text.push('{');
            return Ok(());
        }
        let end = rest.find(['{', '}']).filter(|end| rest[*end..].starts_with('}'));
        let Some(end) = end else { return Err(self.error(start, "a lone {")) };
        let name = &rest[..end];
        let Some((_, part)) = PLACEHOLDERS.iter().find(|(known, _)| *known == name) else {
            let fault = format!("unknown placeholder {{{}}}", name.escape_debug());
            return Err(self.error(start, fault));
        };
        self.end_text();
        self.parts.push(part.clone());
        self.at += end + 1;
        Ok(())
    }

    /// A `}` that ends no placeholder has been taken.
    fn closing_brace(&mut self) -> Result<(), TemplateError> {
        if !self.source[self.at..].starts_with('}') {
            return Err(self.error(self.at - 1, "a lone }"));
        }
        self.at += 1;
        self.text.push('}');
        Ok(())
    }

    fn end_text(&mut self) {
        if !self.text.is_empty() {
            self.parts.push(Part::Text(std::mem::take(&mut self.text)));
        }
    }

    fn error(&self, start: usize, fault: impl Into<String>) -> TemplateError {
        let column = self.source[..start].chars().count() + 1;
        TemplateError { fault: fault.into(), column }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stage::{Stage, assert_cuts_change_nothing};
    use crate::engine::{Credentials, Limits, Quota};

    const DEFAULT: &str = "Hello! You are connected to ('{ip}', {port})\\n";

    fn greet(template: &str) -> Greet {
        let template = Template::parse(template).unwrap();
        Greet { template, host_name: "wombat".into(), greeting: Vec::new() }
    }

    fn arrival(remote: &str) -> Arrival {
        let ip = |text: &str| Address::Ip(text.parse().unwrap());
        Arrival { remote: ip(remote), local: ip("[::1]:1025") }
    }

    /// The greeting for a peer at `remote`, who came at `seconds`.
    fn greeting(template: &str, remote: &str, seconds: u64) -> String {
        let mut greet = greet(template);
        let bytes = greet.compose(Peer::from_bits(0), &arrival(remote), seconds);
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn fault(template: &str) -> String {
        let message = Template::parse(template).unwrap_err().to_string();
        let (fault, known) = message.split_once(" of the greeting; ").unwrap();
        let all = r"known are {ip} {port} {peer} {local} {host} {time} {id}";
        assert_eq!(known, format!(r"{all} and the escapes \n \r \t \\ {{{{ }}}}"));
        fault.into()
    }

    #[test]
    fn a_client_hears_its_own_address_and_the_conversation_is_over() {
        let mut stage = Stage::new(greet(DEFAULT));
        for port in [1001, 1002] {
            let peer = stage.join();
            let hello = format!("Hello! You are connected to ('192.0.2.1', {port})\n");
            assert_eq!(stage.hear(peer), hello);
            assert!(stage.is_over(peer));
        }
    }

    #[test]
    fn the_default_is_what_its_documentation_says() {
        for remote in ["192.0.2.1:4000", "[::1]:7"] {
            let mut greet = Greet { template: Template::default(), ..greet("") };
            let sent = greet.compose(Peer::from_bits(0), &arrival(remote), 0);
            assert_eq!(String::from_utf8_lossy(sent), greeting(DEFAULT, remote, 0));
        }
    }

    #[test]
    fn over_a_unix_socket_a_client_hears_who_it_is() {
        let whose = Credentials { uid: 1000, pid: 4711 };
        let here = Arrival { remote: Address::Unix(Some(whose)), local: Address::Unix(None) };
        let sent = |template| {
            let mut greet = Greet { template, ..greet("") };
            String::from_utf8(greet.compose(Peer::from_bits(0), &here, 0).to_vec()).unwrap()
        };
        let hello = "Hello! You are connected to unix uid 1000 pid 4711\n";
        assert_eq!(sent(Template::default()), hello);
        let each = Template::parse("{ip}, {port}, {peer}, {local}").unwrap();
        assert_eq!(sent(each), "unix uid 1000 pid 4711, 0, unix uid 1000 pid 4711, unix");
    }

    #[test]
    fn plain_text_is_sent_byte_for_byte_with_nothing_added() {
        let sent = greeting("Socket programming in python!", "192.0.2.1:4000", 0);
        assert_eq!((sent.as_str(), sent.len()), ("Socket programming in python!", 29));
        assert_eq!(greeting("Grüße, 世界\n", "192.0.2.1:4000", 0), "Grüße, 世界\n");
    }

    #[test]
    fn every_placeholder_is_filled_in() {
        let all = "{ip} {port} {peer} {local} {host} {time}";
        let sent = greeting(all, "192.0.2.1:4000", 1_700_000_000);
        let wanted = "192.0.2.1 4000 192.0.2.1:4000 [::1]:1025 wombat 2023-11-14T22:13:20Z";
        assert_eq!(sent, wanted);
        let sent = greeting("{ip} {peer} {ip}", "[2001:db8::1]:4000", 0);
        assert_eq!(sent, "2001:db8::1 [2001:db8::1]:4000 2001:db8::1");
        let mut stage = Stage::new(greet("{id};"));
        let peers = [stage.join(), stage.join()];
        assert_eq!(peers.map(|peer| stage.hear(peer)), ["1;", "2;"]);
    }

    #[test]
    fn whole_seconds_are_shown_at_any_time_a_clock_may_tell() {
        assert_eq!(greeting("{time}", "192.0.2.1:1", 0), "1970-01-01T00:00:00Z");
        assert!(greeting("{time}", "192.0.2.1:1", u64::MAX).starts_with("9999-12-30"));
    }

    #[test]
    fn escapes_stand_for_what_they_name() {
        let sent = greeting(r"a\nb\rc\td\\n{{ip}} {{{port}}}", "192.0.2.1:4000", 0);
        assert_eq!(sent, "a\nb\rc\td\\n{ip} {4000}");
    }

    #[test]
    fn an_empty_template_closes_at_once() {
        let mut stage = Stage::new(greet(""));
        let peer = stage.join();
        assert_eq!((stage.hear(peer).as_str(), stage.is_over(peer)), ("", true));
    }

    #[test]
    fn a_mistake_is_named_with_its_column() {
        assert_eq!(fault("Hello {nmae}!"), "unknown placeholder {nmae} at column 7");
        assert_eq!(fault("Grüß {}"), "unknown placeholder {} at column 6");
        assert_eq!(fault("{ip} {IP}"), "unknown placeholder {IP} at column 6");
        assert_eq!(fault("{\x1b}"), r"unknown placeholder {\u{1b}} at column 1");
        assert_eq!(fault("a { b"), "a lone { at column 3");
        assert_eq!(fault("{ip {port}"), "a lone { at column 1");
        assert_eq!(fault("{{ip}"), "a lone } at column 5");
        assert_eq!(fault("}"), "a lone } at column 1");
        assert_eq!(fault(r"世\q"), r"unknown escape \q at column 2");
        assert_eq!(fault("ab\\"), r"a backslash \ with nothing behind it at column 3");
    }

    #[test]
    fn what_the_client_sends_changes_nothing_wherever_it_is_cut() {
        let script: &[(usize, &[u8])] = &[(0, b"GET / HTTP/1.0\r\n\r\n"), (1, b"x")];
        assert_cuts_change_nothing(|| greet(DEFAULT), script, 2);
    }

    #[test]
    fn the_memory_of_one_greeting_serves_the_next() {
        let mut greet = greet(DEFAULT);
        let (longer, shorter) = (arrival("[2001:db8::1]:40000"), arrival("192.0.2.1:1"));
        let memory = greet.compose(Peer::from_bits(0), &longer, 0).as_ptr();
        assert_eq!(greet.compose(Peer::from_bits(1), &shorter, 0).as_ptr(), memory);
    }

    #[test]
    fn the_settings_reach_the_service() {
        let greeting = Template::parse("{host} {time}").unwrap();
        let settings = Settings { greeting, host_name: "quokka".into(), ..Settings::default() };
        let mut stage = Stage::empty(Limits::default());
        let service = OFFER.stream.unwrap()(&settings);
        stage.engine().add_service("greet", Quota::default(), service);
        stage.set_wall(60);
        stage.turn();
        let peer = stage.join();
        assert_eq!(stage.hear(peer), "quokka 1970-01-01T00:01:00Z");
    }
}
