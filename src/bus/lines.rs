//! Lines that are followed: with a stream that keeps them, or without one.

use std::time::Duration;

use super::following::{Numbers, Supply, Verdict};
use super::followings::Order;
use super::heart::Then;
use super::keeper::{Answer, Question, Step};
use super::subscriptions::Target;
use super::{Bus, Mode, News, PREFIX};
use crate::engine::{Net, Time};
use crate::nats::stream::{
    ApiError, ConsumerWish, Delivery, Notice, Start, StreamState, StreamWish, code, consumer_state,
    create_consumer, create_stream, stream_info, stream_state,
};
use crate::nats::{Message, say};

/// The stream that keeps the lines, and all that it keeps.
const STREAM: &str = "COOEE";
const SUBJECTS: &str = "cooee.1.say.*";
/// How many lines of each subject it keeps.
const LINES: u64 = 1_000;
/// How long it knows the ids of what it has taken.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);
/// A consumer goes when nobody has heard it for so long.
const INACTIVE: Duration = Duration::from_secs(5);
/// After so long a consumer is asked for again that could not be had.
const CONSUMER_AGAIN: Duration = Duration::from_secs(1);

/// What an answer is to.
pub(super) enum About {
    Stream(Question),
    /// The consumer with that number.
    Consumer(u64),
    /// The line with that number.
    Line(u64),
}

impl About {
    /// The last token of where the answer is to go.
    pub(super) fn token(&self) -> String {
        match self {
            About::Stream(Question::Look) => "look".into(),
            About::Stream(Question::Make) => "make".into(),
            About::Consumer(number) => format!("c{number}"),
            About::Line(number) => format!("k{number}"),
        }
    }

    fn parse(token: &str) -> Option<About> {
        match token {
            "look" => return Some(About::Stream(Question::Look)),
            "make" => return Some(About::Stream(Question::Make)),
            _ => {}
        }
        let number = token.get(1..)?.parse().ok()?;
        match token.as_bytes()[0] {
            b'c' => Some(About::Consumer(number)),
            b'k' => Some(About::Line(number)),
            _ => None,
        }
    }
}

/// Whether there is a stream, and which.
impl Bus {
    /// Begins to look whether there is a stream.
    pub(super) fn look_for_stream(&mut self, now: Time) {
        let question = self.keeper.look(now);
        self.ask_for_stream(question);
    }

    fn ask_for_stream(&mut self, question: Question) {
        let asked = match question {
            Question::Look => stream_info(STREAM),
            Question::Make => create_stream(&StreamWish {
                name: STREAM,
                subjects: SUBJECTS,
                messages_per_subject: LINES,
                duplicate_window: DUPLICATE_WINDOW,
            }),
        };
        let reply = self.reply(&About::Stream(question));
        say::publish(&mut self.out.bytes, &asked.subject, Some(&reply), &asked.body);
    }

    pub(super) fn reply(&self, about: &About) -> String {
        format!("{}.{}", self.inbox, about.token())
    }

    /// Something that was asked is answered.
    pub(super) fn take_answer(&mut self, message: &Message<'_>, net: &mut Net) {
        let token = message.subject.rsplit('.').next().unwrap_or_default();
        let is_unheard =
            message.headers.and_then(Notice::parse).is_some_and(|one| one == Notice::NoResponders);
        match About::parse(token) {
            Some(About::Stream(question)) => {
                let answer = match is_unheard {
                    true => Answer::Refused("it has no JetStream".into()),
                    false => stream_answer(question, stream_state(message.payload)),
                };
                let step = self.keeper.answered(question, answer, net.now());
                self.follow_step(step, net);
            }
            Some(About::Consumer(number)) => {
                self.take_consumer(number, is_unheard, message.payload, net);
            }
            Some(About::Line(number)) => self.take_receipt(number, is_unheard, message, net),
            None => {}
        }
    }

    /// Something that was asked of JetStream is not permitted, as the server says.
    pub(super) fn stream_refused(&mut self, why: &str, net: &mut Net) {
        let (now, refused) = (net.now(), Answer::Refused(why.to_owned()));
        let step = if why.contains("STREAM.INFO") {
            // It may be allowed to make one all the same.
            self.keeper.answered(Question::Look, Answer::Missing, now)
        } else if why.contains("STREAM.CREATE") {
            self.keeper.answered(Question::Make, refused, now)
        } else {
            self.keeper.forbid(why)
        };
        self.follow_step(step, net);
    }

    fn follow_step(&mut self, step: Step, net: &mut Net) {
        let is_settled = matches!(step, Step::Present { .. } | Step::Absent(_));
        if is_settled && std::mem::take(&mut self.unheard) {
            self.kept.rewind();
        }
        match step {
            Step::Nothing => {}
            Step::Ask(question) => self.ask_for_stream(question),
            Step::Present { is_new } => self.with_stream(is_new, net),
            Step::Absent(why) => self.without_stream(&why, net),
        }
    }

    fn with_stream(&mut self, is_new: bool, net: &mut Net) {
        if self.mode == Some(Mode::Plain) {
            log::info!("the bus has a stream for the lines now");
        }
        if is_new {
            log::warn!("the stream {STREAM} was made anew; the lines that it kept are gone");
            self.end_supplies();
            self.followings.renewed();
            self.tell(News::Renewed);
        } else if self.mode == Some(Mode::Plain) {
            self.end_supplies();
            self.followings.interrupted();
        }
        self.mode = Some(Mode::Stream);
        self.rise(net);
    }

    fn without_stream(&mut self, why: &str, net: &mut Net) {
        let was_plain = self.mode.replace(Mode::Plain) == Some(Mode::Plain);
        if was_plain {
            return;
        }
        log::warn!(
            "no stream keeps the lines ({why}): servers may see them in different order, and a \
             room's history has only what this server heard"
        );
        self.end_supplies();
        self.followings.interrupted();
        let subjects: Vec<String> =
            self.followings.iter_mut().map(|(one, _)| one.clone()).collect();
        for subject in subjects {
            self.hear_plainly(&subject);
        }
        self.ping(Then::Heard, net);
    }

    /// Subscribes to a subject that is followed, where there is no stream.
    pub(super) fn hear_plainly(&mut self, subject: &str) {
        let sid = self.subscriptions.add(Target::Plain(subject.into()));
        say::subscribe(&mut self.out.bytes, &format!("{PREFIX}{subject}"), sid);
        if let Some(one) = self.followings.get_mut(subject) {
            one.supply = Supply::Plain(sid);
        }
    }

    /// Nobody hands out lines any more.
    fn end_supplies(&mut self) {
        let supplies: Vec<Supply> = self.followings.iter_mut().map(|(_, one)| one.supply).collect();
        supplies.into_iter().for_each(|supply| self.end_supply(supply));
    }

    pub(super) fn end_supply(&mut self, supply: Supply) {
        if let Supply::Asked(sid, _) | Supply::Consumer(sid) | Supply::Plain(sid) = supply
            && self.subscriptions.end(sid)
        {
            say::unsubscribe(&mut self.out.bytes, sid);
        }
    }

    /// All that was subscribed to is heard.
    pub(super) fn all_is_heard(&mut self, net: &Net) {
        if self.mode != Some(Mode::Plain) {
            return;
        }
        self.rise(net);
        let mut through = Vec::new();
        for (subject, one) in self.followings.iter_mut() {
            if matches!(one.supply, Supply::Plain(_)) && one.plain() == Verdict::CaughtUp {
                through.push(subject.clone());
            }
        }
        through.into_iter().for_each(|subject| self.tell(News::CaughtUp { subject }));
    }
}

/// What JetStream says of the stream.
fn stream_answer(question: Question, told: Result<StreamState, ApiError>) -> Answer {
    match told {
        Ok(state) if takes_ours(&state) => {
            Answer::There { created: state.created, last: state.last_seq }
        }
        Ok(state) => {
            let subjects = state.subjects.join(", ");
            Answer::Refused(format!("the stream {STREAM} is for {subjects}, not for {SUBJECTS}"))
        }
        Err(error) if error.code == code::NO_STREAM && question == Question::Look => {
            Answer::Missing
        }
        Err(error) => Answer::Refused(error.to_string()),
    }
}

/// Whether it keeps our lines, however else it is set up.
fn takes_ours(state: &StreamState) -> bool {
    let whole = [SUBJECTS, "cooee.1.say.>", "cooee.1.>", "cooee.*.say.*", "cooee.>", ">"];
    state.subjects.iter().any(|subject| whole.contains(&subject.as_str()))
}

/// Consumers, and what they hand out.
impl Bus {
    /// Asks for the consumers that are missing.
    pub(super) fn order_consumers(&mut self, now: Time) {
        if self.mode != Some(Mode::Stream) || self.keeper.is_asking() {
            return;
        }
        while let Some(order) = self.followings.next_order() {
            self.ask_for_consumer(&order, now);
        }
    }

    fn ask_for_consumer(&mut self, order: &Order, now: Time) {
        let sid = self.subscriptions.add(Target::Consumer(order.subject.clone()));
        let deliver = format!("{}.d.{sid}", self.inbox);
        say::subscribe(&mut self.out.bytes, &deliver, sid);
        let asked = create_consumer(&ConsumerWish {
            stream: STREAM,
            filter: &format!("{PREFIX}{}", order.subject),
            deliver: &deliver,
            start: if order.from == 0 { Start::All } else { Start::At(order.from) },
            heartbeat: order.beat,
            inactive: INACTIVE,
        });
        let reply = self.reply(&About::Consumer(sid));
        say::publish(&mut self.out.bytes, &asked.subject, Some(&reply), &asked.body);
        self.followings.asked(order, sid, now);
    }

    /// The answer to that has come.
    fn take_consumer(&mut self, sid: u64, is_unheard: bool, payload: &[u8], net: &mut Net) {
        let Some(Target::Consumer(subject)) = self.subscriptions.get(sid).cloned() else { return };
        let now = net.now();
        let error = match consumer_state(payload) {
            _ if is_unheard => None,
            Ok(state) => {
                let made = self.followings.made(&subject, sid);
                let verdict = made.map(|one| one.made(sid, state.pending, now));
                self.heart.expect_beats(self.followings.has_beats(), now);
                let verdict = verdict.unwrap_or(Verdict::Nothing);
                return self.follow_verdict(verdict, &subject, Supply::Consumer(sid));
            }
            Err(error) => Some(error).filter(|error| error.code != code::NO_STREAM),
        };
        if let Some(one) = self.followings.of_consumer(&subject, sid) {
            let had =
                std::mem::replace(&mut one.supply, Supply::Resting(now.after(CONSUMER_AGAIN)));
            self.followings.replace(&subject, had);
            self.end_supply(had);
        }
        match error {
            Some(error) => {
                log::debug!("bus: {subject}: {error}");
                self.warn_once(format!(
                    "the bus does not hand out what is said in a room: {error}"
                ));
            }
            None => self.look_again(now),
        }
    }

    /// Looks whether the stream is still the one it was.
    pub(super) fn look_again(&mut self, now: Time) {
        if let Some(question) = self.keeper.doubt(now) {
            self.ask_for_stream(question);
        }
    }

    /// A consumer has sent something.
    pub(super) fn take_from_consumer(
        &mut self,
        subject: &str,
        message: &Message<'_>,
        net: &mut Net,
    ) {
        if let Some(notice) = message.headers.and_then(Notice::parse) {
            return self.take_notice(subject, notice, message, net);
        }
        let now = net.now();
        let Some(from) = message.reply.and_then(Delivery::parse) else { return };
        let Some(one) = self.followings.of_consumer(subject, message.sid) else { return };
        let had = one.supply;
        let numbers =
            Numbers { stream: from.stream_seq, consumer: from.consumer_seq, pending: from.pending };
        let limit = self.admission.as_ref().map(|admission| &admission.one);
        let verdict = one.came(numbers, limit, now);
        if let Verdict::Tell { is_old, .. } = verdict {
            self.keeper.told(from.stream_seq);
            if let Some(subject) = self.fit(message) {
                let (payload, at) = (message.payload.to_vec(), Some(from.at_ns / 1_000_000_000));
                self.tell(News::Line { subject, payload, at, is_old });
            }
        }
        self.follow_verdict(verdict, subject, had);
    }

    fn take_notice(
        &mut self,
        subject: &str,
        notice: Notice<'_>,
        message: &Message<'_>,
        net: &mut Net,
    ) {
        let Some(one) = self.followings.of_consumer(subject, message.sid) else { return };
        let had = one.supply;
        let out = &mut self.out.bytes;
        let verdict = match notice {
            Notice::FlowControl => {
                one.alive(net.now());
                message.reply.into_iter().for_each(|to| say::publish(out, to, None, b""));
                Verdict::Nothing
            }
            Notice::Heartbeat { consumer_seq, stalled, .. } => {
                stalled.into_iter().for_each(|to| say::publish(out, to, None, b""));
                match stalled {
                    Some(_) => Verdict::Nothing,
                    None => one.beaten(consumer_seq, net.now()),
                }
            }
            Notice::NoResponders => Verdict::Nothing,
            Notice::Other { status, words } => {
                log::debug!("bus: {subject}: {status} {words}");
                one.rest(net.now());
                self.look_again(net.now());
                Verdict::Gap
            }
        };
        self.follow_verdict(verdict, subject, had);
    }

    /// Does what is to be done about a subject whose lines `had` has handed out.
    fn follow_verdict(&mut self, verdict: Verdict, subject: &str, had: Supply) {
        match verdict {
            Verdict::Nothing => {}
            Verdict::Tell { caught_up: true, .. } | Verdict::CaughtUp => {
                self.tell(News::CaughtUp { subject: subject.into() });
            }
            Verdict::Tell { .. } => {}
            Verdict::Twice => self.port.count(|figures| figures.dropped_twice += 1),
            Verdict::Gap | Verdict::Surplus => {
                log::debug!("bus: {subject}: {verdict:?}");
                self.followings.replace(subject, had);
                self.end_supply(had);
            }
        }
    }

    /// Does what is due about lines.
    pub(super) fn tick_lines(&mut self, net: &mut Net) {
        let now = net.now();
        let step = self.keeper.tick(now);
        self.follow_step(step, net);
        let silent = self.followings.tick(now).silent;
        if !silent.is_empty() {
            log::debug!("bus: {} consumers are silent", silent.len());
            silent.into_iter().for_each(|sid| self.end_supply(Supply::Consumer(sid)));
            self.look_again(now);
        }
        self.heart.expect_beats(self.followings.has_beats(), now);
    }
}
