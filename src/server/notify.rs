//! Telling the service manager how we are (sd_notify(3)): one datagram at a time, to the socket
//! that NOTIFY_SOCKET names. Nothing is told where nobody asks, and nothing here ever waits.

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::engine::{Metrics, Time};

/// How often it is told what is going on, if that has changed.
const STATUS_EVERY: Duration = Duration::from_secs(10);

/// Whom we tell.
pub(super) struct Notifier {
    socket: UnixDatagram,
    manager: SocketAddr,
    /// How often we must show that we are alive, and when next.
    watchdog: Option<(Duration, Time)>,
    /// What has been told of what is going on, and when to look next.
    status: String,
    look_at: Time,
}

impl Notifier {
    /// `None`: nobody asks.
    pub(super) fn from_environment() -> Option<Notifier> {
        let name = env::var("NOTIFY_SOCKET").ok().filter(|name| !name.is_empty())?;
        match Notifier::connect(&name) {
            Ok(notifier) => Some(notifier),
            Err(error) => {
                log::warn!("NOTIFY_SOCKET={name:?}: {error}; the service manager is told nothing");
                None
            }
        }
    }

    fn connect(name: &str) -> io::Result<Notifier> {
        let manager = match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None if name.starts_with('/') => SocketAddr::from_pathname(name)?,
            None => return Err(io::Error::other("write a path, or @ and an abstract name")),
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        let pid = env::var("WATCHDOG_PID").ok();
        let interval = env::var("WATCHDOG_USEC").ok();
        let watchdog = watchdog(interval.as_deref(), pid.as_deref(), std::process::id());
        Ok(Notifier {
            socket,
            manager,
            watchdog: watchdog.map(|interval| (interval, Time::ZERO)),
            status: String::new(),
            look_at: Time::ZERO,
        })
    }

    /// All listen.
    pub(super) fn ready(&mut self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
        self.status = status.to_owned();
    }

    /// The configuration is being read again; `ready` follows.
    #[cfg(feature = "config")]
    pub(super) fn reloading(&mut self) {
        use rustix::time::{ClockId, clock_gettime};
        let now = clock_gettime(ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// We are about to leave.
    pub(super) fn stopping(&mut self) {
        self.tell("STOPPING=1\nSTATUS=leaving");
    }

    /// Tells what is due, and says when to come again.
    pub(super) fn tend(&mut self, now: Time, metrics: impl FnOnce() -> Metrics) -> Time {
        if let Some((interval, next)) = self.watchdog.filter(|(_, next)| *next <= now) {
            debug_assert!(next <= now);
            self.tell("WATCHDOG=1");
            self.watchdog = Some((interval, now.after(interval)));
        }
        if self.look_at <= now {
            self.look_at = now.after(STATUS_EVERY);
            let status = metrics().to_string();
            if status != self.status {
                self.tell(&format!("STATUS={status}"));
                self.status = status;
            }
        }
        self.watchdog.map_or(self.look_at, |(_, next)| next.min(self.look_at))
    }

    fn tell(&self, what: &str) {
        if let Err(error) = self.socket.send_to_addr(what.as_bytes(), &self.manager) {
            log::debug!("the service manager was not told {what:?}: {error}");
        }
    }
}

/// How often to show that we are alive: twice in the time after which we would be taken for dead.
fn watchdog(micros: Option<&str>, pid: Option<&str>, own: u32) -> Option<Duration> {
    if pid.is_some_and(|pid| !pid.is_empty() && pid != own.to_string()) {
        return None;
    }
    let micros: u64 = micros?.parse().ok().filter(|micros| *micros > 0)?;
    Some(Duration::from_micros(micros) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watchdog_is_ours_or_nobodys() {
        let second = Some(Duration::from_secs(1));
        assert_eq!(watchdog(Some("2000000"), None, 7), second);
        assert_eq!(watchdog(Some("2000000"), Some("7"), 7), second);
        assert_eq!(watchdog(Some("2000000"), Some("8"), 7), None);
        for none in [None, Some(""), Some("0"), Some("soon")] {
            assert_eq!(watchdog(none, None, 7), None);
        }
    }

    #[test]
    fn only_paths_and_abstract_names_are_sockets() {
        for wrong in ["relative", "vsock:2:1234"] {
            assert!(Notifier::connect(wrong).is_err(), "{wrong}");
        }
        assert!(Notifier::connect("@cooee-test").is_ok());
        assert!(Notifier::connect("/nowhere/notify").is_ok());
    }

    #[test]
    fn what_has_not_changed_is_not_told_again() {
        let name = format!("@cooee-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name[1..]).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        manager.set_nonblocking(true).unwrap();
        let told = || {
            let mut text = [0; 1024];
            let length = manager.recv(&mut text).ok()?;
            Some(String::from_utf8_lossy(&text[..length]).into_owned())
        };
        let mut notifier = Notifier::connect(&name).unwrap();
        let at = |seconds| Time::at(Duration::from_secs(seconds));
        let status = Metrics::default().to_string();
        notifier.ready(&status);
        assert_eq!(told(), Some(format!("READY=1\nSTATUS={status}")));
        assert_eq!(notifier.tend(at(1), Metrics::default), at(11));
        assert_eq!(told(), None);
        let one = || Metrics { opened: 1, ..Metrics::default() };
        assert_eq!(notifier.tend(at(5), one), at(11));
        assert_eq!(told(), None, "it is not time yet");
        notifier.tend(at(11), one);
        assert_eq!(told(), Some(format!("STATUS={}", one())));
        notifier.watchdog = Some((Duration::from_secs(3), at(12)));
        assert_eq!(notifier.tend(at(12), one), at(15));
        assert_eq!(told().as_deref(), Some("WATCHDOG=1"));
    }
}
