//! A network namespace of a test's own, where it is root: the test runs again in there.

use std::ffi::OsStr;
use std::process::{Command, Output};

use super::loudly;

/// Says that a test runs in a network namespace of its own.
const OWN_NETWORK: &str = "COOEE_TEST_OWN_NETWORK=1";

/// Asserts that the test with this path, which is ignored otherwise, passes in a network of its
/// own. Where this machine does not allow that, says so loudly.
pub(crate) fn passes_in_own_network(path: &str) {
    let Some(output) = in_own_network(path) else { return };
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{path}: {said}{errors}");
    // What it could not test in there is not to be lost.
    errors.lines().filter(|line| line.starts_with("*** ")).for_each(loudly);
}

/// `None`: this machine does not allow that, which has been said.
fn in_own_network(path: &str) -> Option<Output> {
    let unshare = |words: &[&OsStr]| {
        Command::new("unshare").args(["--map-root-user", "--net", "--"]).args(words).output()
    };
    let why = match unshare(&["ip", "link", "set", "lo", "up"].map(OsStr::new)) {
        Ok(probe) if probe.status.success() => None,
        Ok(probe) => Some(String::from_utf8_lossy(&probe.stderr).into_owned()),
        Err(error) => Some(format!("unshare: {error}")),
    };
    if let Some(why) = why {
        loudly(&format!("NOT TESTED, because there is no network namespace to be had: {why}"));
        return None;
    }
    let this = std::env::current_exe().expect("a path");
    let test = [this.as_os_str(), OsStr::new("--exact"), OsStr::new(path)];
    let flags = ["--ignored", "--nocapture"].map(OsStr::new);
    let mark = ["env", OWN_NETWORK].map(OsStr::new);
    Some(unshare(&[&mark[..], &test[..], &flags[..]].concat()).expect("it has just run"))
}

/// Runs `ip` with these words; only in a network of the test's own, never on this machine's.
pub(crate) fn ip(words: &str) {
    let (name, _) = OWN_NETWORK.split_once('=').expect("a mark");
    assert!(std::env::var_os(name).is_some(), "run by another test, in a network of its own");
    let done = Command::new("ip").args(words.split(' ')).status().expect("iproute2");
    assert!(done.success(), "ip {words}");
}
