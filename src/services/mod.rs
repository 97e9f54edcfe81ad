//! What this program offers. Each service is one file or folder; the table here is the one place
//! that knows them all: listeners, flags, help, the console and the tests go by it.

pub mod chat;
pub mod echo;
pub mod greet;
pub(crate) mod lines;
pub mod months;
pub mod talk;
mod telnet;
pub(crate) mod text;

use std::time::Duration;

use crate::engine::{Responder, Service};
use crate::rate::Rate;

/// All services, in the order in which they are announced. A new one is a file with an `OFFER`,
/// its `mod` line above and its entry here.
pub const OFFERS: &[Offer] = &[echo::OFFER, greet::OFFER, talk::OFFER, chat::OFFER, months::OFFER];

/// Makes a service for streams.
pub type MakeService = fn(&Settings) -> Box<dyn Service>;
/// Makes a responder for datagrams.
pub type MakeResponder = fn(&Settings) -> Box<dyn Responder>;

/// One service as the rest of the program knows it.
#[derive(Clone, Copy)]
pub struct Offer {
    /// Its name in endpoints, logs and commands.
    pub name: &'static str,
    /// The port, the same on every transport, unless the endpoint says otherwise.
    pub port: u16,
    /// What it does, in one line of help.
    pub about: &'static str,
    /// How long a connection may be silent both ways, unless `--idle-timeout` says otherwise.
    /// `None`: for ever.
    pub idle: Option<Duration>,
    /// Whether a peer is sent what others cause, so that its unsent output has a soft limit
    /// (`--chat-queue`).
    pub fans_out: bool,
    /// Whether peers talk to each other or to the operator, so that all of them must be in one
    /// process.
    pub single_process: bool,
    /// Makes the service for TCP, if it is offered there.
    pub stream: Option<MakeService>,
    /// Makes the responder for UDP, if it is offered there.
    pub datagram: Option<MakeResponder>,
}

/// The service called `name`.
pub fn find(name: &str) -> Option<&'static Offer> {
    OFFERS.iter().find(|offer| offer.name == name)
}

/// What the services are told at the start. Each reads its own part.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How echo over TCP answers.
    pub echo: echo::Mode,
    /// What greet says.
    pub greeting: greet::Template,
    /// This machine's name, for greetings.
    pub host_name: String,
    /// The lines that a chat member may send; `None`: no limit.
    pub chat_rate: Option<Rate>,
    /// The messages of one talk client that are shown; `None`: all, as they come.
    pub talk_rate: Option<Rate>,
    /// What joins the rooms of chat with those of other servers; `None`: they are its own.
    pub bus: Option<chat::BusRooms>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            echo: echo::Mode::Stream,
            greeting: greet::Template::default(),
            host_name: "localhost".into(),
            chat_rate: Some(chat::RATE),
            talk_rate: Some(talk::RATE),
            bus: None,
        }
    }
}
