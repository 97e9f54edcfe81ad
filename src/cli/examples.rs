//! Examples for the help of each command.

pub(super) const ECHO_EXAMPLES: &str = "
Examples:
  cooee echo example.org              type lines; bye, Ctrl-D or Ctrl-C ends it
  printf 'hi\\n' | cooee echo [::1]:7  prints what comes back, to the last byte
  cooee echo --udp :7                 a datagram for each line, asked again if lost
  cooee echo -v                       and every step on the way

Exit status: 0 fine, 1 failed, 2 wrong usage.";

pub(super) const GREET_EXAMPLES: &str = "
Examples:
  cooee greet                  the greeting of the server on this machine
  cooee greet --read-size 6    in pieces of six bytes, then the whole";

pub(super) const TALK_EXAMPLES: &str = "
Examples:
  cooee talk example.org       type lines; BYE or Ctrl-D ends it
  printf 'hi\\nBYE\\n' | cooee talk";

pub(super) const CHAT_EXAMPLES: &str = "
Examples:
  cooee chat example.org --nick ann --room den
  printf 'hi all\\n' | cooee chat    says one thing and leaves

In the chat: /nick NAME, /who, /rooms, /join ROOM, /msg NAME TEXT, /me TEXT, /help; BYE leaves.";

pub(super) const MONTHS_EXAMPLES: &str = "
Examples:
  cooee months 2               February, from the server on this machine
  cooee months example.org 1 2 3
  cooee months example.org     asks you for integers, until 0
  seq 12 | cooee months        a filter";

pub(super) const SERVE_EXAMPLES: &str = "
Examples:
  cooee serve                                  all five services on 127.0.0.1
  cooee serve --host 0.0.0.0 --host ::         the same, for everybody
  cooee serve echo+udp://:7 chat://[::]:5001   these two, there
  cooee serve echo://:0 --announce ports.txt   on any free port, written to a file
  cooee serve greet --greeting 'You are {ip} port {port}\\n'
  cooee serve talk                             and answer clients by typing lines; /help

An ENDPOINT is SERVICE[+TRANSPORT][://[HOST][:PORT]], with IPv6 addresses in brackets.
SIGTERM or SIGINT: nobody new, what is queued goes out; a second one leaves at once.
Exit status: 0 fine, 1 failed, 2 wrong usage.";
