//! The flags of the clients: their defaults, their help, and the `Request` that they ask for.

// Doc comments here are help texts, in which HOST[:PORT] is no link.
#![allow(rustdoc::broken_intra_doc_links)]

use std::time::Duration;

use clap::Args;

use super::connect::question::RetryPolicy;
use super::connect::target::ConnectTarget;
use super::months::answer::is_integer;
use super::request::{Request, Task};
use crate::endpoint::Transport;
use crate::services::{Offer, chat, echo, greet, months, talk};
use crate::through::{Through, ThroughArgs};
use crate::tls::Resume;
use crate::units::{
    OrOff, Parse, parse_from, parse_positive_duration, parse_positive_size, rate_or_off,
};

/// Whom to call, for every client.
#[derive(Args, Debug)]
struct CallArgs {
    /// HOST[:PORT], unix:///PATH or an ENDPOINT; IPv6 addresses in brackets [default: localhost]
    #[arg(value_name = "HOST[:PORT]")]
    target: Option<String>,

    #[command(flatten)]
    patience: PatienceArgs,

    #[command(flatten)]
    through: ThroughArgs,

    #[command(flatten)]
    hex: HexArgs,
}

/// What is shown of the bytes.
#[derive(Args, Debug)]
struct HexArgs {
    /// Show on standard error what goes over the connection, as hexdump -C does, both directions
    #[arg(long)]
    hex: bool,
}

/// How long connecting may take.
#[derive(Args, Debug)]
struct PatienceArgs {
    /// How long each address of the host may take to answer the call [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = parse_positive_duration as Parse<_>)]
    connect_timeout: Option<Duration>,
}

/// What it is if not given.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How persistently to ask over UDP.
#[derive(Args, Debug)]
struct RetryArgs {
    /// How long an answer over UDP may take [default: 2s]
    #[arg(long, value_name = "TIME", value_parser = parse_positive_duration as Parse<_>)]
    timeout: Option<Duration>,

    /// How often a question over UDP that was not answered is asked again [default: 2]
    #[arg(long, value_name = "N", value_parser = parse_from::<0> as Parse<_>)]
    retries: Option<usize>,
}

impl RetryArgs {
    fn policy(&self) -> RetryPolicy {
        let default = RetryPolicy::default();
        RetryPolicy {
            timeout: self.timeout.unwrap_or(default.timeout),
            retries: self
                .retries
                .map_or(default.retries, |count| u32::try_from(count).unwrap_or(u32::MAX)),
        }
    }

    /// Over TCP nothing is asked again: a flag that would do nothing is a mistake.
    fn refuse_over_tcp(&self) -> Result<(), String> {
        let given = [("--timeout", self.timeout.is_some()), ("--retries", self.retries.is_some())];
        match given.into_iter().find(|(_, is_given)| *is_given) {
            Some((flag, _)) => {
                Err(format!("{flag} does nothing over TCP: add --udp, or leave it out"))
            }
            None => Ok(()),
        }
    }
}

impl CallArgs {
    fn request(
        &self,
        offer: &'static Offer,
        over: Option<Transport>,
        task: Task,
    ) -> Result<Request, String> {
        let target = ConnectTarget::parse(offer, self.target.as_deref(), over)?;
        if target.transport == Transport::Udp && self.patience.connect_timeout.is_some() {
            let why = "nothing is connected there; --timeout is for answers";
            return Err(format!("--connect-timeout does nothing over UDP: {why}"));
        }
        if target.transport == Transport::Udp && self.through.has_header() {
            return Err("--proxy-header does nothing over UDP: it begins a connection".into());
        }
        let is_secured = target.transport.is_secured();
        if let Some(flag) = self.through.of_tls().filter(|_| !is_secured) {
            let name = offer.name;
            return Err(format!("{flag} does nothing outside of TLS: call {name}+tls://HOST"));
        }
        let through = match is_secured {
            true => self.through.secured(target.host(), Resume::Auto)?,
            false => self.through.through()?,
        };
        let connect_timeout = self.patience.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
        Ok(Request { target, connect_timeout, through, hex: self.hex.hex, task })
    }
}

const ECHO_EXAMPLES: &str = "
Examples:
  cooee echo example.org              type lines; bye, Ctrl-D or Ctrl-C ends it
  printf 'hi\\n' | cooee echo [::1]:7  prints what comes back, to the last byte
  cooee echo unix:///run/echo.sock    a server on this machine, at a unix socket
  cooee echo --udp :7                 a datagram for each line, asked again if lost
  cooee echo -v                       and every step on the way

Exit status: 0 fine, 1 failed, 2 wrong usage.";

/// The flags of `cooee echo`.
#[derive(Args, Debug)]
#[command(after_long_help = ECHO_EXAMPLES)]
pub struct EchoArgs {
    #[command(flatten)]
    call: CallArgs,

    /// Over UDP: one datagram for each line, or for each 1,400 bytes of a pipe
    #[arg(long)]
    udp: bool,

    #[command(flatten)]
    retry: RetryArgs,
}

impl EchoArgs {
    /// What these flags ask for.
    ///
    /// # Errors
    /// One line for people: which word is wrong, why, and what to write instead.
    pub fn request(&self) -> Result<Request, String> {
        let over = self.udp.then_some(Transport::Udp);
        let request = self.call.request(&echo::OFFER, over, Task::Echo(self.retry.policy()))?;
        if request.target.transport.is_stream() {
            self.retry.refuse_over_tcp()?;
        }
        Ok(request)
    }
}

const GREET_EXAMPLES: &str = "
Examples:
  cooee greet                  the greeting of the server on this machine
  cooee greet --read-size 6    in pieces of six bytes, then the whole";

/// The flags of `cooee greet`.
#[derive(Args, Debug)]
#[command(after_long_help = GREET_EXAMPLES)]
pub struct GreetArgs {
    #[command(flatten)]
    call: CallArgs,

    /// Show it in pieces of so many bytes, and then the whole
    #[arg(long, value_name = "SIZE", value_parser = parse_positive_size as Parse<_>)]
    read_size: Option<usize>,

    /// How long the server may be silent
    #[arg(long, value_name = "TIME", default_value = "10s",
          value_parser = parse_positive_duration as Parse<_>)]
    timeout: Duration,
}

impl GreetArgs {
    /// What these flags ask for.
    ///
    /// # Errors
    /// As for `EchoArgs::request`.
    pub fn request(&self) -> Result<Request, String> {
        let (read_size, timeout) = (self.read_size, self.timeout);
        self.call.request(&greet::OFFER, None, Task::Greet { read_size, timeout })
    }
}

const TALK_EXAMPLES: &str = "
Examples:
  cooee talk example.org       type lines; BYE ends it, Ctrl-D ends your input
  printf 'hi' | cooee talk     waits for the answer, until the server closes
  printf 'hi\\nBYE\\n' | cooee talk";

/// The flags of `cooee talk`.
#[derive(Args, Debug)]
#[command(after_long_help = TALK_EXAMPLES)]
pub struct TalkArgs {
    #[command(flatten)]
    call: CallArgs,
}

impl TalkArgs {
    /// What these flags ask for.
    ///
    /// # Errors
    /// As for `EchoArgs::request`.
    pub fn request(&self) -> Result<Request, String> {
        self.call.request(&talk::OFFER, None, Task::Talk)
    }
}

const CHAT_EXAMPLES: &str = "
Examples:
  cooee chat example.org --nick ann --room den
  printf 'hi all\\n' | cooee chat    says one thing and leaves
  seq 200 | cooee chat              says them all, as fast as the server takes them

In the chat: /nick NAME, /who, /rooms, /join ROOM, /msg NAME TEXT, /me TEXT, /help; BYE leaves.
Tab completes names and commands; once more, and it shows the next.";

/// The flags of `cooee chat`.
#[derive(Args, Debug)]
#[command(after_long_help = CHAT_EXAMPLES)]
pub struct ChatArgs {
    #[command(flatten)]
    call: CallArgs,

    /// Be called NAME: 1-20 letters, digits, - and _
    #[arg(long, value_name = "NAME", value_parser = word as Parse<_>)]
    nick: Option<String>,

    /// Join ROOM instead of the lobby
    #[arg(long, value_name = "ROOM", value_parser = word as Parse<_>)]
    room: Option<String>,

    /// Lines the server takes, in bursts of three times that: those beyond two seconds' worth wait
    /// here instead of being dropped there; or off [default: 10/s, as our server has it]
    #[arg(long, value_name = "RATE", value_parser = rate_or_off as Parse<_>)]
    rate: Option<OrOff<f64>>,
}

/// What our server takes as a name. Anything else would be refused there, or, with a line end in
/// it, be a second command.
fn word(text: &str) -> Result<String, String> {
    match chat::is_name(text.as_bytes()) {
        true => Ok(text.into()),
        false => Err("write 1 to 20 letters, digits, - and _".into()),
    }
}

impl ChatArgs {
    /// What these flags ask for.
    ///
    /// # Errors
    /// As for `EchoArgs::request`.
    pub fn request(&self) -> Result<Request, String> {
        let (nick, room) = (self.nick.clone(), self.room.clone());
        let rate = self.rate.map_or(Some(chat::RATE.per_second), |OrOff(rate)| rate);
        self.call.request(&chat::OFFER, None, Task::Chat { nick, room, rate })
    }
}

const MONTHS_EXAMPLES: &str = "
Examples:
  cooee months 2               February, from the server on this machine
  cooee months example.org 1 2 3
  cooee months example.org     asks you for integers, until 0
  seq 12 | cooee months        a filter";

/// The flags of `cooee months`.
#[derive(Args, Debug)]
#[command(after_long_help = MONTHS_EXAMPLES)]
pub struct MonthsArgs {
    /// HOST[:PORT] or an ENDPOINT, and the integers to ask for [default: localhost, and asks you]
    #[arg(value_name = "HOST[:PORT] | N", allow_negative_numbers = true)]
    words: Vec<String>,

    #[command(flatten)]
    retry: RetryArgs,

    #[command(flatten)]
    hex: HexArgs,
}

impl MonthsArgs {
    /// What these flags ask for.
    ///
    /// # Errors
    /// As for `EchoArgs::request`.
    pub fn request(&self) -> Result<Request, String> {
        // As a host, 1.5 would be the address 1.0.0.5 (inet_aton(3)).
        let looks_like_number =
            |word: &str| word.parse::<f64>().is_ok() && !word.starts_with(char::is_alphabetic);
        let (first, numbers) = match self.words.split_first() {
            Some((first, rest)) if !looks_like_number(first) => (Some(first.as_str()), rest),
            _ => (None, self.words.as_slice()),
        };
        if let Some(word) = numbers.iter().find(|word| !is_integer(word)) {
            return Err(format!("{word:?} is not an integer; the host comes before the integers"));
        }
        let mut target = ConnectTarget::parse(&months::OFFER, first, None)?;
        if let Some(word) =
            first.filter(|word| word.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        {
            target.advise(format!("{word:?} is not an integer, so it was taken for a host"));
        }
        let task = Task::Months(self.retry.policy(), numbers.to_vec());
        // A datagram socket is connected at once.
        let connect_timeout = self.retry.policy().timeout;
        let (through, hex) = (Through::default(), self.hex.hex);
        Ok(Request { target, connect_timeout, through, hex, task })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    /// The words behind `cooee echo`, alone.
    #[derive(Parser)]
    struct EchoLine {
        #[command(flatten)]
        args: EchoArgs,
    }

    fn echo(words: &[&str]) -> Result<Request, String> {
        let words = [&["echo"], words].concat();
        let line = EchoLine::try_parse_from(words).map_err(|error| error.to_string())?;
        line.args.request()
    }

    #[test]
    fn flags_for_udp_are_refused_over_tcp() {
        for flag in ["--timeout=1s", "--retries=3"] {
            for over_tcp in [&[flag][..], &[flag, ":7"], &[flag, "echo+tcp://:7"]] {
                let error = echo(over_tcp).unwrap_err();
                let name = &flag[..9];
                let wanted = format!("{name} does nothing over TCP: add --udp, or leave it out");
                assert_eq!(error, wanted);
            }
            for over_udp in [&[flag, "--udp"][..], &[flag, "echo+udp://:7"]] {
                assert!(echo(over_udp).is_ok(), "{over_udp:?}");
            }
        }
        let error = echo(&["--udp", "--connect-timeout=1s"]).unwrap_err();
        assert!(error.starts_with("--connect-timeout does nothing over UDP: "), "{error}");
        assert_eq!(echo(&["--connect-timeout=1s"]).unwrap().connect_timeout.as_secs(), 1);
        assert_eq!(echo(&[]).unwrap().connect_timeout, CONNECT_TIMEOUT);
        let Ok(Request { task: Task::Echo(retry), .. }) = echo(&["--udp"]) else { panic!() };
        assert_eq!((retry.timeout, retry.retries), (Duration::from_secs(2), 2));
    }
}
