//! In the place of TLS where it is not built in, or the library has no code for the processor:
//! nothing can be made.

use std::path::Path;

use super::{Resume, Trust, available};
use crate::engine::Cipher;

/// Cannot be had here.
#[derive(Debug)]
pub struct Server(Never);

/// Cannot be had here.
#[derive(Debug)]
pub struct Client(Never);

/// Cannot be had here.
#[derive(Clone, Debug)]
pub struct Signer(Never);

#[derive(Clone, Debug)]
enum Never {}

impl Server {
    /// Says why there is none.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn from_files(_: &Path, _: &Path) -> Result<Server, String> {
        Err(refusal())
    }

    /// Not reached.
    ///
    /// # Errors
    ///
    /// None.
    pub fn reload(&self) -> Result<(), String> {
        match self.0 {}
    }

    /// Not reached.
    ///
    /// # Errors
    ///
    /// None.
    pub fn cipher(&self) -> Result<Box<dyn Cipher>, String> {
        match self.0 {}
    }
}

impl Client {
    /// Says why there is none.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn new(_: &Trust, _: &str, _: Resume) -> Result<Client, String> {
        Err(refusal())
    }

    /// Not reached.
    ///
    /// # Errors
    ///
    /// None.
    pub fn cipher(&self) -> Result<Box<dyn Cipher>, String> {
        match self.0 {}
    }

    /// Not reached.
    pub fn resumes_only(&self) -> bool {
        match self.0 {}
    }

    /// Not reached.
    pub fn tickets(&self) -> usize {
        match self.0 {}
    }
}

impl Signer {
    /// Says why there is none.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn from_seed(_: &[u8; 32]) -> Result<Signer, String> {
        Err(refusal())
    }

    /// Not reached.
    pub fn public(&self) -> Option<[u8; 32]> {
        match self.0 {}
    }

    /// Not reached.
    pub fn sign(&self, _: &[u8]) -> Option<Vec<u8>> {
        match self.0 {}
    }
}

fn refusal() -> String {
    available().err().unwrap_or_else(|| "TLS is not to be had here".into())
}
