//! What names members and rooms may have, and which member has which name.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt;
use std::io::Write;

use crate::engine::Peer;

/// The longest name.
const NAME_BYTES: usize = 20;
/// Names that would give a member an authority that it does not have, in lower case.
const RESERVED: [&str; 2] = ["server", "operator"];
/// A newcomer's name is this and a number.
const GUEST: &[u8] = b"guest";

/// What a name may consist of, in words.
pub(crate) const NAME_RULE: &str = "1 to 20 of the letters a-z and A-Z, digits, - and _";

/// A well-formed name. Small, and without memory on the heap.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    /// ASCII, padded with zeros, so that the bytes have the order of the names.
    bytes: [u8; NAME_BYTES],
    length: u8,
}

/// Whether `text` is a well-formed name, as `NAME_RULE` has it.
pub(crate) fn is_name(text: &[u8]) -> bool {
    (1..=NAME_BYTES).contains(&text.len()) && text.iter().all(is_of_name)
}

fn is_of_name(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// What of `text` a well-formed name may have in it, or nothing.
#[cfg(feature = "bus")]
pub(crate) fn name_in(text: &str) -> String {
    text.bytes().filter(is_of_name).take(NAME_BYTES).map(char::from).collect()
}

impl Name {
    /// `text` as a name, if it is well-formed.
    pub(super) fn parse(text: &[u8]) -> Option<Name> {
        if !is_name(text) {
            return None;
        }
        let mut bytes = [0; NAME_BYTES];
        bytes[..text.len()].copy_from_slice(text);
        Some(Name { bytes, length: u8::try_from(text.len()).ok()? })
    }

    fn guest(number: u32) -> Name {
        let mut bytes = [0; NAME_BYTES];
        // It always fits: 5 letters and at most 10 digits.
        let _ = write!(&mut bytes[..], "guest{number}");
        let length = bytes.iter().take_while(|byte| **byte != 0).count();
        Name { bytes, length: u8::try_from(length).unwrap_or_default() }
    }

    /// The name as it is written.
    pub(super) fn as_str(&self) -> &str {
        // It is always valid: ASCII.
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }

    /// The name as it is compared: without regard to case.
    pub(super) fn folded(mut self) -> Name {
        self.bytes.make_ascii_lowercase();
        self
    }

    /// The number in a guest's name, in upper or lower case; `None`: it is not one.
    fn guest_digits(&self) -> Option<&str> {
        let (head, digits) = self.as_str().split_at_checked(GUEST.len())?;
        let is_guest = head.as_bytes().eq_ignore_ascii_case(GUEST)
            && !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_guest.then_some(digits)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a member may not have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameRefusal {
    Malformed,
    Reserved,
    Guest,
    Taken,
    Unchanged,
}

impl fmt::Display for NameRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameRefusal::Malformed => write!(f, "A name is {NAME_RULE}."),
            NameRefusal::Reserved => f.write_str("That name is reserved."),
            NameRefusal::Guest => f.write_str("Only guests are called guest and a number."),
            NameRefusal::Taken => f.write_str("That name is taken."),
            NameRefusal::Unchanged => f.write_str("That is your name already."),
        }
    }
}

impl NameRefusal {
    const ALL: [NameRefusal; 5] = [
        NameRefusal::Malformed,
        NameRefusal::Reserved,
        NameRefusal::Guest,
        NameRefusal::Taken,
        NameRefusal::Unchanged,
    ];
}

/// Whether `text` is what a member is told that does not get the name it wants.
pub(crate) fn is_name_refusal(text: &str) -> bool {
    NameRefusal::ALL.iter().any(|refusal| refusal.to_string() == text)
}

/// Whether `text` is what a member is told that has that name already.
pub(crate) fn is_own_name(text: &str) -> bool {
    NameRefusal::Unchanged.to_string() == text
}

/// Which member has which name. Each name is given once, without regard to case.
#[derive(Default)]
pub(super) struct Names {
    bearers: BTreeMap<Name, Peer>,
    /// The highest number that a guest has had.
    guests: u32,
    /// The numbers up to that one that are free.
    free: BinaryHeap<Reverse<u32>>,
}

impl Names {
    /// Gives `peer` the lowest guest number that is free.
    pub(super) fn name_guest(&mut self, peer: Peer) -> Name {
        let number = match self.free.pop() {
            Some(Reverse(number)) => number,
            None => {
                self.guests += 1;
                self.guests
            }
        };
        let name = Name::guest(number);
        self.bearers.insert(name, peer);
        name
    }

    /// Renames `peer`, which has the name `old`, as it wishes.
    pub(super) fn rename(
        &mut self,
        peer: Peer,
        old: Name,
        wish: &[u8],
    ) -> Result<Name, NameRefusal> {
        let name = Name::parse(wish).ok_or(NameRefusal::Malformed)?;
        let folded = name.folded();
        if name == old {
            return Err(NameRefusal::Unchanged);
        }
        if RESERVED.contains(&folded.as_str()) {
            return Err(NameRefusal::Reserved);
        }
        if name.guest_digits().is_some() {
            return Err(if folded == old { NameRefusal::Unchanged } else { NameRefusal::Guest });
        }
        if self.bearers.get(&folded).is_some_and(|bearer| *bearer != peer) {
            return Err(NameRefusal::Taken);
        }
        self.release(old);
        self.bearers.insert(folded, peer);
        Ok(name)
    }

    /// Nobody has `name` any more.
    pub(super) fn release(&mut self, name: Name) {
        self.bearers.remove(&name.folded());
        // Nobody but a guest ever has such a name.
        if let Some(Ok(number)) = name.guest_digits().map(str::parse) {
            self.free.push(Reverse(number));
        }
    }

    /// Gives back room once nobody is there.
    pub(super) fn trim(&mut self) {
        if self.bearers.is_empty() {
            (self.guests, self.free) = Default::default();
        }
    }

    /// Who has that name.
    pub(super) fn find(&self, name: &[u8]) -> Option<Peer> {
        self.bearers.get(&Name::parse(name)?.folded()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u64) -> Peer {
        Peer::from_bits(number)
    }

    #[test]
    fn names_are_short_and_of_plain_characters() {
        for good in ["a", "Ann-Marie_2", "12345678901234567890"] {
            assert_eq!(Name::parse(good.as_bytes()).unwrap().as_str(), good);
        }
        for bad in ["", "123456789012345678901", "two words", "Zoë", "a.b", "a\0", "\x1b[1m"] {
            assert!(Name::parse(bad.as_bytes()).is_none(), "{bad:?}");
        }
        assert_eq!(Name::guest(u32::MAX).as_str(), "guest4294967295");
    }

    #[test]
    fn names_are_given_as_before_once_room_was_given_back() {
        let mut names = Names::default();
        let (first, second) = (names.name_guest(peer(1)), names.name_guest(peer(2)));
        names.release(first);
        names.trim();
        assert_eq!(names.name_guest(peer(3)).as_str(), "guest1");
        names.release(first);
        names.release(second);
        names.trim();
        assert_eq!(names.free.capacity(), 0);
        assert_eq!(names.name_guest(peer(4)).as_str(), "guest1");
        assert_eq!(names.name_guest(peer(5)).as_str(), "guest2");
    }

    #[test]
    fn guests_get_the_lowest_number_that_is_free() {
        let mut names = Names::default();
        let given: Vec<Name> = (0..4).map(|number| names.name_guest(peer(number))).collect();
        let shown: Vec<&str> = given.iter().map(Name::as_str).collect();
        assert_eq!(shown, ["guest1", "guest2", "guest3", "guest4"]);
        names.release(given[2]);
        names.rename(peer(1), given[1], b"ann").unwrap();
        assert_eq!(names.name_guest(peer(5)).as_str(), "guest2");
        assert_eq!(names.name_guest(peer(6)).as_str(), "guest3");
        assert_eq!(names.name_guest(peer(7)).as_str(), "guest5");
    }

    #[test]
    fn nobody_takes_a_name_of_others_or_of_authority() {
        let mut names = Names::default();
        let (one, two) = (names.name_guest(peer(1)), names.name_guest(peer(2)));
        let ann = names.rename(peer(1), one, b"Ann").unwrap();
        let mut refused = |wish: &[u8]| names.rename(peer(2), two, wish).err();
        assert_eq!(refused(b"aNN"), Some(NameRefusal::Taken));
        for wish in [&b"Server"[..], b"SERVER", b"operator", b"Operator"] {
            assert_eq!(refused(wish), Some(NameRefusal::Reserved));
        }
        for wish in [&b"guest1"[..], b"GUEST77", b"guest02", b"guest99999999999"] {
            assert_eq!(refused(wish), Some(NameRefusal::Guest));
        }
        assert_eq!(refused(b"guest2"), Some(NameRefusal::Unchanged));
        assert_eq!(refused(b"Guest2"), Some(NameRefusal::Unchanged));
        assert_eq!(refused(b"no spaces"), Some(NameRefusal::Malformed));
        assert_eq!(refused(b"guest"), None);
        assert_eq!(names.find(b"ANN"), Some(peer(1)));
        assert_eq!(names.rename(peer(1), ann, b"ANN").unwrap().as_str(), "ANN");
    }

    #[test]
    fn a_name_that_was_given_up_can_be_taken() {
        let mut names = Names::default();
        let (one, two) = (names.name_guest(peer(1)), names.name_guest(peer(2)));
        let ann = names.rename(peer(1), one, b"ann").unwrap();
        names.release(ann);
        assert_eq!(names.find(b"ann"), None);
        assert!(names.rename(peer(2), two, b"ann").is_ok());
        assert_eq!(names.find(b"Ann"), Some(peer(2)));
    }
}
