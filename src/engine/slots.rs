//! Who is who: `Peer` names one connection for ever, `Slots` holds what belongs to a connection,
//! `Table` is what others remember about it.
//!
//! A slab reuses its keys at once, so a key alone may come to mean the next connection. A `Peer`
//! therefore carries a serial number as well, which is never given twice and is the number that
//! logs and the console print. Whoever asks with a `Peer` of the past finds nothing.

use std::fmt;
use std::ops::Range;

use slab::Slab;

/// Bits of a `Peer` that say which slot: at most 4,194,304 connections at once.
const SLOT_BITS: u32 = 22;
/// Bits that say which connection: 2^40, at 50,000 new ones a second enough for 250 days.
const SERIAL_BITS: u32 = 40;

/// The most connections that can be open at once.
pub const SLOTS_MAX: usize = 1 << SLOT_BITS;

/// The first connection reserves room for so many. That costs addresses, not memory: a page of it
/// becomes memory when a row there is used. Growing from a few rows instead would leave behind the
/// smaller pieces it grew out of.
pub(super) const ROWS_RESERVED: usize = 16 * 1024;

/// Names one connection, ever: 22 bits of slot and 40 of serial number. Prints as `#1042`, the
/// number that logs show. Only the engine makes them; who asks for one that is gone finds nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer(u64);

impl Peer {
    /// `Peer::to_bits` never uses more than this many low bits, so that an epoll token has two
    /// bits left to say what kind of thing it names.
    pub const BITS: u32 = SLOT_BITS + SERIAL_BITS;

    fn new(slot: usize, serial: u64) -> Peer {
        debug_assert!(slot < SLOTS_MAX);
        Peer((serial % (1 << SERIAL_BITS)) << SLOT_BITS | slot as u64)
    }

    /// The number people see: 1 for the first connection, one more for each after it.
    pub fn number(self) -> u64 {
        self.0 >> SLOT_BITS
    }

    /// Where it is in the slab; shared, one after the other, with connections of the past.
    #[allow(clippy::cast_possible_truncation)] // 22 bits fit into any `usize`
    pub fn slot(self) -> usize {
        (self.0 & (SLOTS_MAX as u64 - 1)) as usize
    }

    /// The whole name in 62 bits.
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// The inverse of `to_bits`. Any number is safe: one that names nobody finds nothing.
    pub fn from_bits(bits: u64) -> Peer {
        Peer(bits & ((1 << Peer::BITS) - 1))
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.number())
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}@{}", self.number(), self.slot())
    }
}

/// What belongs to each connection, and the one place where `Peer`s are made.
pub struct Slots<T> {
    slab: Slab<(Peer, T)>,
    last_serial: u64,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Slots { slab: Slab::new(), last_serial: 0 }
    }
}

impl<T> Slots<T> {
    /// Takes `value` in under a new name. The caller sees to it that fewer than `SLOTS_MAX` are in.
    pub fn insert(&mut self, value: T) -> Peer {
        self.last_serial += 1;
        if self.slab.capacity() < ROWS_RESERVED {
            self.slab.reserve(ROWS_RESERVED - self.slab.len());
        }
        let entry = self.slab.vacant_entry();
        let peer = Peer::new(entry.key(), self.last_serial);
        entry.insert((peer, value));
        peer
    }

    /// What belongs to `peer`, unless it is gone.
    pub fn get(&self, peer: Peer) -> Option<&T> {
        self.slab.get(peer.slot()).filter(|(name, _)| *name == peer).map(|(_, value)| value)
    }

    /// What belongs to `peer`, to change it, unless it is gone.
    pub fn get_mut(&mut self, peer: Peer) -> Option<&mut T> {
        self.slab.get_mut(peer.slot()).filter(|(name, _)| *name == peer).map(|(_, value)| value)
    }

    /// Takes out what belongs to `peer`; from here on the name finds nothing.
    pub fn remove(&mut self, peer: Peer) -> Option<T> {
        self.get(peer)?;
        self.slab.try_remove(peer.slot()).map(|(_, value)| value)
    }

    /// Gives back the room behind the last one.
    pub(super) fn trim(&mut self) {
        self.slab.shrink_to_fit();
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    /// All are in slots below that.
    pub(super) fn slots(&self) -> usize {
        self.slab.capacity()
    }

    /// Those in these slots.
    pub(super) fn range(&self, slots: Range<usize>) -> impl Iterator<Item = (Peer, &T)> {
        slots.filter_map(|slot| self.slab.get(slot).map(|(peer, value)| (*peer, value)))
    }

    /// Everybody, in slot order.
    pub fn iter(&self) -> impl Iterator<Item = (Peer, &T)> {
        self.slab.iter().map(|(_, (peer, value))| (*peer, value))
    }
}

/// What somebody else remembers about connections, beside `Slots`: a service, the state of each
/// conversation. A `Vec` by slot, so each access is one index, and iterating is in slot order.
///
/// Insert in [`opened`](super::Service::opened), remove in [`closed`](super::Service::closed). What
/// is not removed stays until its slot is used again, and no later peer is mistaken for it.
pub struct Table<T> {
    rows: Vec<Option<(Peer, T)>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table { rows: Vec::new() }
    }
}

impl<T> Table<T> {
    /// Remembers `value` about `peer`, in place of whatever the slot's earlier owner left behind.
    pub fn insert(&mut self, peer: Peer, value: T) {
        if self.rows.len() <= peer.slot() {
            if self.rows.capacity() < ROWS_RESERVED {
                self.rows.reserve(ROWS_RESERVED - self.rows.len());
            }
            self.rows.resize_with(peer.slot() + 1, || None);
        }
        self.rows[peer.slot()] = Some((peer, value));
    }

    /// What is remembered about `peer`.
    pub fn get(&self, peer: Peer) -> Option<&T> {
        match self.rows.get(peer.slot()) {
            Some(Some((name, value))) if *name == peer => Some(value),
            _ => None,
        }
    }

    /// What is remembered about `peer`, to change it.
    pub fn get_mut(&mut self, peer: Peer) -> Option<&mut T> {
        match self.rows.get_mut(peer.slot()) {
            Some(Some((name, value))) if *name == peer => Some(value),
            _ => None,
        }
    }

    /// Forgets `peer` and returns what was remembered.
    pub fn remove(&mut self, peer: Peer) -> Option<T> {
        self.get(peer)?;
        self.rows[peer.slot()].take().map(|(_, value)| value)
    }

    /// Gives back the room behind the last one.
    pub fn trim(&mut self) {
        let used = self.rows.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        self.rows.truncate(used);
        self.rows.shrink_to_fit();
    }

    /// How many slots have been used: all of them lie below that.
    pub fn slots(&self) -> usize {
        self.rows.len()
    }

    /// Those remembered in these slots; there may be fewer slots.
    pub fn range(&self, slots: Range<usize>) -> impl Iterator<Item = (Peer, &T)> {
        let end = slots.end.min(self.rows.len());
        let rows = self.rows.get(slots.start..end).unwrap_or_default();
        rows.iter().flatten().map(|(peer, value)| (*peer, value))
    }

    /// Everybody remembered, in slot order.
    pub fn iter(&self) -> impl Iterator<Item = (Peer, &T)> {
        self.rows.iter().flatten().map(|(peer, value)| (*peer, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_the_past_finds_nothing_even_in_a_reused_slot() {
        let mut slots = Slots::default();
        let first = slots.insert("first");
        assert_eq!(slots.remove(first), Some("first"));
        let second = slots.insert("second");
        assert_eq!(first.slot(), second.slot());
        assert_eq!(slots.get(first), None);
        assert_eq!(slots.get_mut(first), None);
        assert_eq!(slots.remove(first), None);
        assert_eq!(slots.get(second), Some(&"second"));
    }

    #[test]
    fn numbers_count_up_from_one_and_print_with_a_hash() {
        let mut slots = Slots::default();
        assert!(slots.is_empty());
        let (one, two) = (slots.insert(()), slots.insert(()));
        assert!(!slots.is_empty());
        assert_eq!((one.to_string(), two.to_string()), ("#1".into(), "#2".into()));
        assert_eq!(format!("{one:?} {two:?}"), "#1@0 #2@1");
        assert_eq!(Peer::from_bits(two.to_bits()), two);
    }

    #[test]
    fn what_is_behind_the_last_one_is_given_back_and_no_name_comes_again() {
        let (mut slots, mut table) = (Slots::default(), Table::default());
        let peers: Vec<Peer> = (0..100).map(|_| slots.insert(())).collect();
        peers.iter().for_each(|peer| table.insert(*peer, ()));
        for peer in [&peers[..7], &peers[8..]].concat() {
            slots.remove(peer);
            table.remove(peer);
        }
        slots.trim();
        table.trim();
        assert_eq!((slots.slots(), table.rows.capacity()), (8, 8));
        assert_eq!((slots.get(peers[7]), table.get(peers[7])), (Some(&()), Some(&())));
        let next = slots.insert(());
        table.insert(next, ());
        assert_eq!((next.slot(), next.number()), (0, 101));
        assert!(slots.slots() >= ROWS_RESERVED && table.get(peers[0]).is_none());
        for peer in [next, peers[7]] {
            slots.remove(peer);
            table.remove(peer);
        }
        slots.trim();
        table.trim();
        assert_eq!((slots.slots(), table.rows.capacity()), (0, 0));
        assert_eq!(slots.insert(()).number(), 102);
    }

    #[test]
    fn a_table_row_of_an_earlier_owner_is_not_mistaken() {
        let mut slots = Slots::default();
        let mut table = Table::default();
        let first = slots.insert(());
        table.insert(first, 'a');
        slots.remove(first);
        let second = slots.insert(());
        assert_eq!(table.get(second), None);
        assert_eq!(table.remove(second), None);
        table.insert(second, 'b');
        assert_eq!(table.get(first), None);
        assert_eq!(table.iter().collect::<Vec<_>>(), vec![(second, &'b')]);
    }

    #[test]
    fn a_name_fits_beside_two_bits_of_kind() {
        let peer = Peer::new(SLOTS_MAX - 1, (1 << SERIAL_BITS) - 1);
        assert_eq!(peer.to_bits() >> 62, 0);
        assert_eq!(peer.slot(), SLOTS_MAX - 1);
    }

    #[test]
    fn the_first_row_reserves_room_for_many() {
        let (mut slots, mut table) = (Slots::default(), Table::default());
        let peer = slots.insert(());
        table.insert(peer, ());
        assert!(slots.slab.capacity() >= ROWS_RESERVED);
        assert!(table.rows.capacity() >= ROWS_RESERVED);
    }
}
