//! Who comes and goes in a crowded room: counted for a while, and told of in one line.

use super::names::Name;
use crate::engine::Time;

/// What the others are told of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Joined,
    Left,
    Renamed(Name),
}

/// How many changes there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) joined: u32,
    pub(super) left: u32,
    pub(super) renamed: u32,
}

impl Changes {
    pub(super) fn count(&mut self, change: Change) {
        let one = match change {
            Change::Joined => Changes { joined: 1, ..Changes::default() },
            Change::Left => Changes { left: 1, ..Changes::default() },
            Change::Renamed(_) => Changes { renamed: 1, ..Changes::default() },
        };
        self.add(one);
    }

    pub(super) fn add(&mut self, more: Changes) {
        self.joined = self.joined.saturating_add(more.joined);
        self.left = self.left.saturating_add(more.left);
        self.renamed = self.renamed.saturating_add(more.renamed);
    }

    fn line(&self) -> String {
        let counts = [(self.joined, "joined"), (self.left, "left"), (self.renamed, "renamed")];
        let told = counts.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> = told.map(|(count, what)| format!("{count} {what}")).collect();
        format!("* {}\n", parts.join(", "))
    }
}

/// Changes in a crowded room that will be told of in one line.
#[derive(Clone, Copy, Default)]
pub(super) struct RoomTally {
    pub(super) due: Option<Time>,
    /// Of members of this server.
    pub(super) here: Changes,
    /// Of members of others.
    pub(super) elsewhere: Changes,
}

impl RoomTally {
    /// What the room is told.
    pub(super) fn line(&self) -> String {
        let mut all = self.here;
        all.add(self.elsewhere);
        all.line()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_others_say_that_there_were_one_more_is_counted() {
        let most = Changes { joined: u32::MAX, left: u32::MAX, renamed: u32::MAX };
        let mut tally = RoomTally { elsewhere: most, ..RoomTally::default() };
        tally.elsewhere.count(Change::Joined);
        tally.elsewhere.count(Change::Left);
        tally.here.count(Change::Left);
        assert_eq!(tally.line(), "* 4294967295 joined, 4294967295 left, 4294967295 renamed\n");
    }
}
