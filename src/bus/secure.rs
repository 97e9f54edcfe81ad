//! The bus inside TLS: the server's INFO comes in the clear, and behind it the handshake begins.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use super::BusConfig;
use crate::engine::{Address, Layering, Layers, Preface, Prefaced, Unable};
use crate::nats::{Info, Parsed, Parser, ServerAddress, ServerOp};
use crate::tls::{self, Resume, Trust};

const NO_INFO: &str = "it is no NATS server: it does not begin with INFO";

/// What the server has said before the handshake.
#[derive(Debug, Default)]
pub(super) enum Said {
    #[default]
    Nothing,
    Info(Box<Info>),
    /// Nothing that it should, as the line says.
    Wrong(String),
}

/// Reads INFO.
struct InfoReader(Rc<RefCell<Said>>);

impl InfoReader {
    fn refuse(&self, why: &str) -> Prefaced {
        self.0.replace(Said::Wrong(why.into()));
        Prefaced::Wrong(why.into())
    }
}

impl Preface for InfoReader {
    fn read(&mut self, input: &[u8]) -> Prefaced {
        match Parser::default().next(input) {
            (0, Parsed::More) => Prefaced::More,
            // A message, so long that it is being passed over: nobody waits for its end.
            (_, Parsed::More) => self.refuse(NO_INFO),
            (used, Parsed::Op(ServerOp::Info(info))) => {
                if !info.tls_required && !info.tls_available {
                    return self.refuse("it has no TLS; write nats:// where that is meant");
                }
                self.0.replace(Said::Info(info));
                Prefaced::Whole(used, None)
            }
            (_, Parsed::Op(_)) => self.refuse(NO_INFO),
            (_, Parsed::Wrong(why)) => self.refuse(&format!("it is no NATS server: {why}")),
        }
    }
}

/// What is put between its socket and us.
#[derive(Debug)]
pub(super) struct Secured {
    tls: tls::Client,
    said: Rc<RefCell<Said>>,
}

impl Secured {
    /// For the server at that address, and where what it says will be.
    ///
    /// # Errors
    /// One line: why there is no TLS.
    pub(super) fn new(
        server: &ServerAddress,
        config: &BusConfig,
    ) -> Result<(Secured, Rc<RefCell<Said>>), String> {
        let tls = tls::Client::new(&config.trust, certified(server, config), Resume::Auto)?;
        let said = Rc::default();
        Ok((Secured { tls, said: Rc::clone(&said) }, said))
    }
}

/// The name that its certificate has to have. Servers advertise addresses, which are in no
/// certificate as a rule: then it is the name by which we know the first.
fn certified<'a>(server: &'a ServerAddress, config: &'a BusConfig) -> &'a str {
    let is_named = |one: &ServerAddress| one.host.parse::<IpAddr>().is_err();
    let is_own = config.servers.iter().any(|own| own.host == server.host);
    let first = config.servers.iter().find(|one| is_named(one));
    match first {
        Some(first) if !is_own && !is_named(server) => &first.host,
        _ => &server.host,
    }
}

impl Layering for Secured {
    fn layers(&self, _: Address) -> Option<Layers> {
        let cipher = self.tls.cipher().unwrap_or_else(|why| Box::new(Unable(why)));
        let reader = InfoReader(Rc::clone(&self.said));
        Some(Layers::default().prefaced(Box::new(reader)).enciphered(cipher))
    }

    fn is_secured(&self) -> bool {
        true
    }
}

impl BusConfig {
    /// Whether all of it can be had here.
    ///
    /// # Errors
    /// One line for people, which begins with the flag that is wrong.
    pub fn check(&self) -> Result<(), String> {
        let secured = self.servers.iter().find(|server| server.is_tls);
        if let (Some(server), Err(why)) = (secured, tls::available()) {
            return Err(format!("--bus {server}: {why}"));
        }
        let Trust::File(_) = &self.trust else { return Ok(()) };
        let host = self.servers.first().map_or("localhost", |server| &server.host);
        let tls = tls::Client::new(&self.trust, host, Resume::Off);
        tls.map(drop).map_err(|why| format!("--bus-ca: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &str) -> (Prefaced, bool) {
        let said = Rc::default();
        let found = InfoReader(Rc::clone(&said)).read(input.as_bytes());
        let is_told = matches!(*said.borrow(), Said::Info(_));
        (found, is_told)
    }

    #[test]
    fn what_comes_before_the_handshake_is_info_of_a_server_that_has_tls() {
        let info = "INFO {\"tls_required\":true}\r\n";
        assert_eq!(read(info), (Prefaced::Whole(info.len(), None), true));
        assert_eq!(read(&info[..9]), (Prefaced::More, false));
        for (input, why) in [
            ("INFO {}\r\n", "no TLS"),
            ("PING\r\n", "no NATS server"),
            ("220 mail.example ESMTP\r\n", "no NATS server"),
            ("MSG a 1 999999999\r\nxxxx", "does not begin with INFO"),
        ] {
            let (found, is_told) = read(input);
            assert!(!is_told && matches!(found, Prefaced::Wrong(told) if told.contains(why)));
        }
    }

    #[test]
    fn an_advertised_address_is_known_by_the_name_of_the_cluster() {
        let server = |host: &str| ServerAddress { host: host.into(), port: 4222, is_tls: true };
        let named = BusConfig::new(vec![server("10.0.0.1"), server("nats.example")], "north");
        assert_eq!(certified(&server("10.0.0.1"), &named), "10.0.0.1");
        assert_eq!(certified(&server("10.0.0.9"), &named), "nats.example");
        assert_eq!(certified(&server("b.example"), &named), "b.example");
        let bare = BusConfig::new(vec![server("10.0.0.1")], "north");
        assert_eq!(certified(&server("10.0.0.9"), &bare), "10.0.0.9");
    }
}
