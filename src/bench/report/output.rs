//! Where results go. Files are opened before anything is measured, so that what was measured is
//! not lost to a wrong path; what they held stays until there is something else to hold.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::services::text::visible;

/// One file that a flag names.
pub(crate) struct Output {
    flag: &'static str,
    path: PathBuf,
    file: File,
    /// Whether it is there for our sake only, and still empty.
    is_fresh: bool,
}

impl Output {
    /// Opens the file, or makes it; a pipe waits here for its reader.
    ///
    /// # Errors
    /// One line: which flag, which file, why.
    pub(crate) fn open(flag: &'static str, path: &Path) -> Result<Output, String> {
        let was_there = path.exists();
        let opened = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        match opened {
            Ok(file) => Ok(Output { flag, path: path.into(), file, is_fresh: !was_there }),
            Err(error) => Err(failed(flag, path, &error)),
        }
    }

    /// Whether it is the same file.
    pub(crate) fn is_same(&self, other: &Output) -> bool {
        are_same(&self.file, &other.file)
    }

    /// Whether standard output goes to it.
    pub(super) fn is_standard_output(&self) -> bool {
        let stdout = io::stdout().as_fd().try_clone_to_owned();
        stdout.is_ok_and(|stdout| are_same(&self.file, &File::from(stdout)))
    }

    /// Writes `text` in the place of what the file held; behind what has been printed, if that
    /// went there.
    ///
    /// # Errors
    /// One line, as `open`.
    pub(crate) fn write(mut self, text: &str) -> Result<(), String> {
        self.is_fresh = false;
        if self.is_standard_output() {
            let written = write_out(text);
            return written.map_err(|error| failed(self.flag, &self.path, &error));
        }
        let is_regular = self.file.metadata().is_ok_and(|found| found.is_file());
        let emptied = if is_regular { self.file.set_len(0) } else { Ok(()) };
        let written = emptied.and_then(|()| self.file.write_all(text.as_bytes()));
        written.map_err(|error| failed(self.flag, &self.path, &error))
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // Behind a link it is the file that is ours, not the link.
        if let Some(file) = self.is_fresh.then(|| fs::canonicalize(&self.path)) {
            let _ = file.and_then(fs::remove_file);
        }
    }
}

/// Writes all of `text` to standard output. Unlike a table, of which a reader may have seen enough,
/// half of a document is none.
///
/// # Errors
/// As `write`, and if its reader has gone.
pub(super) fn write_out(text: &str) -> io::Result<()> {
    let mut out = io::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

/// Whether both are the same file or pipe, so that what is written to one ends up in the other.
fn are_same(one: &File, other: &File) -> bool {
    let is_kept = |found: &fs::Metadata| found.is_file() || found.file_type().is_fifo();
    let identity = |file: &File| {
        let found = file.metadata().ok().filter(is_kept);
        found.map(|found| (found.dev(), found.ino()))
    };
    identity(one).is_some_and(|found| Some(found) == identity(other))
}

/// The line for a file that cannot be opened or written.
pub(super) fn failed(flag: &str, path: &Path, error: &io::Error) -> String {
    use std::os::unix::ffi::OsStrExt;
    let name = visible(path.as_os_str().as_bytes());
    format!("{flag} {name}: {error}")
}
