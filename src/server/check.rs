//! `--check`: whether a configuration would do, and what would be served. Nothing is opened.

use super::announce::Announcement;
use super::front::Front;
use super::inherited::Inherited;
use super::{Config, listen};

/// The endpoints that would be served, one a line.
///
/// # Errors
/// One line for people, as `Server::start` would have it.
pub fn check(config: &Config, inherited: &Inherited) -> Result<String, String> {
    config.announce.as_deref().map_or(Ok(()), Announcement::check)?;
    config.check_limits()?;
    Front::new(config)?;
    let plan = listen::plan(config, inherited)?;
    Ok(plan.urls(inherited).map(|url| url + "\n").collect())
}
