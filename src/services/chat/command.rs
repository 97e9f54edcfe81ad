//! What a member means by a line. Says nothing about whether it may.

use crate::services::lines::{is_bye, without_padding};

/// A line, understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    /// An empty line.
    Nothing,
    Say(&'a [u8]),
    /// What the member does: `/me waves`.
    Act(&'a [u8]),
    Nick(&'a [u8]),
    Join(&'a [u8]),
    Message {
        to: &'a [u8],
        text: &'a [u8],
    },
    Who,
    Rooms,
    Help,
    Leave,
    /// A command without what it needs; how it is used.
    Misused(&'static str),
    /// No such command; its name.
    Unknown(&'a [u8]),
}

/// What `/help` says, line by line.
pub(super) const HELP: [&str; 10] = [
    "What you type goes to everybody in your room. Commands:",
    "/nick NAME      change your name",
    "/who            who is in this room",
    "/rooms          which rooms there are",
    "/join ROOM      go to another room, or open a new one",
    "/msg NAME TEXT  tell one person only",
    "/me TEXT        say what you are doing",
    "//TEXT          say something that begins with a slash",
    "/help           this",
    "/quit or BYE    leave",
];

/// What `line`, without its line end, means.
pub(super) fn parse(line: &[u8]) -> Command<'_> {
    let line = without_padding(line);
    match line {
        _ if is_bye(line) => Command::Leave,
        _ if line.trim_ascii().is_empty() => Command::Nothing,
        [b'/', b'/', ..] => Command::Say(&line[1..]),
        [b'/', command @ ..] => parse_command(command),
        _ => Command::Say(line),
    }
}

/// The length of the longest command, `rooms`.
const LONGEST: usize = 5;

fn parse_command(command: &[u8]) -> Command<'_> {
    let (word, rest) = split_word(command);
    let mut folded = [0; LONGEST];
    let Some(folded) = folded.get_mut(..word.len()) else { return Command::Unknown(word) };
    folded.copy_from_slice(word);
    folded.make_ascii_lowercase();
    match &*folded {
        b"nick" if rest.is_empty() => Command::Misused("/nick NAME"),
        b"nick" => Command::Nick(rest),
        b"join" if rest.is_empty() => Command::Misused("/join ROOM"),
        b"join" => Command::Join(rest),
        b"me" if rest.is_empty() => Command::Misused("/me TEXT"),
        b"me" => Command::Act(rest),
        b"msg" => match split_word(rest) {
            (_, []) => Command::Misused("/msg NAME TEXT"),
            (to, text) => Command::Message { to, text },
        },
        b"who" => Command::Who,
        b"rooms" => Command::Rooms,
        b"help" => Command::Help,
        b"quit" => Command::Leave,
        _ => Command::Unknown(word),
    }
}

/// The first word of `text`, and the rest without blanks around it.
pub(super) fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    (word, rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_speech_unless_they_begin_with_one_slash() {
        assert_eq!(parse(b" hello /who "), Command::Say(b" hello /who "));
        assert_eq!(parse(b"//who"), Command::Say(b"/who"));
        assert_eq!(parse(b"///"), Command::Say(b"//"));
        assert_eq!(parse(b"bye"), Command::Say(b"bye"));
        assert_eq!(parse(b"BYE now"), Command::Say(b"BYE now"));
        for bye in [&b"BYE"[..], b"BYE ", b" BYE\t", b"BYE\0\0"] {
            assert_eq!(parse(bye), Command::Leave);
        }
        assert_eq!(parse(b"\0\0/who\0"), Command::Who);
        assert_eq!(parse(b"\0"), Command::Nothing);
        assert_eq!(parse(b""), Command::Nothing);
        assert_eq!(parse(b" \t"), Command::Nothing);
    }

    #[test]
    fn commands_may_have_blanks_around_what_they_need_and_any_case() {
        assert_eq!(parse(b"/nick  ann "), Command::Nick(b"ann"));
        assert_eq!(parse(b"/JOIN rust"), Command::Join(b"rust"));
        assert_eq!(parse(b"/me waves  twice "), Command::Act(b"waves  twice"));
        let message = Command::Message { to: b"ann", text: b"hi  there" };
        assert_eq!(parse(b"/msg ann  hi  there"), message);
        assert_eq!(parse(b"/who "), Command::Who);
        assert_eq!(parse(b"/rooms"), Command::Rooms);
        assert_eq!(parse(b"/help me"), Command::Help);
        assert_eq!(parse(b"/quit"), Command::Leave);
    }

    #[test]
    fn what_is_missing_or_unknown_is_found_out() {
        assert_eq!(parse(b"/nick"), Command::Misused("/nick NAME"));
        assert_eq!(parse(b"/join "), Command::Misused("/join ROOM"));
        assert_eq!(parse(b"/me"), Command::Misused("/me TEXT"));
        assert_eq!(parse(b"/msg"), Command::Misused("/msg NAME TEXT"));
        assert_eq!(parse(b"/msg ann "), Command::Misused("/msg NAME TEXT"));
        assert_eq!(parse(b"/dance now"), Command::Unknown(b"dance"));
        assert_eq!(parse(b"/ who"), Command::Unknown(b""));
        assert_eq!(parse(b"/roomservice"), Command::Unknown(b"roomservice"));
        assert_eq!(parse(b"/\xff"), Command::Unknown(b"\xff"));
    }
}
