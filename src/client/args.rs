//! The clients' part of the command line.

use std::time::Duration;

use clap::Args;

use super::{Persistence, Request, Target, Task, months as months_client};
use crate::endpoint::Transport;
use crate::services::{Offer, chat, echo, greet, months, talk};
use crate::units::{parse_duration, parse_size};

/// Whom to call, for every client.
#[derive(Args, Debug)]
struct CallArgs {
    /// HOST[:PORT] or an ENDPOINT; IPv6 addresses in brackets [default: localhost]
    #[arg(value_name = "HOST[:PORT]")]
    target: Option<String>,

    #[command(flatten)]
    patience: PatienceArgs,
}

/// How long connecting may take.
#[derive(Args, Debug)]
struct PatienceArgs {
    /// How long each address of the host may take to answer the call
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = positive)]
    connect_timeout: Duration,
}

/// How persistently to ask over UDP.
#[derive(Args, Debug)]
struct PersistenceArgs {
    /// How long an answer over UDP may take
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = positive)]
    timeout: Duration,

    /// How often a question over UDP that was not answered is asked again
    #[arg(long, value_name = "N", default_value_t = 2)]
    retries: u32,
}

fn positive(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("nothing could ever happen in no time".into()),
        time => Ok(time),
    }
}

fn piece(text: &str) -> Result<usize, String> {
    match parse_size(text)? {
        0 => Err("a piece has at least one byte".into()),
        size => Ok(size),
    }
}

impl PersistenceArgs {
    fn persistence(&self) -> Persistence {
        Persistence { timeout: self.timeout, retries: self.retries }
    }
}

impl CallArgs {
    fn request(
        &self,
        offer: &'static Offer,
        over: Option<Transport>,
        task: Task,
    ) -> Result<Request, String> {
        let target = Target::parse(offer, self.target.as_deref(), over)?;
        Ok(Request { target, connect_timeout: self.patience.connect_timeout, task })
    }
}

/// The flags of `cooee echo`.
#[derive(Args, Debug)]
pub struct EchoArgs {
    #[command(flatten)]
    call: CallArgs,

    /// Over UDP: one datagram for each line, or for each 1,400 bytes of a pipe
    #[arg(long)]
    udp: bool,

    #[command(flatten)]
    persistence: PersistenceArgs,
}

impl EchoArgs {
    /// What these flags ask for.
    ///
    /// # Errors
    /// One line for people: which word is wrong, why, and what to write instead.
    pub fn request(&self) -> Result<Request, String> {
        let over = self.udp.then_some(Transport::Udp);
        self.call.request(&echo::OFFER, over, Task::Echo(self.persistence.persistence()))
    }
}

/// The flags of `cooee greet`.
#[derive(Args, Debug)]
pub struct GreetArgs {
    #[command(flatten)]
    call: CallArgs,

    /// Show it in pieces of so many bytes, and then the whole
    #[arg(long, value_name = "SIZE", value_parser = piece)]
    read_size: Option<usize>,

    /// How long the server may be silent
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = positive)]
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

/// The flags of `cooee talk`.
#[derive(Args, Debug)]
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

/// The flags of `cooee chat`.
#[derive(Args, Debug)]
pub struct ChatArgs {
    #[command(flatten)]
    call: CallArgs,

    /// Be called NAME: 1-20 letters, digits, - and _
    #[arg(long, value_name = "NAME", value_parser = word)]
    nick: Option<String>,

    /// Join ROOM instead of the lobby
    #[arg(long, value_name = "ROOM", value_parser = word)]
    room: Option<String>,
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
        self.call.request(&chat::OFFER, None, Task::Chat { nick, room })
    }
}

/// The flags of `cooee months`.
#[derive(Args, Debug)]
pub struct MonthsArgs {
    /// HOST[:PORT] or an ENDPOINT, and the integers to ask for [default: localhost, and asks you]
    #[arg(value_name = "HOST[:PORT] | N", allow_negative_numbers = true)]
    words: Vec<String>,

    #[command(flatten)]
    persistence: PersistenceArgs,
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
        let (target, numbers) = match self.words.split_first() {
            Some((first, rest)) if !looks_like_number(first) => (Some(first.as_str()), rest),
            _ => (None, self.words.as_slice()),
        };
        if let Some(word) = numbers.iter().find(|word| !months_client::is_integer(word)) {
            return Err(format!("{word:?} is not an integer; the host comes before the integers"));
        }
        let target = Target::parse(&months::OFFER, target, None)?;
        let task = Task::Months(self.persistence.persistence(), numbers.to_vec());
        // A datagram socket is connected at once.
        Ok(Request { target, connect_timeout: self.persistence.timeout, task })
    }
}
