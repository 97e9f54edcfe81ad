//! The style sheet as far as a machine can check it. What fails here is explained in
//! CONTRIBUTING.md.

#![allow(clippy::unwrap_used)] // a file that cannot be read is a failed check

use std::fs;
use std::path::{Path, PathBuf};

const COLUMNS_MAX: usize = 100;
const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 60;

/// What the parts that do a command use.
const SERVER: &[&str] = &[
    "admin_address",
    "append",
    "bus",
    "descriptors",
    "endpoint",
    "engine",
    "failure",
    "guards",
    "hex",
    "knobs",
    "logging",
    "outlet",
    "rate",
    "proxy",
    "reactor",
    "resolve",
    "services",
    "terminal",
    "tls",
    "tty",
    "units",
];
const CLIENT: &[&str] = &[
    "endpoint", "engine", "failure", "hex", "logging", "rate", "reactor", "resolve", "services",
    "terminal", "through", "tls", "tty", "units",
];
const TOP: &[&str] =
    &["admin_address", "engine", "failure", "reactor", "services", "terminal", "units"];
const BENCH: &[&str] = &[
    "descriptors",
    "endpoint",
    "engine",
    "failure",
    "outlet",
    "reactor",
    "resolve",
    "services",
    "splitmix",
    "terminal",
    "through",
    "tls",
    "units",
];

/// Which parts of `src` each part may use: strictly one way.
const USES: &[(&str, &[&str])] = &[
    ("append", &[]),
    ("splitmix", &[]),
    ("engine", &["splitmix"]),
    ("rate", &["engine"]),
    ("nats", &["splitmix", "tls"]),
    ("bus", &["append", "engine", "nats", "rate", "splitmix", "tls"]),
    ("services", &["append", "bus", "engine", "rate", "splitmix"]),
    ("spelling", &[]),
    ("guards", &["engine", "rate", "splitmix"]),
    ("proxy", &["engine"]),
    ("through", &["engine", "proxy", "tls"]),
    ("outlet", &[]),
    ("json", &["append"]),
    ("logging", &["json", "outlet", "reactor"]),
    ("hex", &["append", "engine", "logging", "units"]),
    ("reactor", &["engine", "guards"]),
    ("knobs", &["engine", "spelling", "units"]),
    ("endpoint", &["engine", "knobs", "services", "spelling"]),
    ("admin_address", &["endpoint", "engine", "resolve"]),
    ("units", &[]),
    ("terminal", &["reactor"]),
    ("tty", &["engine", "reactor", "services", "terminal"]),
    ("failure", &[]),
    ("resolve", &["services"]),
    ("tls", &["engine"]),
    ("descriptors", &[]),
    ("bench", BENCH),
    ("server", SERVER),
    ("client", CLIENT),
    ("top", TOP),
    (
        "cli",
        &[
            "append", "bench", "client", "endpoint", "failure", "outlet", "server", "services",
            "spelling", "top",
        ],
    ),
];

/// The parts of two folders: each may use those before it.
const LAYERS: &[(&str, &[&str])] = &[
    (
        "bench",
        &[
            "fields", "figures", "moment", "measure", "load", "report", "commands", "args",
            "flags", "run", "mod",
        ],
    ),
    (
        "client",
        &[
            "display",
            "waiting",
            "terminal",
            "connect",
            "piped",
            "pacer",
            "drops",
            "nicks",
            "introduction",
            "months",
            "echo",
            "greet",
            "talk",
            "chat",
            "request",
            "args",
            "mod",
        ],
    ),
];

/// Where something may be logged past the governor, how often in the file, and why no stranger can
/// bring about a flood of it.
const UNGOVERNED: &[(&str, usize)] = &[
    ("engine/mod.rs", 1),       // the governor's own count, once a second
    ("engine/operator.rs", 1),  // what the governor admits
    ("reactor/input.rs", 1),    // the operator's own input, which then is closed
    ("reactor/rest.rs", 1),     // once for a poll that fails
    ("reactor/serve.rs", 1),    // once in ten seconds
    ("reactor/kernel.rs", 1),   // once
    ("reactor/vanished.rs", 1), // once
    // A name of ours that another server has, once a second at most; too many servers, once.
    ("services/chat/far/people.rs", 2),
];

fn rust_files(folder: &str) -> Vec<(PathBuf, String)> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    assert!(!files.is_empty(), "no Rust files under {folder}");
    files
}

fn everywhere() -> Vec<(PathBuf, String)> {
    ["src", "tests", "benches", "examples"]
        .into_iter()
        .filter(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).is_dir())
        .flat_map(rust_files)
        .collect()
}

/// The text before the tests at the foot of a file.
fn product(text: &str) -> &str {
    text.split("\n#[cfg(test)]\nmod tests").next().unwrap()
}

fn complain(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_file_says_what_it_is_and_stays_readable() {
    let mut faults = Vec::new();
    for (path, text) in everywhere() {
        let name = path.display();
        if !text.starts_with("//!") {
            faults.push(format!("{name}: does not open with //!"));
        }
        let lines = product(&text).lines().count();
        if lines > FILE_LINES_MAX {
            faults.push(format!("{name}: {lines} lines before its tests"));
        }
        for (number, line) in text.lines().enumerate() {
            if line.chars().count() > COLUMNS_MAX {
                faults.push(format!("{name}:{}: over {COLUMNS_MAX} columns", number + 1));
            }
        }
    }
    complain(&faults);
}

#[test]
fn no_function_is_longer_than_a_page() {
    let mut faults = Vec::new();
    for (path, text) in rust_files("src") {
        let mut start = None;
        for (number, line) in product(&text).lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let begins = line.trim_start().split("fn ").next().is_some_and(|before| {
                line.contains("fn ")
                    && before
                        .split_whitespace()
                        .all(|word| word.starts_with("pub") || word == "const")
            });
            if begins && !line.trim_end().ends_with(['}', ';']) {
                start = Some((number, indent));
            }
            if let Some((begun, at)) = start.filter(|(_, at)| line.trim() == "}" && indent == *at) {
                let _ = at;
                if number - begun + 1 > FUNCTION_LINES_MAX {
                    faults.push(format!("{}:{}: a long function", path.display(), begun + 1));
                }
                start = None;
            }
        }
    }
    complain(&faults);
}

#[test]
fn the_pure_half_knows_no_socket_and_no_clock() {
    let banned = ["mio", "socket2", "rustix", "quinn_udp", "Instant", "SystemTime", "thread::"];
    let mut faults = Vec::new();
    let pure = ["engine", "guards", "nats", "rate", "services"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let part = |path: &Path| path.strip_prefix(&root).unwrap().with_extension("");
    let is_pure = |path: &Path| pure.iter().any(|pure| part(path).starts_with(pure));
    for (path, text) in rust_files("src").into_iter().filter(|(path, _)| is_pure(path)) {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !is_comment(line)) {
            for word in banned.iter().filter(|word| has_word(line, word)) {
                faults.push(format!("{}:{}: {word}", path.display(), number + 1));
            }
        }
    }
    complain(&faults);
}

#[test]
fn uses_go_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut faults = Vec::new();
    for (path, text) in rust_files("src") {
        let inside = path.strip_prefix(&root).unwrap().with_extension("");
        let part = inside.iter().next().unwrap().to_str().unwrap();
        let Some((_, allowed)) = USES.iter().find(|(name, _)| *name == part) else {
            assert!(["lib", "main"].contains(&part), "{part} has no row in USES");
            continue;
        };
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !is_comment(line)) {
            let Some((_, used)) = line.split_once("crate::") else { continue };
            let used = used.split([':', ';', ' ']).next().unwrap();
            let known = USES.iter().any(|(name, _)| *name == used);
            if known && used != part && !allowed.contains(&used) {
                faults.push(format!("{}:{}: {part} uses {used}", path.display(), number + 1));
            }
        }
    }
    complain(&faults);
}

#[test]
fn uses_within_the_bench_and_the_client_go_one_way() {
    let mut faults = Vec::new();
    for (folder, layers) in LAYERS {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder);
        let layer = |name: &str| layers.iter().position(|layer| *layer == name);
        let absolute = format!("crate::{folder}::");
        for (path, text) in rust_files(&format!("src/{folder}")) {
            let inside = path.strip_prefix(&root).unwrap().with_extension("");
            let part = inside.iter().next().unwrap().to_str().unwrap();
            let own = layer(part).unwrap_or_else(|| panic!("{folder}/{part} is not in LAYERS"));
            // In the folder itself, `super` is the whole, too.
            let is_outermost = inside.iter().count() == 1;
            let prefixes = [absolute.as_str(), if is_outermost { "super::" } else { &absolute }];
            for (number, line) in text.lines().enumerate().filter(|(_, line)| !is_comment(line)) {
                for used in prefixes.iter().filter_map(|prefix| line.split_once(prefix)) {
                    let used = used.1.split([':', ';', ' ']).next().unwrap();
                    if layer(used).is_some_and(|used| used > own) {
                        let place = format!("{}:{}", path.display(), number + 1);
                        faults.push(format!("{place}: {part} uses {used}"));
                    }
                }
            }
        }
    }
    complain(&faults);
}

#[test]
fn only_the_ring_is_unsafe_and_says_why() {
    let mut places = 0;
    // Only in `src`: the lint covers all, and this file has the words in strings.
    for (path, text) in rust_files("src") {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !is_comment(line)) {
            // Nothing unsafe gets past the lint without this.
            if line.contains("allow(unsafe_code") || line.contains("expect(unsafe_code") {
                assert!(
                    path.ends_with("reactor/uring/mod.rs"),
                    "{}:{}",
                    path.display(),
                    number + 1
                );
                let before: Vec<&str> = text.lines().take(number).collect();
                let argued = before.iter().rev().take(20).any(|line| line.contains("// SAFETY:"));
                assert!(argued, "{}:{}: no argument", path.display(), number + 1);
                places += 1;
            }
        }
    }
    assert_eq!(places, 1);
}

#[test]
fn whatever_a_stranger_can_cause_to_be_logged_passes_the_governor() {
    let levels = ["trace", "debug", "info", "warn", "error", "log"];
    let macros = levels.map(|level| format!("log::{level}!"));
    let calls = [&macros[..], &["log::logger()".into()]].concat();
    let near = ["src/engine", "src/guards", "src/reactor", "src/services"];
    for (path, text) in near.into_iter().flat_map(rust_files) {
        let written = product(&text).lines().filter(|line| {
            !is_comment(line) && calls.iter().any(|one| line.contains(one.as_str()))
        });
        let allowed = UNGOVERNED.iter().find(|(name, _)| path.ends_with(name));
        let (count, allowed) = (written.count(), allowed.map_or(0, |(_, count)| *count));
        assert_eq!(count, allowed, "{}: use Engine::remark", path.display());
    }
}

#[test]
fn only_the_reactor_names_mio() {
    for (path, text) in rust_files("src") {
        let named = text.lines().any(|line| !is_comment(line) && has_word(line, "mio"));
        let in_reactor = path.iter().any(|part| part == "reactor");
        assert!(!named || in_reactor, "{} names mio", path.display());
    }
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

fn has_word(line: &str, word: &str) -> bool {
    let is_inner = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_inner) && (word.ends_with(':') || !after.is_some_and(is_inner))
    })
}
