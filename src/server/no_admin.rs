//! `--admin` in a build without it: nothing. Its flags are refused (`args.rs`).

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use super::Config;
use super::bus::BusView;
use super::socket::Listened;
use crate::engine::Location;
use crate::reactor::Reactor;

/// Descriptors that are for this.
pub(super) const DESCRIPTORS: usize = 0;

/// What nobody asks for.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) is_leaving: Cell<bool>,
    pub(super) listening: RefCell<Vec<String>>,
    pub(super) bus: OnceCell<BusView>,
}

/// Listens on nothing.
#[allow(clippy::unnecessary_wraps)] // as the other one has to
pub(super) fn open(
    _: &Config,
    _: &[Location],
    _: &mut Reactor,
) -> Result<(Rc<Facts>, Listened), String> {
    Ok(Default::default())
}
