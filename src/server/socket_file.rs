//! The file of a unix socket that we listen at. It appears when it can be connected to and is gone
//! when we are, and nothing of anybody else's is ever replaced.
//!
//! It is made as PATH.new and then renamed. Meanwhile, and for as long as we listen, we hold
//! PATH.lock (flock(2)). A socket of which nobody holds the lock, and at which nobody listens, was
//! left by a server that is gone. That connecting to it fails would not be enough: so does
//! connecting to one that is about to listen.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, FlockOperation, OFlags, access, flock};

use crate::endpoint::UNIX_NAME_BYTES;
use crate::engine::UnixName;
use crate::reactor::{Listening, dial_unix, listen_unix};

/// What the name ends in until the socket can be connected to.
const NEW: &str = ".new";
/// What the name of its lock ends in.
const LOCK: &str = ".lock";
/// A lock that was taken away while we took it is taken again so many times.
const LOCK_TRIES: usize = 8;

/// A file that is removed with this value.
pub(super) struct SocketFile {
    path: PathBuf,
    /// Its device and inode. The socket, which outlives this, keeps others from being given that.
    identity: (u64, u64),
    /// Given back last.
    _lock: Lock,
}

/// A lock that is held, and removed with this value.
struct Lock {
    path: PathBuf,
    file: File,
}

impl SocketFile {
    /// Listens at `path`.
    ///
    /// # Errors
    /// Why that cannot be, and what would help.
    pub(super) fn open(
        path: &Path,
        listening: &Listening,
    ) -> Result<(UnixListener, SocketFile), String> {
        SocketFile::check(path)?;
        let failed = |error| failed(path, &error);
        let lock = Lock::take(with(path, LOCK))?;
        if look(path)? {
            refuse_if_alive(path)?;
        }
        let new = with(path, NEW);
        // Nobody else makes one of that name while we hold the lock.
        if look(&new)? {
            fs::remove_file(&new).map_err(failed)?;
        }
        let listener = listen_unix(&UnixName::Path(new.clone()), listening).map_err(failed)?;
        let identity = identity(&fs::symlink_metadata(&new).map_err(failed)?);
        // From here on the file is ours to remove, by either name.
        let mut file = SocketFile { path: new.clone(), identity, _lock: lock };
        look(path)?;
        fs::rename(&new, path).map_err(failed)?;
        file.path = path.into();
        Ok((listener, file))
    }

    /// Whether one could be made there, as far as can be told without making it.
    ///
    /// # Errors
    /// As for `open`.
    pub(super) fn check(path: &Path) -> Result<(), String> {
        let (length, most) = (path.as_os_str().len(), UNIX_NAME_BYTES - NEW.len());
        if length > most {
            return Err(format!(
                "the path is {length} bytes long, and that of a server may have {most}: \
                 choose a shorter one"
            ));
        }
        look(path)?;
        let folder = folder(path);
        match access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(io::Error::from) {
            Ok(()) => Ok(()),
            Err(error) => Err(failed(path, &error)),
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| identity(&found) == self.identity) {
            // If somebody has made that impossible, it was on purpose.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Lock {
    fn take(path: PathBuf) -> Result<Lock, String> {
        for _ in 0..LOCK_TRIES {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
            let file = options.open(&path).map_err(|error| failed(&path, &error))?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(io::Error::from) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Err("another server is there already: stop it, or choose another \
                                path"
                        .into());
                }
                Err(error) => return Err(format!("{}: {error}", path.display())),
            }
            // Whoever held it before has removed it, perhaps after we had opened it.
            if is_at(&path, &file) {
                return Ok(Lock { path, file });
            }
        }
        Err(format!("{} is taken away again and again", path.display()))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is held nobody else removes it; whoever waits for it will see that it is gone.
        if is_at(&self.path, &self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether a socket is there; false: nothing is.
fn look(path: &Path) -> Result<bool, String> {
    let kind = match fs::symlink_metadata(path) {
        Ok(found) => found.file_type(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failed(path, &error)),
    };
    let what = match kind {
        kind if kind.is_socket() => return Ok(true),
        kind if kind.is_dir() => "a directory",
        kind if kind.is_symlink() => "a symbolic link",
        _ => "a file that is no socket",
    };
    Err(format!("{} is {what}, which is not replaced: choose another path", path.display()))
}

/// A socket at which somebody listens without holding our kind of lock is not replaced.
fn refuse_if_alive(path: &Path) -> Result<(), String> {
    let found = match dial_unix(&UnixName::Path(path.into())) {
        Ok(_) => "another program listens there".to_owned(),
        Err(error) => match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::NotFound => return Ok(()),
            ErrorKind::WouldBlock => "another program listens there".to_owned(),
            _ => format!("the socket that is there cannot be tried ({error})"),
        },
    };
    Err(format!("{found}: stop it, or choose another path"))
}

fn with(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

fn is_at(path: &Path, file: &File) -> bool {
    let found = fs::symlink_metadata(path).map(|found| identity(&found)).ok();
    found.is_some() && found == file.metadata().map(|found| identity(&found)).ok()
}

fn failed(path: &Path, error: &io::Error) -> String {
    let folder = folder(path).display();
    match error.kind() {
        ErrorKind::NotFound => format!("there is no directory {folder}: make it first"),
        ErrorKind::NotADirectory => format!("{folder} is no directory: choose another path"),
        ErrorKind::PermissionDenied => {
            format!("{error}: this user may not make files in {folder}")
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A new directory, removed with this value.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("cooee-{name}-{}", std::process::id()));
            fs::create_dir(&path).unwrap();
            Folder(path)
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap();
            let names = entries.map(|one| one.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<_> = names.collect();
            names.sort();
            names
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn open(path: &Path) -> Result<(UnixListener, SocketFile), String> {
        SocketFile::open(path, &Listening::default())
    }

    fn why(path: &Path) -> String {
        open(path).map(drop).unwrap_err()
    }

    fn connects(path: &Path) -> bool {
        dial_unix(&UnixName::Path(path.into())).is_ok()
    }

    #[test]
    fn the_file_is_there_while_we_listen_and_nothing_is_left_behind() {
        let folder = Folder::new("file");
        let path = folder.0.join("echo");
        let listening = Listening { unix_mode: 0o604, ..Listening::default() };
        let (listener, file) = SocketFile::open(&path, &listening).unwrap();
        assert_eq!(folder.names(), ["echo", "echo.lock"]);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o604);
        assert!(connects(&path));
        assert!(why(&path).starts_with("another server is there already"));
        drop((file, listener));
        assert!(folder.names().is_empty());
    }

    #[test]
    fn what_was_left_by_a_server_that_is_gone_is_replaced_and_nothing_else_is() {
        let folder = Folder::new("stale");
        let path = folder.0.join("echo");
        // As after kill -9, at any moment.
        for name in ["echo", "echo.new"] {
            drop(UnixListener::bind(folder.0.join(name)).unwrap());
        }
        fs::write(folder.0.join("echo.lock"), "").unwrap();
        let both = open(&path).unwrap();
        assert!(connects(&path));
        drop(both);
        assert!(folder.names().is_empty());
        let theirs = UnixListener::bind(&path).unwrap();
        assert!(why(&path).starts_with("another program listens there"));
        assert!(connects(&path) && folder.names() == ["echo"]);
        drop(theirs);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "precious").unwrap();
        assert!(why(&path).contains("is a file that is no socket, which is not replaced"));
        let other = folder.0.join("other");
        std::os::unix::fs::symlink(&path, &other).unwrap();
        assert!(why(&other).contains("is a symbolic link"));
        assert!(why(&folder.0).contains("is a directory"));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        assert_eq!(folder.names(), ["echo", "other"]);
    }

    #[test]
    fn what_has_taken_its_place_is_left_alone() {
        let folder = Folder::new("place");
        let path = folder.0.join("echo");
        let (_listener, file) = open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let _theirs = UnixListener::bind(&path).unwrap();
        drop(file);
        assert_eq!(folder.names(), ["echo"]);
    }

    #[test]
    fn a_lock_that_was_removed_while_it_was_taken_is_not_held() {
        let folder = Folder::new("lock");
        let path = folder.0.join("lock");
        let first = Lock::take(path.clone()).unwrap();
        let late = File::open(&path).unwrap();
        drop(first);
        flock(&late, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert!(!is_at(&path, &late));
        let second = Lock::take(path.clone()).unwrap();
        assert!(!is_at(&path, &late) && is_at(&path, &second.file));
    }

    #[test]
    fn a_place_that_will_not_do_is_told_with_what_would() {
        let folder = Folder::new("wrong");
        let inside = |name: &str| folder.0.join(name);
        fs::write(inside("file"), "").unwrap();
        assert!(why(&inside("no/echo")).contains("no: make it first"));
        assert!(why(&inside("file/echo")).contains("file is no directory"));
        let long = inside(&"x".repeat(UNIX_NAME_BYTES));
        assert!(why(&long).contains("may have 103"), "{}", why(&long));
        assert_eq!(folder.names(), ["file"]);
    }
}
