//! Who is in a chat, as far as its lines tell, and so how a word can go on that begins a name, a
//! room or a command.

use crate::services::chat::{has_head, is_name};

/// So many names and rooms are remembered; those not heard of for longest are forgotten.
const REMEMBERED_MAX: usize = 500;

/// With the blank that follows.
const COMMANDS: [&str; 8] =
    ["/help", "/join ", "/me ", "/msg ", "/nick ", "/quit", "/rooms", "/who"];

/// Names, whoever was heard of last first, so that Tab begins with whom one answers.
#[derive(Default)]
pub(super) struct Nicks {
    others: Vec<String>,
    rooms: Vec<String>,
    own: String,
    /// Whether there are others who have not been named: they were there before, or have come in a
    /// crowd.
    lacks_names: bool,
}

impl Nicks {
    /// Learns from a line of the server's, without its end.
    pub(super) fn hear(&mut self, line: &str) {
        if let Some(news) = line.strip_prefix("** ") {
            return self.hear_server(news);
        }
        let line = match line.strip_prefix("[earlier, ").and_then(|rest| rest.split_once("] ")) {
            Some((_, said)) => said,
            None => line,
        };
        if let Some(change) = line.strip_prefix("* ") {
            return self.hear_change(change);
        }
        let speaker = [("<", "> "), ("[from ", "] "), ("[to ", "] ")]
            .iter()
            .find_map(|(before, behind)| Some(line.strip_prefix(before)?.split_once(behind)?.0));
        if let Some(name) = speaker {
            self.come_first(name);
        }
    }

    /// Whether the server should be asked who is there. Told once.
    pub(super) fn take_lack(&mut self) -> bool {
        std::mem::take(&mut self.lacks_names)
    }

    /// `* ann joined`, or `* ann waves`.
    fn hear_change(&mut self, change: &str) {
        let Some((name, what)) = change.split_once(' ') else { return };
        match what {
            // A server of others, with its members.
            _ if what.starts_with("is gone, with ") || what.starts_with("is back, with ") => {}
            // Of `* 3 joined, 2 left`, in a crowd, the number is no name.
            _ if is_number(name) => self.lacks_names |= !what.starts_with("left"),
            "left" => self.others.retain(|other| other != name),
            _ => {
                let new = what.strip_prefix("is now ").filter(|new| is_address(new));
                if new.is_some() {
                    self.others.retain(|other| other != name);
                }
                self.come_first(new.unwrap_or(name));
            }
        }
    }

    /// `** You are now ann.`, and lists.
    fn hear_server(&mut self, news: &str) {
        let news = news.strip_prefix("Welcome! ").unwrap_or(news);
        let here = news.split_once(" (").and_then(|(_, rest)| rest.split_once(" here)"));
        self.lacks_names |= here.is_some_and(|(count, _)| is_number(count) && count != "1");
        if let Some(room) = news.strip_prefix("You are now in ") {
            remember(&mut self.rooms, first_word(room));
        } else if let Some(name) = news.strip_prefix("You are now ") {
            self.be_called(first_word(name));
        } else if let Some(name) = news.strip_prefix("You are ") {
            self.be_called(first_word(name));
        } else if let Some(rooms) = news.strip_prefix("Rooms: ") {
            listed(rooms).for_each(|room| remember(&mut self.rooms, room));
        } else if let Some(names) = names_in(news) {
            let names: Vec<&str> = listed(names).collect();
            names.into_iter().rev().for_each(|name| self.come_first(name));
        }
    }

    fn be_called(&mut self, name: &str) {
        name.clone_into(&mut self.own);
        self.others.retain(|other| other != name);
    }

    fn come_first(&mut self, name: &str) {
        if name != self.own {
            remember(&mut self.others, name);
        }
    }

    /// What can take the place of the last word of `head`.
    pub(super) fn completions(&self, head: &str) -> Vec<String> {
        let (before, word) = match head.rfind(char::is_whitespace) {
            Some(blank) => head.split_at(blank + 1),
            None => ("", head),
        };
        let begun = |known: &[String], behind: &str| -> Vec<String> {
            let known = known.iter().filter(|name| has_head(name, word));
            known.map(|name| format!("{name}{behind}")).collect()
        };
        match before.split_whitespace().next() {
            None if word.starts_with('/') => {
                let commands = COMMANDS.iter().filter(|command| has_head(command, word));
                commands.map(ToString::to_string).collect()
            }
            // Whoever is spoken to.
            None => begun(&self.others, ": "),
            Some("/join") => begun(&self.rooms, ""),
            Some(_) => begun(&self.others, " "),
        }
    }
}

/// Puts `name` at the head of `known`, unless it is none.
fn remember(known: &mut Vec<String>, name: &str) {
    if is_address(name) {
        known.retain(|other| other != name);
        known.insert(0, name.into());
        known.truncate(REMEMBERED_MAX);
    }
}

/// Whether `text` is a name, or `ann@north`: that of somebody on another server.
fn is_address(text: &str) -> bool {
    let (name, node) = text.split_once('@').unwrap_or((text, "here"));
    is_name(name.as_bytes()) && is_name(node.as_bytes())
}

/// Whether the server answers with `line` who is in a room: there, or on another server, which
/// comes right behind.
pub(super) fn list_in(line: &str) -> Option<List> {
    let news = line.trim_end().strip_prefix("** ")?;
    read_list(news.split_once(": ").map_or(news, |(head, _)| head))
}

/// Who is in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Here,
    Elsewhere,
}

/// The names in `3 in lobby: a, b, c`, or in `3 in lobby on north: a@north, b@north, c@north`.
fn names_in(news: &str) -> Option<&str> {
    let (head, names) = news.split_once(": ")?;
    read_list(head).map(|_| names)
}

/// The head of a list.
fn read_list(head: &str) -> Option<List> {
    let (count, place) = head.split_once(" in ")?;
    let (room, node) = place.split_once(" on ").unwrap_or((place, ""));
    let list = if node.is_empty() { List::Here } else { List::Elsewhere };
    let is_list = is_number(count) && is_name(room.as_bytes());
    (is_list && (node.is_empty() || is_name(node.as_bytes()))).then_some(list)
}

/// The names in `a, b (3), c and 5 more`.
fn listed(names: &str) -> impl Iterator<Item = &str> {
    names.split(", ").map(first_word)
}

/// Up to a blank or a full stop.
fn first_word(text: &str) -> &str {
    text.split([' ', '.', ',']).next().unwrap_or_default()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::chat::HELP;

    fn nicks(lines: &[&str]) -> Nicks {
        let mut nicks = Nicks::default();
        lines.iter().for_each(|line| nicks.hear(line));
        nicks
    }

    #[test]
    fn names_are_learnt_from_whatever_the_server_says_of_them() {
        for (lines, known) in [
            (&["<ann> hi <bob> there"][..], &["ann"][..]),
            (&["<ann> 1", "<bob> 2", "<ann> 3"], &["ann", "bob"]),
            (
                &["[earlier, 14:03 UTC] <ann> hi", "[earlier, 14:04 UTC] * bob waves"],
                &["bob", "ann"],
            ),
            (&["[from ann] psst", "[to bob] yes"], &["bob", "ann"]),
            (&["* ann joined", "* bob joined", "* ann left"], &["bob"]),
            (&["* ann joined", "* ann is now anna"], &["anna"]),
            (&["** 3 in lobby: ann, bob, guest7 and 9 more"], &["ann", "bob", "guest7"]),
            (&["<ann@north> hi", "* bob@south joined"], &["bob@south", "ann@north"]),
            (&["* ann@north joined", "* ann@north is now bea@north"], &["bea@north"]),
            (&["** 2 in lobby on north: ann@north, bea@north"], &["ann@north", "bea@north"]),
            (&["* north is gone, with 14 here", "* north is back, with 14 here"], &[]),
            (&["<ann@north@x> hi", "<@north> hi", "<ann@> hi"], &[]),
            (&["** You are now ann.", "** 2 in lobby: ann, bob", "<ann> me"], &["bob"]),
            (&["<ann> hi", "** Welcome! You are ann, in lobby (1 here)."], &[]),
            (&["* 3 joined, 2 left", "* 3 joined", "hello", "<>", "<a b> c", "** Goodbye!"], &[]),
        ] {
            assert_eq!(nicks(lines).others, known, "{lines:?}");
        }
    }

    #[test]
    fn a_word_goes_on_as_the_name_command_or_room_that_it_begins() {
        let nicks = nicks(&[
            "** Welcome! You are guest1, in lobby (1 here). Type /help for help, BYE to leave.",
            "<andy> 1",
            "<Ann> 2",
            "** Rooms: den (1), lobby (3)",
        ]);
        for (head, wanted) in [
            ("an", &["Ann: ", "andy: "][..]),
            ("and", &["andy: "]),
            ("hi an", &["Ann ", "andy "]),
            ("/msg AND", &["andy "]),
            ("/msg ", &["Ann ", "andy "]),
            ("/m", &["/me ", "/msg "]),
            ("/join d", &["den"]),
            ("/W", &["/who"]),
            ("x", &[]),
            ("é", &[]),
        ] {
            assert_eq!(nicks.completions(head), wanted, "{head:?}");
        }
    }

    #[test]
    fn tab_knows_the_commands_of_our_server() {
        let words = HELP.iter().filter_map(|line| line.split(' ').next());
        // With two slashes it is text.
        let is_command = |word: &&str| word.starts_with('/') && !word.starts_with("//");
        let mut helped: Vec<&str> = words.filter(is_command).collect();
        helped.sort_unstable();
        assert_eq!(COMMANDS.map(str::trim_end), helped[..]);
    }

    #[test]
    fn who_has_not_been_named_is_asked_for() {
        for (line, is_asked) in [
            ("** Welcome! You are guest2, in lobby (2 here). Type /help for help.", true),
            ("** Welcome! You are guest1, in lobby (1 here). Type /help for help.", false),
            ("** You are now in den (51 here).", true),
            ("** You are now in den (1 here).", false),
            ("* 3 joined, 2 left", true),
            ("* 2 renamed", true),
            ("* 2 left", false),
            ("* ann joined", false),
            ("<ann> 2 (2 here)", false),
        ] {
            let mut nicks = nicks(&[line]);
            assert_eq!((nicks.take_lack(), nicks.take_lack()), (is_asked, false), "{line}");
        }
        assert_eq!(list_in("** 3 in lobby: ann, bob, guest7 and 9 more"), Some(List::Here));
        for elsewhere in ["** 2 in lobby on north: ann@north and 1 more", "** 9 in lobby on north"]
        {
            assert_eq!(list_in(elsewhere), Some(List::Elsewhere));
        }
        for other in ["3 in lobby: ann", "** Rooms: den (1)", "** 3 in a lobby: x", "** Usage: x"] {
            assert_eq!(list_in(other), None, "{other}");
        }
    }

    #[test]
    fn a_crowd_does_not_grow_without_end() {
        let mut nicks = Nicks::default();
        (0..2 * REMEMBERED_MAX).for_each(|number| nicks.hear(&format!("<ann{number}> hi")));
        assert_eq!(nicks.others.len(), REMEMBERED_MAX);
        assert_eq!(nicks.others[0], format!("ann{}", 2 * REMEMBERED_MAX - 1));
    }
}
