//! The one connection of a client: tries the addresses of the server in turn, counts and tells
//! what goes over it, and knows how it ended. Each front end has one and adds its protocol.

mod ending;

use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;

use super::diagnosis::{self, Tried};
use crate::engine::{Dial, Kind, Layering, Location, Net, Peer, Reason, Time};
use crate::tty::stdio::Stdio;

/// How long a server that we have said goodbye to may take to close; then we leave.
const FAREWELL: Duration = Duration::from_secs(2);
/// A unix socket where as many wait as may is called again after so long.
const CALL_AGAIN: Duration = Duration::from_millis(20);

/// The addresses of a server, and how to connect to them.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) service: &'static str,
    pub(crate) kind: Kind,
    /// In the order in which they are tried. Not empty.
    pub(crate) addresses: Vec<Location>,
    /// How long each of them may take to answer.
    pub(crate) patience: Duration,
    /// What is put between the socket and us.
    pub(crate) through: Option<Rc<dyn Layering>>,
}

/// How far the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConnectionPhase {
    Connecting,
    Connected,
    /// We have said all, and wait for the server to close; for ever, unless there is a time.
    Leaving(Option<Time>),
    /// The server has closed before the input ended. Until then it shows whether more was to come.
    Over(Time),
}

/// How a connection ended, for a front end to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionEnd {
    /// It did not end: the next address is being tried, or none was left and we stop.
    None,
    /// In order.
    Closed,
    /// It broke.
    Broken(Reason),
}

/// The connection to the server.
pub(crate) struct ServerConnection {
    route: Route,
    stdio: Stdio,
    phase: ConnectionPhase,
    peer: Option<Peer>,
    /// Which address is being called, or has answered.
    at: usize,
    /// Those that could not be reached.
    tried: Vec<Tried>,
    /// When the first call was made to the address whose turn it is.
    since: Option<Time>,
    /// When to call it again: as many wait there as may.
    again: Option<Time>,
    /// Why the address being talked to is given up, if it is.
    given_up: Option<String>,
    /// Whether the server has said anything since goodbye was said, or has said it itself.
    has_answered: bool,
    /// What has failed over TLS.
    failure: Option<String>,
    /// Whether the kernel had not even taken all that was to be sent when the connection ended.
    is_unsaid: bool,
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

impl ServerConnection {
    pub(crate) fn new(route: Route, stdio: Stdio) -> ServerConnection {
        ServerConnection {
            route,
            stdio,
            phase: ConnectionPhase::Connecting,
            peer: None,
            at: 0,
            tried: Vec::new(),
            since: None,
            again: None,
            given_up: None,
            has_answered: false,
            failure: None,
            is_unsaid: false,
            sent: 0,
            received: 0,
        }
    }

    /// Whom we talk to, for messages.
    pub(crate) fn remote(&self) -> &Location {
        let last = self.route.addresses.len() - 1;
        &self.route.addresses[self.at.min(last)]
    }

    /// A failure, with the name of the service and the address before it.
    pub(crate) fn complaint(&self, what: &str) -> String {
        format!("{}: {}: {what}", self.route.service, self.remote())
    }

    /// Calls the address whose turn it is.
    pub(crate) fn call(&mut self, net: &mut Net) {
        let remote = self.remote().clone();
        let socket = match self.route.kind {
            _ if remote.unix().is_some() => "unix",
            Kind::Stream => "TCP",
            Kind::Datagram => "UDP",
        };
        log::debug!("creating a {socket} socket");
        log::debug!("connecting to {remote}");
        (self.phase, self.again) = (ConnectionPhase::Connecting, None);
        self.since.get_or_insert(net.now());
        let dial = Dial::to(remote, self.route.kind);
        self.peer = net.dial_with(Dial { through: self.route.through.clone(), ..dial });
        net.hold_input(true);
    }

    /// The call has been answered.
    pub(crate) fn opened(&mut self) {
        self.phase = ConnectionPhase::Connected;
    }

    /// Sends, and tells it.
    pub(crate) fn send(&mut self, bytes: &[u8], net: &mut Net) {
        if matches!(self.phase, ConnectionPhase::Over(_)) && !bytes.is_empty() {
            let what = "the server closed the connection before all of the input was sent";
            return net.stop(Err(self.complaint(&format!("{what}: {} bytes were", self.sent))));
        }
        let Some(peer) = self.peer.filter(|_| self.phase == ConnectionPhase::Connected) else {
            return;
        };
        if !bytes.is_empty() {
            net.send(peer, bytes);
            self.sent += bytes.len() as u64;
            log::debug!("sent {}", counted(bytes.len()));
        }
    }

    /// Takes note of what has been received.
    pub(crate) fn note(&mut self, input: &[u8]) {
        self.received += input.len() as u64;
        self.has_answered = self.has_said_goodbye();
        log::debug!("received {}", counted(input.len()));
    }

    /// Says that nothing more will be said, and goes on listening until the server closes.
    pub(crate) fn finish(&mut self, net: &mut Net) {
        match (self.peer, self.phase) {
            (Some(peer), ConnectionPhase::Connected) => {
                log::debug!("closing our side");
                net.finish(peer);
                self.phase = ConnectionPhase::Leaving(None);
            }
            (_, ConnectionPhase::Over(_)) => net.stop(Ok(())),
            _ => {}
        }
    }

    /// Like `finish`, but leaves in a moment even if the server does not close.
    pub(crate) fn leave(&mut self, net: &mut Net) {
        self.finish(net);
        if let ConnectionPhase::Leaving(deadline) = &mut self.phase {
            deadline.get_or_insert(net.now().after(FAREWELL));
        }
        self.alarm(net);
    }

    /// Like `leave`, because the server has said goodbye.
    pub(crate) fn dismissed(&mut self, net: &mut Net) {
        self.leave(net);
        self.has_answered = true;
    }

    /// Gives up an address that never answers, for the next one or, if there is none, for good.
    pub(crate) fn give_up(&mut self, why: String, net: &mut Net) {
        if let Some(peer) = self.peer {
            self.given_up = Some(why);
            net.leave(peer);
        }
    }

    /// Whether another address is left for a server that has not answered at this one.
    pub(crate) fn has_another(&self) -> bool {
        self.received == 0 && self.at + 1 < self.route.addresses.len()
    }

    /// Whether somebody is there and may still be told something.
    pub(crate) fn is_connected(&self) -> bool {
        self.phase == ConnectionPhase::Connected
    }

    /// Whether we have said all.
    pub(crate) fn is_leaving(&self) -> bool {
        matches!(self.phase, ConnectionPhase::Leaving(_))
    }

    /// Leaves if the server has been waited for long enough. To be called from `alarm`.
    pub(crate) fn alarm(&mut self, net: &mut Net) {
        match self.again {
            Some(when) if when <= net.now() => self.call(net),
            Some(when) => net.wake_at(when),
            None => {}
        }
        match self.phase {
            ConnectionPhase::Leaving(Some(deadline)) if deadline <= net.now() => {
                log::debug!("the server does not close; leaving");
                net.stop(Ok(()));
            }
            ConnectionPhase::Over(deadline) if deadline <= net.now() => net.stop(self.outcome()),
            ConnectionPhase::Leaving(Some(deadline)) | ConnectionPhase::Over(deadline) => {
                net.wake_at(deadline);
            }
            ConnectionPhase::Connecting
            | ConnectionPhase::Connected
            | ConnectionPhase::Leaving(None) => {}
        }
    }

    /// The server has closed its side.
    pub(crate) fn finished(&mut self, peer: Peer, net: &mut Net) {
        log::debug!("closed by the server");
        net.close(peer);
    }

    /// The connection is over, or was never made: then the next address is called.
    pub(crate) fn closed(&mut self, reason: Reason, net: &mut Net) -> ConnectionEnd {
        let remote = self.remote().clone();
        self.peer = None;
        self.is_unsaid = net.went_out() < self.sent;
        if self.is_to_call_again(reason, net.now()) {
            log::debug!("{remote}: as many wait there as may; calling again");
            let when = net.now().after(CALL_AGAIN);
            self.again = Some(when);
            net.wake_at(when);
            return ConnectionEnd::None;
        }
        let tried = match self.given_up.take() {
            Some(why) => Tried::silent(remote, why),
            None if self.phase == ConnectionPhase::Connecting || self.was_refused(reason) => {
                let tried = Tried::failed(remote, reason, self.route.patience);
                tried.because(net.failure())
            }
            None => return self.ended(reason, net),
        };
        log::debug!("{}: {}", self.remote(), tried.why());
        self.tried.push(tried);
        self.at += 1;
        self.since = None;
        self.sent = 0;
        self.call_next(net);
        ConnectionEnd::None
    }

    /// Whether goodbye has been said, by either side.
    pub(crate) fn has_said_goodbye(&self) -> bool {
        matches!(self.phase, ConnectionPhase::Leaving(Some(_)))
    }

    /// A datagram socket is connected at once; that nobody listens shows only later.
    fn was_refused(&self, reason: Reason) -> bool {
        let is_failure = matches!(reason, Reason::Failed(_));
        self.route.kind == Kind::Datagram && self.received == 0 && is_failure
    }

    /// A unix socket where as many wait as may does not keep us waiting: it has to be asked again.
    fn is_to_call_again(&self, reason: Reason, now: Time) -> bool {
        let is_full = reason == Reason::Failed(ErrorKind::WouldBlock);
        let until = self.since.map(|since| since.after(self.route.patience));
        is_full && self.phase == ConnectionPhase::Connecting && until.is_some_and(|end| now < end)
    }

    fn call_next(&mut self, net: &mut Net) {
        if self.at < self.route.addresses.len() {
            return self.call(net);
        }
        net.stop(Err(diagnosis::unreachable(self.route.service, &self.tried)));
    }
}

/// So many bytes, in words.
pub(crate) fn counted(bytes: usize) -> String {
    match bytes {
        1 => "1 byte".into(),
        many => format!("{many} bytes"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::engine::stage::Stage;
    use crate::engine::{Arrival, Operated, Service, UnixName};

    /// A server at 192.0.2.1, and a second address of it.
    pub(crate) fn route(service: &'static str, kind: Kind) -> Route {
        let addresses = vec![([192, 0, 2, 1], 7).into(), ([192, 0, 2, 2], 7).into()];
        Route { service, kind, addresses, patience: Duration::from_secs(10), through: None }
    }

    /// A stage on which `service` has called and been answered.
    pub(crate) fn connected(service: impl Service + 'static) -> (Stage, Peer) {
        let mut stage = Stage::new(service);
        stage.flush();
        let peer = stage.dialed()[0];
        stage.answer(peer, ([192, 0, 2, 99], 4000).into());
        stage.flush();
        (stage, peer)
    }

    struct Plain(ServerConnection);

    impl Service for Plain {
        fn opened(&mut self, _: Peer, arrival: &Arrival, net: &mut Net) {
            self.0.opened();
            net.show(&format!("connected to {}", arrival.remote));
        }

        fn received(&mut self, _: Peer, input: &[u8], _: &mut Net) -> usize {
            self.0.note(input);
            input.len()
        }

        fn closed(&mut self, _: Peer, reason: Reason, net: &mut Net) {
            let _ = self.0.closed(reason, net);
        }

        fn alarm(&mut self, net: &mut Net) {
            self.0.alarm(net);
        }

        fn operated(&mut self) -> Option<&mut dyn Operated> {
            Some(self)
        }
    }

    impl Operated for Plain {
        fn started(&mut self, net: &mut Net) {
            self.0.call(net);
        }
    }

    /// A stage on which the first address has refused the call.
    fn refused_at_first() -> Stage {
        let connection = ServerConnection::new(route("echo", Kind::Stream), Stdio::default());
        let mut stage = Stage::new(Plain(connection));
        stage.flush();
        let first = stage.dialed()[0];
        stage.fail(first, ErrorKind::ConnectionRefused);
        stage
    }

    #[test]
    fn every_address_is_tried_in_turn_and_the_failure_names_them_all() {
        let mut stage = refused_at_first();
        assert_eq!((stage.dialed().len(), stage.engine().outcome()), (2, None));
        stage.pass(Duration::from_secs(10));
        let outcome = stage.engine().outcome().cloned().unwrap();
        let line = outcome.unwrap_err();
        assert!(line.contains("192.0.2.1:7 (connection refused)"), "{line}");
        assert!(line.contains("192.0.2.2:7 (no answer within 10s)"), "{line}");
    }

    #[test]
    fn where_as_many_wait_as_may_it_is_asked_again_until_patience_is_over() {
        let route = Route { patience: Duration::from_secs(1), ..route("echo", Kind::Stream) };
        let addresses = vec![UnixName::Path("/run/x".into()).into()];
        let route = Route { addresses, ..route };
        let mut stage = Stage::new(Plain(ServerConnection::new(route, Stdio::default())));
        stage.flush();
        let mut calls = 0;
        while stage.engine().outcome().is_none() {
            calls = stage.dialed().len();
            let peer = *stage.dialed().last().unwrap();
            stage.fail(peer, ErrorKind::WouldBlock);
            stage.pass(CALL_AGAIN);
        }
        assert_eq!(calls, 51);
        let line = stage.engine().outcome().cloned().unwrap().unwrap_err();
        assert!(line.starts_with("echo: cannot reach /run/x (its queue is full): "), "{line}");
    }

    #[test]
    fn the_second_address_will_do() {
        let mut stage = refused_at_first();
        let second = stage.dialed()[1];
        stage.answer(second, ([192, 0, 2, 99], 4000).into());
        assert_eq!(stage.screen(), "connected to 192.0.2.2:7\n");
    }
}
