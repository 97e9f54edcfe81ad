//! Where settings come from: the command line, the environment, a file; and `--check`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::support::terminal::COOEE;
use crate::support::{Server, Tcp};

/// A file of a test's own, removed when that is over.
pub(crate) struct Config(PathBuf);

impl Config {
    pub(crate) fn new(name: &str, text: &str) -> Config {
        let file = format!("cooee-{name}-{}.toml", std::process::id());
        let config = Config(std::env::temp_dir().join(file));
        config.write(text);
        config
    }

    pub(crate) fn write(&self, text: &str) {
        fs::write(&self.0, text).unwrap();
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// `cooee serve` with these words, in an environment with these variables: how it ended, what it
/// printed and what it complained of.
fn ended(words: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = Command::new(COOEE);
    command.arg("serve").args(words).envs(environment.iter().copied()).env_remove("RUST_LOG");
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn flags_beat_the_environment_and_that_beats_the_file() {
    let config = Config::new("beat", "endpoints = [\"greet://:0\"]\ngreeting = 'file'\n");
    let variable = "COOEE_GREETING=environment";
    for (variables, flags, told) in [
        (&[][..], &[][..], "file"),
        (&[variable], &[], "environment"),
        (&[variable], &["--greeting", "flag"], "flag"),
    ] {
        let serve = [COOEE, "serve", "--config", config.path()];
        let mut server = Server::run("env", &[variables, &serve, flags].concat());
        let greet = server.address("greet+tcp");
        assert_eq!(Tcp::connect(greet).hear_all(), told.as_bytes());
    }
}

#[test]
fn check_tells_what_would_be_served_and_opens_nothing() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("echo+tcp://{}", taken.local_addr().unwrap());
    let text = format!("endpoints = [\"{url}\", \"months\"]\nhost = \"127.0.0.1\"\n");
    let config = Config::new("check", &text);
    let told = format!("{url}\nmonths+udp://127.0.0.1:8091\n");
    assert_eq!(ended(&["--check", "--config", config.path()], &[]), (Some(0), told, "".into()));
    let environment = [("COOEE_CONFIG", config.path()), ("COOEE_ENDPOINTS", "talk, greet://:7")];
    let told = "talk+tcp://127.0.0.1:5000\ngreet+tcp://127.0.0.1:7\n";
    assert_eq!(ended(&["--check"], &environment), (Some(0), told.into(), "".into()));
    // Knobs as they were written: a seed that would be chosen is another one each time.
    let endpoint = "echo+tcp://127.0.0.1:7?delay=1ms&reset=5%";
    let told = format!("{endpoint}\n");
    assert_eq!(ended(&["--check", endpoint], &[]), (Some(0), told, "".into()));
}

#[test]
fn what_is_wrong_is_one_line_with_its_place() {
    let config = Config::new("wrong", "");
    let path = config.path();
    for (text, place, why) in [
        ("\n\nchat-rte = \"5/s\"", ":3:1: ", "did you mean chat-rate?"),
        ("drain = 5", ":1:9: ", "write it like 500ms"),
        ("endpoints = [\n\"ehco\"]", ":2:2: ", "did you mean echo"),
        ("greeting = '{nmae}'", ":1:1: ", "unknown placeholder {nmae}"),
        ("echo-reply = \"x\"\necho-once = true", ":1:1: ", "cannot be used with"),
        ("chat-queue = \"1M\"\nchat-queue-hard = \"1k\"", ":2:1: ", "is below --chat-queue"),
        ("max-connections = 100000000", ":1:1: ", "descriptors"),
        ("admin-host = \"x\"", ":1:1: ", "--admin"),
        ("endpoints = [\"months\"]\ngreeting = \"x\"", ":2:1: ", "not served here"),
        ("[chat]\nrate = 5", ":1:2: ", "not in tables"),
    ] {
        config.write(text);
        let (status, printed, error) = ended(&["--check", "--config", path], &[]);
        assert_eq!((status, printed.as_str()), (Some(2), ""), "{text}: {error}");
        assert!(error.starts_with(&format!("cooee: {path}{place}")), "{text}: {error}");
        assert!(error.contains(why) && error.lines().count() == 1, "{text}: {error}");
    }
    for (variable, value, why) in [
        ("COOEE_DRAIN", "5", "COOEE_DRAIN in the environment: drain = \"5\""),
        ("COOEE_ECHO_ONCE", "maybe", "is neither 1 nor 0"),
        ("COOEE_CONFIG", "/nowhere/cooee.toml", "No such file"),
        ("COOEE_CONFIG", "/dev/zero", "longer than 1 MiB"),
    ] {
        let (status, _, error) = ended(&["echo://:0"], &[(variable, value)]);
        assert_eq!((status, error.lines().count()), (Some(2), 1), "{error}");
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn unknown_variables_are_warned_of_once_and_those_of_kubernetes_are_none() {
    let variables = ["COOEE_DRIAN=1s", "COOEE_PORT=tcp://10.0.0.11:5007", "COOEE_HOST="];
    let more = ["COOEE_SERVICE_HOST=10.0.0.11", "COOEE_PORT_5007_TCP_PROTO=tcp"];
    let serve = [COOEE, "serve", "echo+tcp://:0"];
    let mut server = Server::run("env", &[&variables[..], &more, &serve].concat());
    let address = server.address("echo+tcp");
    Tcp::connect(address).echoes("served all the same");
    let warned: Vec<String> =
        server.log.all().into_iter().filter(|line| line.contains("COOEE_")).collect();
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].contains("COOEE_DRIAN in the environment"), "{warned:?}");
    assert!(warned[0].ends_with("did you mean COOEE_DRAIN?"), "{warned:?}");
}
