//! `--announce FILE`: tells others where we listen. A regular file is written in one step and stays
//! for as long as we listen. Anything else of that name (a FIFO, a device, an open descriptor) is
//! written to as fast as its reader takes it, and nothing here waits for that reader.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::outlet::Outlet;

/// Symbolic links are followed this far, as by the kernel (path_resolution(7)).
const LINKS_MAX: usize = 40;

/// Where we announce what we listen on.
pub(super) struct Announcement {
    /// As the user wrote it.
    path: PathBuf,
    progress: Progress,
}

enum Progress {
    /// To be written as a file at this path.
    File(PathBuf),
    /// Written there. The file is kept open, so that its inode is not given to another.
    Written(PathBuf, File),
    /// This text is to be written to what has this path, once that can be opened.
    Named(PathBuf, Vec<u8>),
    /// Being written to.
    Open(Outlet),
    /// There is nothing left to do.
    Done,
}

impl Announcement {
    /// Looks at what `path` is. A file that another server has left there is removed, so that
    /// nobody takes it for ours. To be called before anything is opened: `/dev/fd/3` means the
    /// user's.
    ///
    /// # Errors
    /// One line for people, if nothing can be announced there.
    pub(super) fn prepare(path: &Path) -> Result<Announcement, String> {
        let path = path.to_owned();
        match prepared(&path) {
            Ok(progress) => Ok(Announcement { path, progress }),
            Err(error) => Err(failed(&path, &error)),
        }
    }

    /// Whether something can be announced at `path`, as far as can be told without touching it.
    ///
    /// # Errors
    /// One line for people.
    #[cfg(feature = "config")]
    pub(super) fn check(path: &Path) -> Result<(), String> {
        use rustix::fs::{Access, access};
        let judged = judged(path).and_then(|found| match found {
            Found::Old(target) | Found::New(target) => {
                Ok(access(folder(&target), Access::WRITE_OK)?)
            }
            Found::Descriptor(_) | Found::Other => Ok(()),
        });
        judged.map_err(|error| failed(path, &error))
    }

    /// Announces `urls`; if a reader has to be waited for, `tend` does the rest.
    ///
    /// # Errors
    /// One line for people.
    pub(super) fn publish(&mut self, urls: &str) -> Result<(), String> {
        self.begin(urls).map_err(|error| failed(&self.path, &error))?;
        if let Progress::Named(..) = self.progress {
            log::info!("--announce {}: written once somebody reads it", self.path.display());
        }
        Ok(())
    }

    fn begin(&mut self, urls: &str) -> io::Result<()> {
        match &mut self.progress {
            Progress::File(target) => {
                let ours = write_whole(target, urls)?;
                self.progress = Progress::Written(std::mem::take(target), ours);
            }
            Progress::Named(_, text) => *text = urls.into(),
            Progress::Open(outlet) => outlet.push(urls),
            Progress::Written(..) | Progress::Done => {}
        }
        self.go_on()
    }

    /// Goes on writing what could not be written yet. True: call again in a while.
    pub(super) fn tend(&mut self) -> bool {
        if let Err(error) = self.go_on() {
            log::warn!("{}", failed(&self.path, &error));
            self.progress = Progress::Done;
        }
        matches!(self.progress, Progress::Named(..) | Progress::Open(_))
    }

    fn go_on(&mut self) -> io::Result<()> {
        if let Progress::Named(path, text) = &mut self.progress
            && let Some(mut outlet) = open(path)?
        {
            outlet.push(text);
            self.progress = Progress::Open(outlet);
        }
        let Progress::Open(outlet) = &mut self.progress else { return Ok(()) };
        outlet.flush();
        match outlet.failure() {
            Some(error) => Err(error),
            None if outlet.is_behind() => Ok(()),
            // It is closed at once: the reader of a FIFO waits for its end.
            None => {
                self.progress = Progress::Done;
                Ok(())
            }
        }
    }

    /// We do not listen any more: the file is removed, unless somebody has put another in its
    /// place.
    pub(super) fn withdraw(&mut self) {
        if let Progress::Written(target, ours) =
            std::mem::replace(&mut self.progress, Progress::Done)
            && is_still(&target, &ours)
        {
            // If somebody has made that impossible, it was on purpose.
            let _ = fs::remove_file(target);
        }
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        self.withdraw();
    }
}

fn failed(path: &Path, error: &io::Error) -> String {
    format!("--announce {}: {error}", path.display())
}

/// Whether our file is still there.
fn is_still(target: &Path, ours: &File) -> bool {
    let identity = |file: Metadata| (file.dev(), file.ino());
    let found = fs::symlink_metadata(target).map(identity).ok();
    found.is_some() && found == ours.metadata().map(identity).ok()
}

/// What is at a path that is to be written to.
enum Found {
    Descriptor(RawFd),
    /// A regular file, behind all links.
    Old(PathBuf),
    /// Nothing yet.
    New(PathBuf),
    /// Something that is opened as it is.
    Other,
}

fn prepared(path: &Path) -> io::Result<Progress> {
    Ok(match judged(path)? {
        Found::Descriptor(number) => Progress::Open(descriptor(number)?),
        Found::Old(target) => {
            fs::remove_file(&target)?;
            Progress::File(target)
        }
        Found::New(target) => Progress::File(target),
        Found::Other => Progress::Named(path.to_owned(), Vec::new()),
    })
}

fn judged(path: &Path) -> io::Result<Found> {
    let target = match follow(path)? {
        Destination::Descriptor(number) => return Ok(Found::Descriptor(number)),
        Destination::Path(target) => target,
    };
    match fs::metadata(path) {
        Ok(found) if found.is_file() => Ok(Found::Old(target)),
        Ok(found) if found.is_dir() => Err(io::Error::other("that is a folder; name a file")),
        Ok(found) if found.file_type().is_socket() => {
            Err(io::Error::other("it is a socket, which cannot be opened; name a file or a FIFO"))
        }
        Ok(_) => Ok(Found::Other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match folder(&target) {
            folder if folder.is_dir() => Ok(Found::New(target)),
            folder => {
                let what = format!("the folder {} does not exist", folder.display());
                Err(io::Error::new(error.kind(), what))
            }
        },
        Err(error) => Err(error),
    }
}

/// The folder that `path` is in.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

enum Destination {
    /// One of our own open descriptors.
    Descriptor(RawFd),
    Path(PathBuf),
}

/// Follows symbolic links, so that the file behind them is replaced and not the link. `/dev/stdout`
/// and its like are descriptors, whatever is behind them.
fn follow(path: &Path) -> io::Result<Destination> {
    let mut path = path.to_owned();
    let own = fs::canonicalize("/proc/self/fd").ok();
    for _ in 0..LINKS_MAX {
        let parent = folder(&path);
        let number = path.file_name().and_then(|name| name.to_str()?.parse().ok());
        if let Some(number) = number
            && own.is_some()
            && fs::canonicalize(parent).ok() == own
        {
            return Ok(Destination::Descriptor(number));
        }
        match fs::read_link(&path) {
            Ok(link) => path = parent.join(link),
            // It is no link, or there is nothing at all.
            Err(_) => return Ok(Destination::Path(path)),
        }
    }
    Err(Errno::LOOP.into())
}

/// A duplicate of a descriptor that our parent has opened, with the same position.
fn descriptor(number: RawFd) -> io::Result<Outlet> {
    match number {
        1 => Ok(Outlet::stdout()),
        2 => Ok(Outlet::stderr()),
        _ => Ok(Outlet::of(duplicate(number)?)),
    }
}

#[cfg(target_os = "linux")]
fn duplicate(number: RawFd) -> io::Result<OwnedFd> {
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
    let this = pidfd_open(getpid(), PidfdFlags::empty())?;
    Ok(pidfd_getfd(this, number, PidfdGetfdFlags::empty())?)
}

#[cfg(not(target_os = "linux"))]
fn duplicate(number: RawFd) -> io::Result<OwnedFd> {
    Ok(File::options().append(true).open(format!("/dev/fd/{number}"))?.into())
}

/// Opens what is not a regular file. `None`: it is a FIFO that nobody reads yet.
fn open(path: &Path) -> io::Result<Option<Outlet>> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    match File::options().write(true).custom_flags(flags).open(path) {
        Ok(opened) => Ok(Some(Outlet::of(opened.into()))),
        Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes the file in one step, so that nobody who waits for it reads half of it.
fn write_whole(target: &Path, text: &str) -> io::Result<File> {
    let mut draft = target.as_os_str().to_owned();
    draft.push(format!(".{}.part", std::process::id()));
    let draft = PathBuf::from(draft);
    // A process with the same number may have left one when it was killed.
    let _ = fs::remove_file(&draft);
    let written = File::create_new(&draft).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        fs::rename(&draft, target)?;
        Ok(file)
    });
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder of its own for a test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let name = format!("cooee-announce-{}-{name}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            fs::create_dir(&folder).unwrap();
            Folder(folder)
        }

        fn names(&self) -> Vec<String> {
            let names = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name());
            names.map(|name| name.into_string().unwrap()).collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn an_old_file_goes_before_anything_else_and_ours_when_we_leave() {
        let folder = Folder::new("file");
        let path = folder.0.join("ports");
        fs::write(&path, "old\n").unwrap();
        let mut announcement = Announcement::prepare(&path).unwrap();
        assert_eq!(folder.names(), [""; 0]);
        announcement.publish("new\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
        assert_eq!(folder.names(), ["ports"]);
        assert!(!announcement.tend());
        drop(announcement);
        assert_eq!(folder.names(), [""; 0]);
    }

    #[test]
    fn a_file_that_somebody_else_has_put_there_stays() {
        let folder = Folder::new("other");
        let path = folder.0.join("ports");
        let mut announcement = Announcement::prepare(&path).unwrap();
        announcement.publish("ours\n").unwrap();
        let mut other = Announcement::prepare(&path).unwrap();
        other.publish("theirs\n").unwrap();
        drop(announcement);
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs\n");
    }

    #[test]
    fn a_link_stays_a_link_and_the_file_behind_it_is_written() {
        let folder = Folder::new("link");
        let (link, target) = (folder.0.join("link"), folder.0.join("target"));
        for is_there in [false, true] {
            if is_there {
                fs::write(&target, "old\n").unwrap();
            } else {
                symlink("target", &link).unwrap();
            }
            let mut announcement = Announcement::prepare(&link).unwrap();
            assert!(!target.exists());
            announcement.publish("new\n").unwrap();
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert_eq!(fs::read_to_string(&target).unwrap(), "new\n");
        }
        let circle = folder.0.join("circle");
        symlink("circle", &circle).unwrap();
        assert!(Announcement::prepare(&circle).is_err());
        let device = folder.0.join("device");
        symlink("/dev/null", &device).unwrap();
        Announcement::prepare(&device).unwrap().publish("new\n").unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    }

    #[test]
    fn what_cannot_be_written_to_is_said() {
        let folder = Folder::new("wrong");
        let why = |path: &Path| match Announcement::prepare(path) {
            Ok(mut announcement) => announcement.publish("url\n").unwrap_err(),
            Err(why) => why,
        };
        assert!(why(&folder.0).ends_with(": that is a folder; name a file"));
        assert!(why(Path::new("/dev/full")).contains("No space left"));
        assert!(why(Path::new("/dev/fd/9999")).contains("Bad file descriptor"));
        let nowhere = folder.0.join("nosuch");
        let wanted = format!("the folder {} does not exist", nowhere.display());
        assert!(why(&nowhere.join("ports")).ends_with(&wanted));
        let socket = folder.0.join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(why(&socket).contains("socket"));
        assert_eq!(folder.names(), ["socket"]);
    }
}
