//! What `cooee serve --help` says around the flags.

use crate::services::OFFERS;

pub(super) const EXAMPLES: &str = "
Examples:
  cooee serve                                  all five services on 127.0.0.1
  cooee serve --host 0.0.0.0 --host ::         the same, for everybody
  cooee serve echo+udp://:7 chat://[::]:5001   these two, there
  cooee serve echo+unix:///run/echo.sock       at a unix socket
  cooee serve chat+tls --tls-cert c.pem --tls-key k.pem   over TLS, at port 7001
  cooee serve echo://:0 --announce ports.txt   on any free port, written to a file
  cooee serve greet --greeting 'You are {ip} port {port}\\n'
  cooee serve --admin 5090                     all five, and http://127.0.0.1:5090/ about them
  cooee serve talk                             and answer clients by typing lines; /help

An ENDPOINT is SERVICE[+TRANSPORT][://[HOST][:PORT]], with IPv6 addresses in brackets. Port 0 is any
free one, the same for TCP and UDP if it is free for both (but not with --reuse-port). At a unix
socket it is SERVICE+unix:///PATH, or SERVICE+unix://@NAME without a file.
TIME is written 500ms, 10s, 5m; SIZE 64, 4k, 1M; RATE 10/s, 600/m.
SIGTERM or SIGINT: nobody new gets in, what is queued goes out; a second one ends it at once.
Exit status: 0 fine, 1 failed, 2 wrong usage.";

/// Where flags may stand besides, if they may.
pub(super) const SOURCES: &str = match cfg!(feature = "config") {
    true => {
        "
A flag beats the environment (COOEE_MAX_CONNECTIONS=9 for --max-connections 9), and that beats the
file of --config: docs/configuration.md."
    }
    false => "",
};

pub(super) fn services_help() -> String {
    let mut text = String::from("What there is to serve:\n");
    for offer in OFFERS {
        text.push_str(&format!("  {:7} port {}  {}\n", offer.name, offer.port, offer.about));
    }
    text
}
