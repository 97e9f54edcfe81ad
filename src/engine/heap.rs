//! Has the allocator return to the system what the program has freed.
//!
//! glibc returns what is free at the end of its heap, and nothing that lies before a piece in use.
//! It counts as in use even the small ones that it keeps at hand, a few of each size, and after a
//! burst these lie anywhere. It would let go of all that is free if it were told to
//! (malloc_trim), which needs `unsafe`; so it is led to it by what is asked of it. Other allocators
//! return what they can by themselves.

use std::array;

/// Pieces of up to this many bytes are kept at hand, ...
const SMALL_BYTES: usize = 1032;
/// ... one kind for each so many bytes, ...
const STEP_BYTES: usize = 16;
/// ... so many of each (7 before glibc 2.42).
const KEPT: usize = 16;
const KINDS: usize = SMALL_BYTES / STEP_BYTES + 1;
/// How often all of them are taken.
const PASSES: usize = 4;
/// Less than glibc would ask the system for on its own, whatever happened before.
const PIECE_BYTES: usize = 120 * 1024;
/// So many of them at most. With more connections at once than 64,000 more may stay.
const STRETCH_MAX: usize = 140;
/// No table has longer rows.
const ROW_BYTES_MAX: usize = 128;

/// All has been given back that was needed for many; the largest tables had so many rows.
pub(super) fn settle(rows: usize) {
    if cfg!(target_env = "gnu") {
        join();
        stretch(2 * rows * ROW_BYTES_MAX);
    }
}

/// Takes all the small pieces and makes them too large to be kept at hand, the last one first, so
/// that each may grow into what is free behind it. As they are dropped, all that is free becomes
/// one. A piece that has no room behind it goes back to where it was; what stood in its way may be
/// gone the next time.
fn join() {
    for _ in 0..PASSES {
        // Not in a `Vec`: that would stand in the way.
        let mut pieces: [Vec<u8>; KINDS * KEPT] =
            array::from_fn(|n| Vec::with_capacity(STEP_BYTES * (n / KEPT) + STEP_BYTES / 2));
        sort_last_first(&mut pieces);
        for piece in &mut pieces {
            piece.reserve_exact(SMALL_BYTES + 1);
            *piece = Vec::new();
        }
    }
}

/// A Shell sort with the gaps of Ciura: that of `slice` would be 4 KiB more of program, for this
/// alone.
fn sort_last_first(pieces: &mut [Vec<u8>]) {
    for gap in [701, 301, 132, 57, 23, 10, 4, 1] {
        for end in gap..pieces.len() {
            let mut at = end;
            while at >= gap && pieces[at - gap].as_ptr() < pieces[at].as_ptr() {
                pieces.swap(at - gap, at);
                at -= gap;
            }
        }
    }
}

/// What is free at the end is returned once it is twice as large as the largest piece that ever was
/// (glibc expects the like of that again). So it is made so large; nobody touches it.
fn stretch(bytes: usize) {
    let mut pieces: [Vec<u8>; STRETCH_MAX] = array::from_fn(|_| Vec::new());
    for piece in pieces.iter_mut().take(bytes / PIECE_BYTES + 2) {
        if piece.try_reserve_exact(PIECE_BYTES).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_sorted_by_where_they_lie() {
        let mut pieces: Vec<Vec<u8>> = (0..1000).map(|n| Vec::with_capacity(n % 97 * 7)).collect();
        pieces.rotate_left(321);
        sort_last_first(&mut pieces);
        assert!(pieces.is_sorted_by_key(|piece| std::cmp::Reverse(piece.as_ptr())));
    }

    #[test]
    fn all_sizes_that_are_kept_at_hand_are_taken_and_nothing_stays_taken() {
        let sizes = (0..KINDS).map(|kind| STEP_BYTES * kind + STEP_BYTES / 2);
        assert_eq!((sizes.clone().next(), sizes.max()), (Some(8), Some(SMALL_BYTES)));
        let counted = allocation_counter::measure(|| {
            join();
            stretch(10 * PIECE_BYTES);
        });
        assert_eq!((counted.bytes_current, counted.count_current), (0, 0));
        assert!(counted.bytes_max > 10 * PIECE_BYTES as u64);
        assert!(counted.count_total > (PASSES * KINDS * KEPT) as u64);
    }
}
