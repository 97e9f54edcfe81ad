//! Who is measured: command lines that take an endpoint and say where they listen.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
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

/// Somebody who serves.
pub(crate) struct Contender {
    /// Its name in the table.
    pub(crate) name: &'static str,
    program: PathBuf,
    words: &'static [&'static str],
    /// Whether it takes the flags of `cooee serve`.
    is_cooee: bool,
    /// Whether it is here for the noise only.
    pub(crate) is_control: bool,
}

/// All of them. The first is what the others are set beside.
pub(crate) fn contenders() -> Result<Vec<Contender>, String> {
    let this = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
    let bare = |name, is_control| Contender {
        name,
        program: this.clone(),
        words: &[BARE],
        is_cooee: false,
        is_control,
    };
    let cooee = |name, words| Contender {
        name,
        program: COOEE.into(),
        words,
        is_cooee: true,
        is_control: false,
    };
    let mut all = vec![bare("bare", false), cooee("cooee", &["serve", "-q"])];
    let help = Command::new(COOEE).args(["serve", "--help"]).output();
    let help = help.map_err(|error| format!("{COOEE}: {error}"))?;
    if String::from_utf8_lossy(&help.stdout).contains("--no-uring") {
        all.push(cooee("cooee --no-uring", &["serve", "-q", "--no-uring"]));
    }
    all.push(bare("control", true));
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
        let mut command = Command::new(&contender.program);
        command
            .args(contender.words)
            .arg(format!("{service}://127.0.0.1:0"))
            .arg("--announce")
            .arg(folder.join("endpoints"))
            .args(if contender.is_cooee { unlimited(service) } else { &[] })
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        cores.for_server()?;
        let child = command.spawn();
        cores.for_generator()?;
        let child = child.map_err(|error| format!("{}: {error}", contender.program.display()))?;
        let mut server = Server { child, folder, url: String::new() };
        server.url = server.wait()?;
        Ok(server)
    }

    fn wait(&mut self) -> Result<String, String> {
        for _ in 0..START_MAX.as_millis() / LOOK.as_millis() {
            if let Ok(text) = fs::read_to_string(self.folder.join("endpoints")) {
                return Ok(text.trim().to_string());
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
