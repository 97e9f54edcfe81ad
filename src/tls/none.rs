//! In the place of TLS where it was not built in: nothing can be made.

use std::path::{Path, PathBuf};

use crate::engine::Cipher;

const WHY: &str = "TLS needs the feature tls, which this cooee was built without";

/// Cannot be had.
#[derive(Debug)]
pub(crate) enum Server {}

/// Cannot be had.
#[derive(Debug)]
pub(crate) enum Client {}

/// Whom a client would believe.
#[derive(Clone, Debug)]
#[expect(dead_code)]
pub(crate) enum Trust {
    Machine,
    File(PathBuf),
    Anybody,
}

/// How a client would resume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "bench"), expect(dead_code))]
pub(crate) enum Resume {
    Off,
    Only,
    Auto,
}

impl Server {
    pub(crate) fn from_files(_: &Path, _: &Path) -> Result<Server, String> {
        Err(WHY.into())
    }

    pub(crate) fn reload(&self) -> Result<(), String> {
        match *self {}
    }

    pub(crate) fn cipher(&self) -> Result<Box<dyn Cipher>, String> {
        match *self {}
    }
}

impl Client {
    pub(crate) fn new(_: &Trust, _: &str, _: Resume) -> Result<Client, String> {
        Err(WHY.into())
    }

    pub(crate) fn cipher(&self) -> Result<Box<dyn Cipher>, String> {
        match *self {}
    }

    #[cfg(feature = "bench")]
    pub(crate) fn resumes_only(&self) -> bool {
        match *self {}
    }
}
