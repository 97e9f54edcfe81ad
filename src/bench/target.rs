//! Whom to measure: the server that an endpoint names, or one of our own in a second process.

use std::fs;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use super::workload::Workload;
use crate::endpoint::{Endpoint, Transport, url};

/// Our own server must listen within this time.
const START_MAX: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(5);

/// The server that is measured.
pub(super) struct Target {
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// Its endpoint.
    pub(super) url: String,
    /// Its process, if known.
    pub(super) pid: Option<u32>,
    own: Option<OwnServer>,
}

impl Target {
    /// The server that `text` names: an endpoint, or HOST:PORT.
    ///
    /// # Errors
    /// One line: what is wrong with it.
    pub(super) fn parse(
        workload: Workload,
        text: &str,
        pid: Option<u32>,
    ) -> Result<Target, String> {
        let transport = workload.transport();
        let endpoint = match text.contains("://") || text.parse::<Endpoint>().is_ok() {
            true => text.parse::<Endpoint>().map_err(|error| error.to_string())?,
            false => format!("{}://{text}", workload.service())
                .parse()
                .map_err(|error: crate::endpoint::EndpointError| error.to_string())?,
        };
        let name = endpoint.service.name;
        if !endpoint.transports().any(|over| over == transport)
            || (name != workload.service() && !workload.takes_any_service())
        {
            return Err(format!(
                "{} asks {}+{transport}, not {endpoint}",
                workload.name(),
                workload.service()
            ));
        }
        let host = endpoint.host.clone().unwrap_or_else(|| "127.0.0.1".into());
        let port = endpoint.port.unwrap_or(endpoint.service.port);
        let address = resolve(&host, port)?;
        Ok(Target { address, url: url(name, transport, address), pid, own: None })
    }

    /// Our own server, started for this.
    ///
    /// # Errors
    /// One line: why it does not listen.
    pub(super) fn start(workload: Workload) -> Result<Target, String> {
        let own = OwnServer::start(workload)?;
        let endpoint: Endpoint = own.url.parse().map_err(|error| format!("{error}"))?;
        let host = endpoint.host.unwrap_or_default();
        let address = resolve(&host, endpoint.port.unwrap_or_default())?;
        Ok(Target { address, url: own.url.clone(), pid: Some(own.child.id()), own: Some(own) })
    }

    /// Whether it is our own.
    pub(super) fn is_own(&self) -> bool {
        self.own.is_some()
    }
}

fn resolve(host: &str, port: u16) -> Result<SocketAddr, String> {
    let failed = |why: String| format!("the host {host} does not resolve: {why}");
    let mut found = (host, port).to_socket_addrs().map_err(|error| failed(error.to_string()))?;
    found.next().ok_or_else(|| failed("it has no address".into()))
}

/// A server in a process of its own, ended with this value.
struct OwnServer {
    child: Child,
    url: String,
    folder: PathBuf,
}

impl OwnServer {
    fn start(workload: Workload) -> Result<OwnServer, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("cooee-bench-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let failed = |what: &str, error| format!("our own server: {what}: {error}");
        // Fails if somebody else has put something there.
        fs::create_dir(&folder).map_err(|error| failed("a folder for its address", error))?;
        let program = std::env::current_exe().map_err(|error| failed("this program", error))?;
        let transport: Transport = workload.transport();
        let mut command = Command::new(program);
        command
            .args(["serve", "-q"])
            .arg(format!("{}+{transport}://127.0.0.1:0", workload.service()))
            .arg("--announce")
            .arg(folder.join("endpoints"))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if workload == Workload::Chat {
            command.args(["--chat-rate", "off"]);
        }
        // Ctrl-C is for us; we end the server when the results are safe.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn().map_err(|error| failed("starting it", error))?;
        let mut server = OwnServer { child, url: String::new(), folder };
        server.url = server.wait()?;
        Ok(server)
    }

    /// Waits until it listens.
    fn wait(&mut self) -> Result<String, String> {
        let looks = START_MAX.as_millis() / LOOK.as_millis();
        for _ in 0..looks {
            if let Ok(text) = fs::read_to_string(self.folder.join("endpoints")) {
                return Ok(text.lines().next().unwrap_or_default().to_string());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("our own server ended before it listened: {status}"));
            }
            thread::sleep(LOOK);
        }
        Err(format!("our own server does not listen after {START_MAX:?}"))
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url_of(workload: Workload, text: &str) -> Result<String, String> {
        Target::parse(workload, text, None).map(|target| target.url)
    }

    #[test]
    fn an_endpoint_or_an_address_will_do() {
        for text in ["echo", "echo+tcp://127.0.0.1:5007", "127.0.0.1:5007", "127.0.0.1"] {
            let url = url_of(Workload::TcpRr, text);
            assert_eq!(url.as_deref(), Ok("echo+tcp://127.0.0.1:5007"), "{text}");
        }
        let url = url_of(Workload::UdpRr, "echo://:7");
        assert_eq!(url.as_deref(), Ok("echo+udp://127.0.0.1:7"));
        let url = url_of(Workload::Idle, "chat://[::1]:9");
        assert_eq!(url.as_deref(), Ok("chat+tcp://[::1]:9"));
    }

    #[test]
    fn an_endpoint_that_the_workload_does_not_ask_is_refused() {
        let error = url_of(Workload::TcpRr, "months://:1").unwrap_err();
        assert_eq!(error, "tcp_rr asks echo+tcp, not months://:1");
        assert!(url_of(Workload::UdpRr, "echo+tcp").is_err());
        assert!(url_of(Workload::TcpRr, "ehco://:1").unwrap_err().contains("did you mean echo"));
    }
}
