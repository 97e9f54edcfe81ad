//! A line being typed at a terminal, as clients and server share it: keys, the editor, raw mode.
//! Pure but for `raw` and `stdio`; how the line gets onto the screen is for those two to say, for a
//! client may wait for its terminal and a server must not.

mod clusters;
pub(crate) mod editor;
mod keys;
pub(crate) mod raw;
pub(crate) mod stdio;
