//! Who is measured: command lines that take an endpoint and say where they listen, and those that
//! are told a port.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use crate::BARE;
use crate::cores::Cores;

/// The program that is measured, and generates the load.
pub(crate) const COOEE: &str = env!("CARGO_BIN_EXE_cooee");
/// A server must listen within this time.
const START_MAX: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(2);
/// What stands for the port in a rival's command.
const PORT: &str = "{port}";

/// What the command line of a server is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// An endpoint, a file for its address, and the flags of `cooee serve`.
    Cooee,
    /// An endpoint and a file for its address.
    Bare,
    /// A port in its own words. It serves nothing but echo over TCP.
    Rival,
}

/// Somebody who serves.
pub(crate) struct Contender {
    /// Its name in the table.
    pub(crate) name: String,
    program: PathBuf,
    words: Vec<String>,
    kind: Kind,
    /// Whether it is here for the noise only.
    pub(crate) is_control: bool,
}

impl Contender {
    fn bare(name: &str, is_control: bool) -> Result<Contender, String> {
        let this = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
        let words = vec![BARE.into()];
        Ok(Contender { name: name.into(), program: this, words, kind: Kind::Bare, is_control })
    }

    fn cooee(name: &str, words: &[&str]) -> Contender {
        Contender {
            name: name.into(),
            program: COOEE.into(),
            words: words.iter().map(|word| word.to_string()).collect(),
            kind: Kind::Cooee,
            is_control: false,
        }
    }
}

/// Another server, as the command line names it: NAME=COMMAND. No shell sees the command, so that
/// the process is the server's own.
#[derive(Clone, Debug)]
pub(crate) struct Rival {
    name: String,
    words: Vec<String>,
}

impl FromStr for Rival {
    type Err = String;

    fn from_str(text: &str) -> Result<Rival, String> {
        let (name, command) = text.split_once('=').ok_or("it is NAME=COMMAND")?;
        let words: Vec<String> = command.split_whitespace().map(str::to_string).collect();
        if name.is_empty() || !command.contains(PORT) || words.len() < 2 {
            return Err(format!("it is NAME=COMMAND with {PORT} among the words of the command"));
        }
        Ok(Rival { name: name.into(), words })
    }
}

/// Those in the plots: ours, the bare loop, and `rivals`.
pub(crate) fn with_rivals(rivals: &[Rival]) -> Result<Vec<Contender>, String> {
    let mut all = vec![
        Contender::cooee("cooee", &["serve", "-q"]),
        Contender::bare("bare epoll loop", false)?,
    ];
    all.extend(rivals.iter().map(|Rival { name, words }| Contender {
        name: name.clone(),
        program: words[0].clone().into(),
        words: words[1..].to_vec(),
        kind: Kind::Rival,
        is_control: false,
    }));
    Ok(all)
}

/// Those in the table. The first is what the others are set beside.
pub(crate) fn contenders() -> Result<Vec<Contender>, String> {
    let mut all =
        vec![Contender::bare("bare", false)?, Contender::cooee("cooee", &["serve", "-q"])];
    let help = Command::new(COOEE).args(["serve", "--help"]).output();
    let help = help.map_err(|error| format!("{COOEE}: {error}"))?;
    if String::from_utf8_lossy(&help.stdout).contains("--no-uring") {
        all.push(Contender::cooee("cooee --no-uring", &["serve", "-q", "--no-uring"]));
    }
    all.push(Contender::bare("control", true)?);
    Ok(all)
}

/// A server at work, ended with this value.
pub(crate) struct Server {
    child: Child,
    folder: PathBuf,
    /// Where it listens.
    pub(crate) url: String,
}

impl Server {
    /// Starts one of `contender` that serves `service`, on the servers' core.
    pub(crate) fn start(
        contender: &Contender,
        service: &str,
        cores: &Cores,
    ) -> Result<Server, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("loopback-{}-{number}", std::process::id()));
        fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        // A name without a file leaves nothing behind, and has room for any number.
        let place = match service.ends_with("+unix") {
            true => format!("@cooee-loopback-{}-{number}", std::process::id()),
            false => "127.0.0.1:0".into(),
        };
        let mut command = Command::new(&contender.program);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut told = None;
        if contender.kind == Kind::Rival {
            let port = free_port()?;
            command.args(contender.words.iter().map(|word| word.replace(PORT, &port.to_string())));
            told = Some(port);
        } else {
            command
                .args(&contender.words)
                .arg(format!("{service}://{place}"))
                .arg("--announce")
                .arg(folder.join("endpoints"))
                .args(if contender.kind == Kind::Cooee { unlimited(service) } else { &[] });
        }
        cores.for_server()?;
        let child = command.spawn();
        cores.for_generator()?;
        let child = child.map_err(|error| format!("{}: {error}", contender.program.display()))?;
        let mut server = Server { child, folder, url: String::new() };
        server.url = match told {
            Some(port) => {
                server.wait(|_| accepts(port).then(|| format!("{service}://127.0.0.1:{port}")))?
            }
            None => server.wait(|folder| {
                let text = fs::read_to_string(folder.join("endpoints")).ok()?;
                Some(text.trim().to_string())
            })?,
        };
        Ok(server)
    }

    /// Until `look` finds where it listens.
    fn wait(&mut self, look: impl Fn(&Path) -> Option<String>) -> Result<String, String> {
        for _ in 0..START_MAX.as_millis() / LOOK.as_millis() {
            if let Some(url) = look(&self.folder) {
                return Ok(url);
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("ended before it listened: {status}"));
            }
            thread::sleep(LOOK);
        }
        Err(format!("does not listen after {START_MAX:?}"))
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

/// A port that nobody has now.
fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0));
    let address = listener.and_then(|listener| listener.local_addr());
    address.map(|address| address.port()).map_err(|error| format!("a free port: {error}"))
}

fn accepts(port: u16) -> bool {
    // While nobody listens there, a socket may get this very port for its own, and meet itself.
    let met = TcpStream::connect(("127.0.0.1", port));
    met.and_then(|stream| stream.local_addr()).is_ok_and(|own| own.port() != port)
}

/// The flags without which `cooee serve` would hold the generator back.
fn unlimited(service: &str) -> &'static [&'static str] {
    match service {
        "chat+tcp" => &["--chat-rate", "off"],
        "echo+udp" => &["--udp-rate", "off"],
        _ => &[],
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
