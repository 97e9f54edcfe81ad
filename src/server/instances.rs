//! The services behind the listeners: one for all listeners of its name, and behind chat the bus.

use std::io;
use std::rc::Rc;

use super::Config;
use super::bus::Joining;
use super::front::{Front, Secured};
use super::listen::{Binding, Services};
use super::socket::Socket;
use super::socket_file::SocketFile;
use crate::engine::Layering;
use crate::reactor::Reactor;
use crate::services::{Settings, chat};

/// The services made so far, so that one serves all its listeners.
pub(super) struct Instances {
    front: Rc<Front>,
    settings: Settings,
    /// The bus, until there is the chat that it is for.
    joining: Option<Joining>,
    pub(super) streams: Services,
    responders: Vec<(&'static str, usize)>,
    pub(super) files: Vec<SocketFile>,
}

impl Instances {
    pub(super) fn behind(
        front: &Rc<Front>,
        config: &Config,
        joining: Option<Joining>,
    ) -> Instances {
        let (streams, responders, files) = Default::default();
        let bus = joining.as_ref().map(|joining| joining.rooms.clone());
        let settings = Settings { bus, ..config.settings.clone() };
        Instances { front: Rc::clone(front), settings, joining, streams, responders, files }
    }

    /// Serves what `binding` is for through its socket.
    pub(super) fn listen(
        &mut self,
        config: &Config,
        binding: &Binding,
        socket: Socket,
        reactor: &mut Reactor,
    ) -> io::Result<()> {
        let (offer, settings) = (binding.offer, &self.settings);
        let not_offered = || io::Error::from(io::ErrorKind::Unsupported);
        match socket {
            Socket::Tcp(_) | Socket::Unix(..) => {
                let make = offer.stream.ok_or_else(not_offered)?;
                let number = find_or(&mut self.streams, offer.name, || {
                    let quota = config.quota(offer);
                    reactor.engine().add_service(offer.name, quota, make(settings))
                });
                // Right behind it, so that what is wished in a turn leaves with it.
                if offer.name == chat::OFFER.name
                    && let Some(joining) = self.joining.take()
                {
                    joining.add_to(reactor.engine());
                }
                let front: Rc<dyn Layering> = match binding.transport.is_secured() {
                    true => Rc::new(Secured(self.front.clone())),
                    false => self.front.clone(),
                };
                socket.add(reactor, number, Some(front), &mut self.files)
            }
            Socket::Udp(socket) => {
                let make = offer.datagram.ok_or_else(not_offered)?;
                let number = find_or(&mut self.responders, offer.name, || {
                    reactor.add_responder(offer.name, make(settings))
                });
                reactor.add_datagrams(socket, number)
            }
        }
    }
}

fn find_or(
    made: &mut Vec<(&'static str, usize)>,
    name: &'static str,
    make: impl FnOnce() -> usize,
) -> usize {
    match made.iter().find(|(known, _)| *known == name) {
        Some((_, number)) => *number,
        None => {
            let number = make();
            made.push((name, number));
            number
        }
    }
}
