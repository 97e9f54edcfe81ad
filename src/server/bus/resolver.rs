//! Names of the bus, looked up on a thread, because that waits.

use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;

use crate::bus::{Found, Lookup};
use crate::resolve::resolve;

/// Asks getaddrinfo(3), which waits, on a thread that ends with the answer.
#[derive(Default)]
pub(super) struct Resolver {
    answer: Option<Receiver<Found>>,
}

impl Lookup for Resolver {
    fn start(&mut self, host: &str, port: u16) -> bool {
        // An answer to an earlier question that nobody waits for any more.
        if self.answer.is_some() && self.poll().is_none() {
            return false;
        }
        let (told, answer) = sync_channel(1);
        let host = host.to_string();
        let ask = move || {
            // Whoever has asked may be gone.
            let _ = told.send(resolve(&host, port));
        };
        let asking = thread::Builder::new().name("resolver".into()).spawn(ask);
        self.answer = asking.is_ok().then_some(answer);
        asking.is_ok()
    }

    fn poll(&mut self) -> Option<Found> {
        let found = match self.answer.as_ref()?.try_recv() {
            Ok(found) => found,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => Err("the name server gave no answer".into()),
        };
        self.answer = None;
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits for the answer, as nobody does who has a loop.
    fn found(resolver: &mut Resolver) -> Found {
        loop {
            match resolver.poll() {
                Some(found) => return found,
                None => thread::yield_now(),
            }
        }
    }

    #[test]
    fn a_name_is_looked_up_elsewhere_and_found_once() {
        let mut resolver = Resolver::default();
        assert!(resolver.poll().is_none());
        assert!(resolver.start("localhost", 4222));
        let addresses = found(&mut resolver).unwrap();
        assert!(addresses.iter().all(|one| one.ip().is_loopback() && one.port() == 4222));
        assert!(resolver.poll().is_none());
        assert!(resolver.start("no-such-host.invalid", 4222));
        assert!(found(&mut resolver).unwrap_err().contains("no-such-host.invalid"));
    }
}
