//! A client of NATS that speaks by our words, over a plain blocking socket.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use cooee::nats::stream::{
    ConsumerState, ConsumerWish, Delivery, Notice, PubAck, Question, Start, consumer_state,
    create_consumer, pub_ack,
};
use cooee::nats::{Headers, Info, Login, Parsed, Parser, ServerOp, say};

use crate::support::PATIENCE;
use crate::support::nats::Nats;

/// What a subscription has heard.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Heard {
    pub(super) subject: String,
    pub(super) sid: u64,
    pub(super) reply: Option<String>,
    pub(super) headers: Option<Vec<u8>>,
    pub(super) payload: Vec<u8>,
}

/// One connection.
pub(super) struct Caller {
    stream: TcpStream,
    parser: Parser,
    unused: Vec<u8>,
    pub(super) info: Info,
    sids: u64,
    /// What came while something else was waited for.
    early: VecDeque<Heard>,
}

impl Caller {
    /// Connects and says who it is.
    pub(super) fn connect(nats: &Nats, login: &Login) -> Caller {
        let stream = TcpStream::connect(nats.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (parser, unused) = (Parser::default(), Vec::new());
        let mut caller = Caller {
            stream,
            parser,
            unused,
            info: Info::default(),
            sids: 0,
            early: VecDeque::new(),
        };
        caller.info = caller.hear(|op| match op {
            ServerOp::Info(info) => Some(*info),
            other => panic!("{other:?} came before INFO"),
        });
        let proof = login.proof(caller.info.nonce.as_deref()).unwrap();
        caller.say(|out| say::connect(out, "north", &proof, false));
        caller
    }

    pub(super) fn welcome(nats: &Nats) -> Caller {
        let mut caller = Caller::connect(nats, &Login::None);
        caller.settle();
        caller
    }

    pub(super) fn say(&mut self, words: impl FnOnce(&mut Vec<u8>)) {
        let mut out = Vec::new();
        words(&mut out);
        self.stream.write_all(&out).unwrap();
    }

    /// The first thing that `wanted` takes; others are passed over.
    pub(super) fn hear<T>(&mut self, mut wanted: impl FnMut(ServerOp<'_>) -> Option<T>) -> T {
        loop {
            let (used, parsed) = self.parser.next(&self.unused);
            let found = match parsed {
                Parsed::Op(op) => wanted(op),
                Parsed::Wrong(why) => panic!("{why}"),
                Parsed::More => {
                    let mut bytes = [0; 4096];
                    let count = self.stream.read(&mut bytes).expect("it says something");
                    assert!(count > 0, "it has closed");
                    self.unused.drain(..used);
                    self.unused.extend_from_slice(&bytes[..count]);
                    continue;
                }
            };
            self.unused.drain(..used);
            if let Some(found) = found {
                return found;
            }
        }
    }

    /// Waits until all that was said has been heard.
    pub(super) fn settle(&mut self) {
        self.say(say::ping);
        self.hear(|op| match op {
            ServerOp::Pong => Some(()),
            ServerOp::Error(why) => panic!("{why}"),
            _ => None,
        });
    }

    pub(super) fn error(&mut self) -> String {
        self.hear(|op| if let ServerOp::Error(why) = op { Some(why) } else { None })
    }

    pub(super) fn listen(&mut self, subject: &str) -> u64 {
        self.sids += 1;
        let sid = self.sids;
        self.say(|out| say::subscribe(out, subject, sid));
        self.settle();
        sid
    }

    pub(super) fn message(&mut self) -> Heard {
        let early = self.early.pop_front();
        early.unwrap_or_else(|| self.next_message())
    }

    /// The next one of that subscription; others wait.
    fn message_of(&mut self, sid: u64) -> Heard {
        loop {
            let message = self.next_message();
            if message.sid == sid {
                return message;
            }
            self.early.push_back(message);
        }
    }

    fn next_message(&mut self) -> Heard {
        self.hear(|op| match op {
            ServerOp::Message(message) => Some(Heard {
                subject: message.subject.to_owned(),
                sid: message.sid,
                reply: message.reply.map(str::to_owned),
                headers: message.headers.map(|headers| headers.bytes().to_vec()),
                payload: message.payload.to_vec(),
            }),
            ServerOp::Error(why) => panic!("{why}"),
            _ => None,
        })
    }

    /// The answer to a question.
    pub(super) fn ask(&mut self, question: &Question) -> Heard {
        let inbox = format!("_INBOX.{}", self.sids);
        let sid = self.listen(&inbox);
        self.say(|out| say::publish(out, &question.subject, Some(&inbox), &question.body));
        self.message_of(sid)
    }

    /// Has the stream keep that.
    pub(super) fn keep(&mut self, subject: &str, id: &str, payload: &str) -> PubAck {
        let inbox = format!("_INBOX.{}", self.sids);
        let sid = self.listen(&inbox);
        self.say(|out| say::publish_once(out, subject, Some(&inbox), id, payload.as_bytes()));
        pub_ack(&self.message_of(sid).payload).unwrap()
    }

    pub(super) fn consumer(&mut self, deliver: &str, start: Start) -> ConsumerState {
        let wish = ConsumerWish {
            stream: "COOEE",
            filter: "cooee.1.say.a",
            deliver,
            start,
            heartbeat: Duration::from_millis(200),
            inactive: Duration::from_secs(5),
        };
        consumer_state(&self.ask(&create_consumer(&wish)).payload).unwrap()
    }

    /// The next message that is none of the consumer's own.
    pub(super) fn hear_line(&mut self) -> Heard {
        loop {
            let heard = self.message();
            if heard.notice().is_none() {
                return heard;
            }
        }
    }
}

impl Heard {
    pub(super) fn notice(&self) -> Option<Notice<'_>> {
        let headers = Headers::new(self.headers.as_deref()?);
        Notice::parse(headers)
    }

    pub(super) fn delivery(&self) -> Delivery<'_> {
        Delivery::parse(self.reply.as_deref().unwrap()).expect("from a consumer")
    }
}
