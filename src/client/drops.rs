//! How many of a filter's lines a chat server has dropped, as far as it tells: our server says so
//! when it begins, and how many there were when one leaves.

/// What the server's lines about that begin with.
const TOO_FAST: &str = "** Too fast";
const TOO_LONG: &str = "** A line may have at most";

/// Lines that were dropped.
#[derive(Default)]
pub(super) struct Drops {
    /// How often the server has said that it began to drop lines.
    complaints: u64,
    too_long: u64,
    /// How many came too fast, once the server has said so.
    told: Option<u64>,
}

impl Drops {
    /// Takes note of a line of the server's. True: it complains of our pace.
    pub(super) fn hear(&mut self, line: &str) -> bool {
        let is_complaint = line.starts_with(TOO_FAST);
        self.complaints += u64::from(is_complaint);
        self.too_long += u64::from(line.starts_with(TOO_LONG));
        let count = line.strip_prefix("** ").and_then(|rest| rest.split_once(" of your line"));
        if let Some((count, _)) = count {
            self.told = count.parse().ok().or(self.told);
        }
        is_complaint
    }

    /// What is to be complained of, if `said` lines were said; `None`: all were taken.
    pub(super) fn complaint(&self, said: u64) -> Option<String> {
        let too_fast = self.told.unwrap_or(self.complaints);
        let count = too_fast + self.too_long;
        let least = if self.told.is_none() && self.complaints > 0 { "at least " } else { "" };
        let were = if count == 1 { "was" } else { "were" };
        let why = match (too_fast, self.too_long) {
            (0, 0) => return None,
            (_, 0) => "the server takes fewer in a second; try a lower --rate",
            (0, _) => "longer than the server takes",
            (_, _) => "too long for the server, or too fast; try a lower --rate",
        };
        Some(format!("{least}{count} of {said} lines {were} dropped: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: &str = "** Too fast: what you send is dropped until you slow down.";
    const LONG: &str =
        "** A line may have at most 1,024 bytes; that one was longer and is dropped.";

    #[test]
    fn what_the_server_has_dropped_is_told_as_exactly_as_it_tells() {
        let last = "** 7 of your lines were dropped: they came too fast.";
        for (lines, complaint) in [
            (&["** Welcome!", "<ann> ** Too fast", "[from ann] 7 of your lines"][..], None),
            (&[FAST, FAST], Some("at least 2 of 9 lines were dropped: the server takes fewer")),
            (&[FAST, last], Some("7 of 9 lines were dropped: the server takes fewer")),
            (&[LONG], Some("1 of 9 lines was dropped: longer than the server takes")),
            (&[FAST, LONG, last], Some("8 of 9 lines were dropped: too long for the server, or")),
        ] {
            let mut drops = Drops::default();
            let paces = lines.iter().filter(|line| drops.hear(line)).count();
            assert_eq!(paces, lines.iter().filter(|line| **line == FAST).count());
            let told = drops.complaint(9);
            assert_eq!(told.is_some(), complaint.is_some(), "{told:?}");
            assert!(told.unwrap_or_default().starts_with(complaint.unwrap_or_default()));
        }
    }
}
