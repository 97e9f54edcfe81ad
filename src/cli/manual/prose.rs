//! What manual pages say beyond the help: what a command does, its files, how it ends.

/// What one page says of its own.
pub(super) struct Prose {
    /// The words of the command, `cooee` and all.
    pub(super) command: &'static str,
    /// Its description: paragraphs with empty lines between them.
    pub(super) description: &'static str,
    /// Examples, where the help has none.
    pub(super) examples: &'static [&'static str],
    /// Files that it reads or writes, and what is in them.
    pub(super) files: &'static [(&'static str, &'static str)],
}

/// The pages that say more than the help.
pub(super) const PROSE: &[Prose] = &[
    Prose {
        command: "cooee",
        description: "\
cooee serves the little conversations that networks are tested and taught with: echo, greet, \
talk, chat and months. It talks to each of them as a client, and measures any server that speaks \
them. Each command has a page of its own, listed under SEE ALSO.

An ENDPOINT, which server, clients and bench write alike, is \
SERVICE[+TRANSPORT][://[HOST][:PORT]]: a service, perhaps on one transport (tcp or udp), at an \
address. IPv6 addresses stand in brackets. What is left out is the default of whoever asks; port \
0 is any free one. At a unix socket it is SERVICE+unix:///PATH or, without a file, \
SERVICE+unix://@NAME.",
        examples: &[
            "cooee serve                       all five services, on this machine only",
            "cooee echo                        and, beside it, a client",
            "printf 'hi\\n' | cooee echo --hex  the bytes of the conversation",
            "cooee bench tcp_rr                how fast it is",
            "cooee manual serve | man -l -     more about one of them",
        ],
        files: &[(
            "none",
            "It reads no configuration but what cooee serve is given by --config, and leaves \
             nothing behind but what it is told to write.",
        )],
    },
    Prose {
        command: "cooee serve",
        description: "\
Serves what the ENDPOINTs name, or all five services, in one process and one thread, until a \
signal or the operator ends it. Nothing is exposed unasked: without --host it listens on \
127.0.0.1. If one address cannot be bound, nothing is started.

Flags may also come from the environment (COOEE_MAX_CONNECTIONS=100 for --max-connections; the \
endpoints are COOEE_ENDPOINTS) and from a file, --config FILE, in TOML: max-connections = 100, \
allow = [\"10.0.0.0/8\"], no-uring = true, endpoints = [\"echo\", \"chat\"]. A flag beats \
the environment, and that beats the file. With a file SIGHUP has all of it read again: what can \
change does, for those who are connected too, what cannot is named, and a mistake changes nothing. \
Without one SIGHUP ends the server.

Sockets that are passed by a service manager (LISTEN_FDS, named after services by LISTEN_FDNAMES) \
are served; without endpoints nothing else is.

The log goes to standard error. What clients of talk say is shown on standard output, and lines \
read from standard input are commands or answers: see CONSOLE COMMANDS.",
        examples: &[],
        files: &[
            (
                "--announce FILE",
                "The endpoints, one a line with their real ports, written once all of them listen. \
                 A regular file is written in one step and removed at the end; anything else of \
                 that name is written to.",
            ),
            (
                "--config FILE",
                "Flags, as TOML: each key is the name of a long flag; endpoints are what to serve.",
            ),
        ],
    },
    Prose {
        command: "cooee echo",
        description: "\
Sends what you type, or what is piped into it, to an echo server and prints what comes back. On \
a terminal lines are edited and go out one by one; in a pipe it is a filter that keeps every \
byte, and ends when both sides are done.",
        examples: &[],
        files: &[],
    },
    Prose {
        command: "cooee greet",
        description: "\
Prints what a greet server says, until it closes.",
        examples: &[],
        files: &[],
    },
    Prose {
        command: "cooee talk",
        description: "\
Talks to the operator of a server, line by line, until either of you says BYE. Between two \
people who take turns as well as between two who do not.",
        examples: &[],
        files: &[],
    },
    Prose {
        command: "cooee chat",
        description: "\
Joins a room and shows what everybody there says. What you type goes to all of them; lines that \
begin with a slash are commands of the server: see CHAT COMMANDS.",
        examples: &[],
        files: &[],
    },
    Prose {
        command: "cooee months",
        description: "\
Asks a months server, over UDP, for the names of months: those given, those piped into it, or \
those you type. What is not answered is asked again.",
        examples: &[],
        files: &[],
    },
    Prose {
        command: "cooee bench",
        description: "\
Measures a server: ours, which is started as a second process, or any that speaks the service. \
Every answer is checked byte for byte, and a wrong byte fails the run.

Without --rate the loop is closed: a connection asks again when it has been answered. With it \
the loop is open: requests are due at their time whatever the server does, and latency counts \
from then.",
        examples: &[],
        files: &[
            ("--json FILE", "The result with its histograms, for compare and merge."),
            ("--html FILE", "One page with plots and tables that needs nothing else."),
            ("--csv FILE, --markdown FILE", "The result as rows, or as a table for people."),
        ],
    },
    Prose {
        command: "cooee bench compare",
        description: "\
Tells whether two results, or two sets of runs, differ by more than chance, figure by figure.",
        examples: &[],
        files: &[],
    },
    Prose {
        command: "cooee bench merge",
        description: "\
Adds up the results of several generators that have measured one server at the same time.",
        examples: &[],
        files: &[],
    },
    #[cfg(feature = "admin")]
    Prose {
        command: "cooee top",
        description: "\
Shows what a server that was started with --admin is doing: rates over the last minute, services, \
the peers that matter, and what was refused. On a terminal four frames a second are drawn in \
place, until q or Ctrl-C; elsewhere it prints a line a second. A server that goes away is waited \
for.",
        examples: &[],
        files: &[],
    },
    #[cfg(feature = "admin")]
    Prose {
        command: "cooee health",
        description: "\
Asks a server that was started with --admin whether it takes newcomers in (/readyz), prints the \
answer, and exits 0 or 1. It needs no shell, so the HEALTHCHECK of a container can be \
[\"/cooee\", \"health\"].",
        examples: &[],
        files: &[],
    },
    Prose {
        command: "cooee completions",
        description: "\
Prints a script that has the shell complete the commands, flags and endpoints of cooee.",
        examples: &[
            "cooee completions bash > ~/.local/share/bash-completion/completions/cooee",
            "cooee completions fish > ~/.config/fish/completions/cooee.fish",
            "cooee completions zsh > ~/.zfunc/_cooee      a folder of fpath",
        ],
        files: &[],
    },
    Prose {
        command: "cooee manual",
        description: "\
Prints a page of this manual, for man -l -, or writes all of them to a directory, where man(1) \
finds them if its path (manpath) has the folder above.",
        examples: &[
            "cooee manual bench compare | man -l -",
            "cooee manual --dir ~/.local/share/man/man1   then: man cooee-serve",
        ],
        files: &[("--dir DIR", "Each page under its own name, such as cooee-serve.1.")],
    },
];

/// What the environment changes, for all commands.
pub(super) const ENVIRONMENT: &[(&str, &str)] = &[
    ("RUST_LOG", "What is logged, such as debug or cooee::engine=trace; goes before -v and -q."),
    ("NO_COLOR", "If set and not empty, nothing is coloured."),
    ("TERM", "If dumb or unset, lines are not edited and nothing is drawn."),
];

/// And for `cooee serve`.
pub(super) const SERVE_ENVIRONMENT: &[(&str, &str)] = &[
    (
        "COOEE_...",
        "Each long flag in upper case, with _ for -: COOEE_CHAT_RATE=5/s. Lists have commas or \
         blanks, flags without a value 1 or 0. COOEE_CONFIG names the file. Empty means unset.",
    ),
    (
        "LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES",
        "Sockets that are open already, and the services that they are for.",
    ),
    (
        "NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID",
        "Where a service manager is told how the server is, and how often.",
    ),
];

/// How commands end.
pub(super) const STATUS: &[(&str, &str)] =
    &[("0", "All went well."), ("1", "It has failed; one line says why."), ("2", "Wrong usage.")];

/// How measuring ends beyond that.
pub(super) const BENCH_STATUS: (&str, &str) =
    ("3", "Measured, but not good enough: a wrong byte, or --fail-over exceeded.");

/// How a signal ends all but the server.
pub(super) const SIGNAL_STATUS: (&str, &str) = (
    "130, 143",
    "What a shell shows if Ctrl-C or SIGTERM has ended it, for it dies of that signal. A server \
     leaves in order, with 0.",
);

impl Prose {
    /// What the page of that command says.
    pub(super) fn of(command: &str) -> Option<&'static Prose> {
        PROSE.iter().find(|prose| prose.command == command)
    }
}
