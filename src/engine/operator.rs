//! What an operator sees of the engine and can do to it.

use std::fmt;
use std::time::Duration;

use log::Level;
use log::kv::Value;

use super::address::Address;
use super::connection::{Connection, Phase};
use super::core::Core;
use super::net::Net;
use super::{Arrival, Bytes, Engine, Operated, Peer, Reason};

/// What a log line says, by name.
pub(crate) type Fields<'a> = &'a [(&'a str, Field<'a>)];

/// One thing that it says.
#[derive(Clone, Copy)]
pub(crate) enum Field<'a> {
    Number(u64),
    Seconds(Duration),
    Text(&'a str),
    /// To be formatted, if anybody reads it.
    Shown(&'a dyn fmt::Display),
    /// Not known, and left out.
    Unknown,
}

/// A line about one connection, for an operator.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name.
    pub peer: Peer,
    /// The service it talks to.
    pub service: &'static str,
    /// The peer's address.
    pub remote: Address,
    /// How long it has been open.
    pub age: Duration,
    /// Bytes received from it.
    pub bytes_in: u64,
    /// Bytes sent to it.
    pub bytes_out: u64,
    /// Bytes that wait to be sent to it.
    pub queued: usize,
}

impl Entry {
    pub(super) fn of(core: &Core, peer: Peer, connection: &Connection) -> Entry {
        Entry {
            peer,
            service: core.names[usize::from(connection.service)],
            remote: connection.remote.into(),
            age: core.now.since(connection.opened_at),
            bytes_in: connection.bytes_in,
            bytes_out: connection.bytes_out,
            queued: connection.queued(),
        }
    }
}

impl Engine {
    /// Every connection, in slot order, with those that are being called or closed.
    pub fn roster(&self) -> impl Iterator<Item = Entry> {
        let core = &self.core;
        core.connections.iter().map(|(peer, connection)| Entry::of(core, peer, connection))
    }

    /// What its service knows of `peer`, in words ([`Service::description`](super::Service)).
    pub fn description(&self, peer: Peer) -> Option<String> {
        let service = self.core.connections.get(peer)?.service;
        self.services[usize::from(service)].service.description(peer)
    }

    /// Whether `peer` can still be told something.
    pub fn is_open(&self, peer: Peer) -> bool {
        self.core.is_open(peer)
    }

    /// What can take the place of the last word of `head`
    /// ([`Operated::completions`]).
    pub fn completions(&mut self, service: usize, head: &str) -> Option<Vec<String>> {
        self.operated(service)?.completions(head)
    }

    /// Whom the operator's plain text goes to
    /// ([`Operated::addressee`]).
    pub fn addressee(&mut self, service: usize) -> Option<Peer> {
        self.operated(service)?.addressee()
    }

    fn operated(&mut self, service: usize) -> Option<&mut dyn Operated> {
        self.services.get_mut(service)?.service.operated()
    }

    /// The address under which a guard may have counted `peer`: not if its service stands apart, if
    /// we have called it, or if it has not told its address yet.
    pub(super) fn counted(&self, peer: Peer) -> Option<Address> {
        let connection = self.core.connections.get(peer)?;
        let is_guarded = !self.is_apart(usize::from(connection.service));
        let is_counted = is_guarded && !connection.origin.is_called() && self.is_judged(peer);
        is_counted.then(|| connection.remote.into())
    }

    /// Whether the address of `peer` is known.
    fn is_judged(&self, peer: Peer) -> bool {
        let is_layered = self.core.connections.get(peer).is_some_and(Connection::is_layered);
        !is_layered || self.core.layers.get(peer).is_none_or(|layers| layers.is_judged())
    }

    /// The addresses of all whom a guard may have counted.
    pub(crate) fn all_counted(&self) -> impl Iterator<Item = Address> {
        self.core.connections.iter().filter_map(|(peer, _)| self.counted(peer))
    }

    /// Logs a line about one connection, as long as there are not too many in this second
    /// ([`Limits::log_lines`](super::Limits::log_lines)).
    pub(crate) fn remark(&mut self, level: Level, line: fmt::Arguments<'_>) {
        self.remark_with(level, line, &[]);
    }

    /// The same with what the line says as fields, for a log that is read by programs
    /// ([`log_fields`](Engine::log_fields)). For others nothing of them is formatted.
    #[inline(never)] // many call it, and few of them often
    pub(crate) fn remark_with(
        &mut self,
        level: Level,
        line: fmt::Arguments<'_>,
        fields: Fields<'_>,
    ) {
        if !log::log_enabled!(level) || !self.core.governor.admits(self.core.now) {
            return;
        }
        let fields = if self.core.logs_fields { fields } else { &[] };
        let shown = |field: &Field<'_>| match field {
            Field::Shown(what) => what.to_string(),
            _ => String::new(),
        };
        let texts: Vec<String> = fields.iter().map(|(_, field)| shown(field)).collect();
        let values = fields.iter().zip(&texts).filter_map(|((name, field), text)| {
            let value = match field {
                Field::Number(number) => (*number).into(),
                Field::Seconds(time) => time.as_secs_f64().into(),
                Field::Text(text) => (*text).into(),
                Field::Shown(_) => text.as_str().into(),
                Field::Unknown => return None,
            };
            Some((*name, value))
        });
        let values: Vec<(&str, Value<'_>)> = values.collect();
        let mut record = log::Record::builder();
        record.level(level).target(module_path!()).module_path_static(Some(module_path!()));
        log::logger().log(&record.args(line).key_values(&values).build());
    }

    /// A connection has been made.
    pub(super) fn remark_beginning(&mut self, peer: Peer, service: usize, arrival: &Arrival) {
        let level = self.level_of(service);
        if !log::log_enabled!(level) {
            return;
        }
        let name = self.core.names[service];
        let Arrival { remote, local, .. } = arrival;
        let over = self.core.connections.get(peer).map_or("", Connection::transport);
        let line = format_args!("{peer} {name} connection established with {remote}");
        let fields = [
            ("event", Field::Text("opened")),
            ("number", Field::Number(peer.number())),
            ("service", Field::Text(name)),
            ("transport", Field::Text(over)),
            ("peer", Field::Shown(remote)),
            ("local", Field::Shown(local)),
        ];
        self.remark_with(level, line, &fields);
    }

    /// How loudly the connections of that service are told of.
    fn level_of(&self, service: usize) -> Level {
        if self.is_apart(service) { Level::Debug } else { Level::Info }
    }

    /// A connection is over: everything about it, once.
    pub(super) fn remark_end(
        &mut self,
        peer: Peer,
        connection: &Connection,
        reason: Reason,
        local: Option<Address>,
    ) {
        let service = usize::from(connection.service);
        // The operator sees that it is done, wherever it was.
        let level = match reason {
            Reason::Kicked => Level::Info,
            _ => self.level_of(service),
        };
        if !log::log_enabled!(level) {
            return;
        }
        let name = self.core.names[service];
        let (bytes_in, bytes_out) = (connection.bytes_in, connection.bytes_out);
        let (came, went) = (Bytes(bytes_in), Bytes(bytes_out));
        let age = self.core.now.since(connection.opened_at);
        let failure = self.core.failure.take().map(|failure| format!(": {failure}"));
        let why = failure.as_deref().unwrap_or_default();
        let line =
            format_args!("{peer} {name} closed: {reason}{why} (in {came}, out {went}, {age:.1?})");
        let remote = Address::from(connection.remote);
        let fields = [
            ("event", Field::Text("closed")),
            ("number", Field::Number(peer.number())),
            ("service", Field::Text(name)),
            ("transport", Field::Text(connection.transport())),
            ("peer", Field::Shown(&remote)),
            ("local", local.as_ref().map_or(Field::Unknown, |local| Field::Shown(local))),
            ("bytes_in", Field::Number(bytes_in)),
            ("bytes_out", Field::Number(bytes_out)),
            ("duration_s", Field::Seconds(age)),
            ("reason", Field::Shown(&format_args!("{reason}{why}"))),
        ];
        self.remark_with(level, line, &fields);
        self.core.failure = failure.map(|why| why[2..].to_owned());
    }

    /// Has each line about a connection say in fields, too, what it is about (log's `kv`), and the
    /// one about its end our own address, where the sockets know it
    /// ([`Sockets::local`](super::Sockets::local)).
    pub fn log_fields(&mut self) {
        self.core.logs_fields = true;
    }

    /// Whether our own address is wanted of a connection that ends now.
    pub(super) fn wants_address(&self) -> bool {
        self.core.logs_fields && log::log_enabled!(Level::Info)
    }

    /// What the services have shown and printed since the last call
    /// ([`Net::show`](super::Net::show)): for whoever has a screen.
    pub fn take_screen(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.core.screen)
    }

    /// How the program is to end, once a service has said so.
    pub fn outcome(&self) -> Option<&Result<(), String>> {
        self.core.outcome.as_ref()
    }

    /// Tells the service with that number something, if somebody operates it.
    pub(super) fn operate(
        &mut self,
        service: usize,
        tell: impl FnOnce(&mut dyn Operated, &mut Net<'_>),
    ) {
        self.dispatch(service, |service, net| {
            if let Some(operated) = service.operated() {
                tell(operated, net);
            }
        });
    }

    /// Hands bytes of standard input to the service with that number as they came; `None`: that
    /// was all.
    pub fn feed(&mut self, service: usize, bytes: Option<&[u8]>) {
        self.operate(service, |operated, net| operated.fed(bytes, net));
    }

    /// How many connections own buffers, and how many of those have nothing in them: none, at the
    /// end of a turn. It looks at every connection; for tests.
    pub fn buffered(&self) -> (usize, usize) {
        let owned = self.core.connections.iter().filter_map(|(_, c)| c.buffers.as_ref());
        owned.fold((0, 0), |(all, empty), b| (all + 1, empty + usize::from(b.is_empty())))
    }

    /// Whether what is fed should wait: a service wants it so, or a peer is far behind.
    pub fn is_backed_up(&self) -> bool {
        self.core.input_held
            || self.core.connections.iter().any(|(_, connection)| {
                connection.buffers.as_ref().is_some_and(|buffers| buffers.backed_up)
            })
    }

    /// Tells the service with that number what the operator typed; `None`: nobody will any more.
    pub fn tell(&mut self, service: usize, line: Option<&str>) {
        self.operate(service, |operated, net| operated.told(line, net));
        // What it gathered must not wait for the next turn's end: nothing might bring one about.
        self.dispatch(service, |service, net| service.settled(net));
    }

    /// Closes the connection with that number ([`Peer::number`]) once all that is queued for it is
    /// out; at once, if it is closing already. `None`: there is no such connection.
    pub fn kick(&mut self, number: u64) -> Option<Peer> {
        let (peer, index) = (self.core.connections.iter())
            .find(|(peer, _)| peer.number() == number)
            .map(|(peer, connection)| (peer, usize::from(connection.service)))?;
        match self.core.is_open(peer) {
            true => {
                if !self.core.layers.get(peer).is_some_and(|layers| layers.has_never_begun()) {
                    self.dispatch(index, |service, net| service.kicked(peer, net));
                }
                self.core.close(peer, Reason::Kicked);
            }
            false => {
                let phase = self.core.connections.get(peer).map(|connection| connection.phase);
                let reason = phase.and_then(Phase::reason).unwrap_or(Reason::Kicked);
                self.core.kill(peer, reason);
            }
        }
        Some(peer)
    }

    /// Closes every connection once all that is queued for it is out, as [`Reason::Shutdown`].
    /// [`shared_connections`](Engine::shared_connections) says when the last of them is gone.
    /// Services apart go on ([`Quota::apart`](super::Quota::apart)).
    pub fn close_all(&mut self) {
        let everybody = self.core.connections.iter();
        let shared = everybody.filter(|(_, one)| self.core.is_shared(one));
        let shared: Vec<Peer> = shared.map(|(peer, _)| peer).collect();
        for peer in shared {
            self.core.set_free(peer);
            self.core.close(peer, Reason::Shutdown);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::engine::stage::Stage;
    use crate::engine::{Limits, Quota, Service};

    /// Sends back what comes, and does what it is told.
    struct Clerk;

    impl Service for Clerk {
        fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
            net.send_back(peer, input.len());
            input.len()
        }

        fn operated(&mut self) -> Option<&mut dyn Operated> {
            Some(self)
        }
    }

    impl Operated for Clerk {
        fn told(&mut self, line: Option<&str>, net: &mut Net) {
            match line {
                Some("wait") => net.hold_input(true),
                Some("go on") => net.hold_input(false),
                Some(line) => net.show(line),
                None => net.stop(Ok(())),
            }
        }

        fn fed(&mut self, bytes: Option<&[u8]>, net: &mut Net) {
            match bytes {
                Some(bytes) => net.print(bytes),
                None => net.stop(Err("no more".into())),
            }
        }
    }

    #[test]
    fn a_screen_holds_so_much_and_the_lines_that_it_does_not_hold_are_counted() {
        let limits = Limits { screen: 10, ..Limits::default() };
        let mut stage = Stage::with(limits, Quota::default(), Clerk);
        for line in ["ten bytes!", "four", "five", "lost", "too"] {
            stage.tell(Some(line));
        }
        assert_eq!(stage.screen(), "four\nfive\n");
        assert_eq!(stage.engine().metrics().screen_lost, 3);
    }

    #[test]
    fn what_is_fed_waits_while_a_service_or_a_slow_peer_wants_it_so() {
        let mut stage = Stage::new(Clerk);
        let peer = stage.join();
        assert!(!stage.engine().is_backed_up());
        stage.tell(Some("wait"));
        assert!(stage.engine().is_backed_up());
        stage.tell(Some("go on"));
        assert!(!stage.engine().is_backed_up());
        stage.take(peer, 0);
        stage.say(peer, vec![b'x'; 512 * 1024]);
        assert!(stage.engine().is_backed_up());
        stage.engine().feed(0, Some(b"as it \0 came"));
        assert_eq!(stage.screen(), "as it \0 came");
    }

    #[test]
    fn the_first_word_about_the_end_counts() {
        let mut stage = Stage::new(Clerk);
        assert_eq!(stage.engine().outcome(), None);
        stage.engine().feed(0, None);
        stage.tell(None);
        assert_eq!(stage.engine().outcome(), Some(&Err("no more".into())));
    }

    #[test]
    fn everybody_is_listed_and_who_is_kicked_goes() {
        let mut stage = Stage::new(Clerk);
        let peers = [stage.join(), stage.join()];
        stage.say(peers[0], "hello");
        stage.pass(Duration::from_secs(2));
        let roster: Vec<Entry> = stage.engine().roster().collect();
        let seen = roster.iter().map(|one| (one.peer, one.service, one.bytes_in, one.bytes_out));
        assert_eq!(seen.collect::<Vec<_>>(), [(peers[0], "test", 5, 5), (peers[1], "test", 0, 0)]);
        assert_eq!(roster[1].remote, ([192, 0, 2, 1], 1002).into());
        assert_eq!(roster[1].age, Duration::from_secs(2));
        assert_eq!(stage.engine().kick(3), None);
        assert_eq!(stage.engine().kick(2), Some(peers[1]));
        stage.flush();
        assert_eq!(peers.map(|peer| stage.is_over(peer)), [false, true]);
        // Whoever does not go then is dropped.
        assert_eq!((stage.engine().connections(), stage.engine().kick(2)), (2, Some(peers[1])));
        stage.flush();
        assert_eq!(stage.engine().connections(), 1);
    }

    #[test]
    fn buffers_are_found_and_those_that_nobody_needs_as_well() {
        let mut stage = Stage::new(Clerk);
        let peers = [stage.join(), stage.join(), stage.join()];
        stage.take(peers[0], 0);
        stage.say(peers[0], "waits");
        assert_eq!(stage.engine().buffered(), (1, 0));
        let core = &mut stage.engine().core;
        for peer in &peers[1..] {
            let set = core.pool.take_set();
            core.connections.get_mut(*peer).unwrap().buffers = Some(set);
        }
        assert_eq!(stage.engine().buffered(), (3, 2));
    }

    thread_local! {
        /// What has been logged in this thread, if that is of interest.
        static HEARD: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
    }

    struct Ear;

    impl log::Log for Ear {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            HEARD.with_borrow(Option::is_some)
        }

        fn log(&self, record: &log::Record<'_>) {
            HEARD.with_borrow_mut(|heard| {
                heard.iter_mut().for_each(|lines| lines.push(record.args().to_string()));
            });
        }

        fn flush(&self) {}
    }

    #[test]
    fn lines_that_are_wanted_are_logged_up_to_so_many_in_a_second() {
        log::set_logger(&Ear).expect("no other logger");
        log::set_max_level(log::LevelFilter::Info);
        let limits = Limits { log_lines: 2, ..Limits::default() };
        let mut stage = Stage::with(limits, Quota::default(), Clerk);
        HEARD.set(Some(Vec::new()));
        for n in 0..5 {
            stage.engine().remark(Level::Debug, format_args!("details"));
            stage.engine().remark(Level::Info, format_args!("line {n}"));
        }
        stage.pass(Duration::from_secs(1));
        let heard = HEARD.take().unwrap();
        assert_eq!(heard, ["line 0", "line 1", "3 more lines about connections withheld"]);
    }
}
