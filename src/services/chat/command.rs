//! What a member means by a line. Whether it may do that is not decided here.

use crate::services::lines::{is_bye, without_padding};

/// A line, understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ChatCommand<'a> {
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
    /// A command without its arguments; how it is used.
    Misused(&'static str),
    /// There is no command of that name.
    Unknown(&'a [u8]),
}

/// What `/help` says, line by line.
pub(crate) const HELP: [&str; 10] = [
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

/// What `line`, without its line ending, means.
pub(super) fn parse(line: &[u8]) -> ChatCommand<'_> {
    let line = without_padding(line);
    match line {
        _ if is_bye(line) => ChatCommand::Leave,
        _ if line.trim_ascii().is_empty() => ChatCommand::Nothing,
        [b'/', b'/', ..] => ChatCommand::Say(&line[1..]),
        [b'/', command @ ..] => parse_command(command),
        _ => ChatCommand::Say(line),
    }
}

/// The length of the longest command, `rooms`.
const LONGEST: usize = 5;

fn parse_command(command: &[u8]) -> ChatCommand<'_> {
    let (word, rest) = split_word(command);
    let mut folded = [0; LONGEST];
    let Some(folded) = folded.get_mut(..word.len()) else { return ChatCommand::Unknown(word) };
    folded.copy_from_slice(word);
    folded.make_ascii_lowercase();
    match &*folded {
        b"nick" if rest.is_empty() => ChatCommand::Misused("/nick NAME"),
        b"nick" => ChatCommand::Nick(rest),
        b"join" if rest.is_empty() => ChatCommand::Misused("/join ROOM"),
        b"join" => ChatCommand::Join(rest),
        b"me" if rest.is_empty() => ChatCommand::Misused("/me TEXT"),
        b"me" => ChatCommand::Act(rest),
        b"msg" => match split_word(rest) {
            (_, []) => ChatCommand::Misused("/msg NAME TEXT"),
            (to, text) => ChatCommand::Message { to, text },
        },
        b"who" => ChatCommand::Who,
        b"rooms" => ChatCommand::Rooms,
        b"help" => ChatCommand::Help,
        b"quit" => ChatCommand::Leave,
        _ => ChatCommand::Unknown(word),
    }
}

/// The first word of `text`, and the rest, trimmed.
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
        assert_eq!(parse(b" hello /who "), ChatCommand::Say(b" hello /who "));
        assert_eq!(parse(b"//who"), ChatCommand::Say(b"/who"));
        assert_eq!(parse(b"///"), ChatCommand::Say(b"//"));
        assert_eq!(parse(b"bye"), ChatCommand::Say(b"bye"));
        assert_eq!(parse(b"BYE now"), ChatCommand::Say(b"BYE now"));
        for bye in [&b"BYE"[..], b"BYE ", b" BYE\t", b"BYE\0\0"] {
            assert_eq!(parse(bye), ChatCommand::Leave);
        }
        assert_eq!(parse(b"\0\0/who\0"), ChatCommand::Who);
        assert_eq!(parse(b"\0"), ChatCommand::Nothing);
        assert_eq!(parse(b""), ChatCommand::Nothing);
        assert_eq!(parse(b" \t"), ChatCommand::Nothing);
    }

    #[test]
    fn commands_may_have_blanks_around_their_arguments_and_any_case() {
        assert_eq!(parse(b"/nick  ann "), ChatCommand::Nick(b"ann"));
        assert_eq!(parse(b"/JOIN rust"), ChatCommand::Join(b"rust"));
        assert_eq!(parse(b"/me waves  twice "), ChatCommand::Act(b"waves  twice"));
        let message = ChatCommand::Message { to: b"ann", text: b"hi  there" };
        assert_eq!(parse(b"/msg ann  hi  there"), message);
        assert_eq!(parse(b"/who "), ChatCommand::Who);
        assert_eq!(parse(b"/rooms"), ChatCommand::Rooms);
        assert_eq!(parse(b"/help me"), ChatCommand::Help);
        assert_eq!(parse(b"/quit"), ChatCommand::Leave);
    }

    #[test]
    fn what_is_missing_or_unknown_is_found_out() {
        assert_eq!(parse(b"/nick"), ChatCommand::Misused("/nick NAME"));
        assert_eq!(parse(b"/join "), ChatCommand::Misused("/join ROOM"));
        assert_eq!(parse(b"/me"), ChatCommand::Misused("/me TEXT"));
        assert_eq!(parse(b"/msg"), ChatCommand::Misused("/msg NAME TEXT"));
        assert_eq!(parse(b"/msg ann "), ChatCommand::Misused("/msg NAME TEXT"));
        assert_eq!(parse(b"/dance now"), ChatCommand::Unknown(b"dance"));
        assert_eq!(parse(b"/ who"), ChatCommand::Unknown(b""));
        assert_eq!(parse(b"/roomservice"), ChatCommand::Unknown(b"roomservice"));
        assert_eq!(parse(b"/\xff"), ChatCommand::Unknown(b"\xff"));
    }
}
