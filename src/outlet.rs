//! Output that somebody else reads: standard output, standard error, a FIFO. The reader may stop
//! (Ctrl-S, a log collector that hangs), and that must never stop the server: text waits in a
//! bounded queue and is written without waiting. Others may share the pipe or terminal, so the flag
//! that would make it non-blocking for all of them (O_NONBLOCK) is left alone.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::net::SendFlags;

/// Text that may wait while the reader is stopped; whatever is more is dropped and counted.
const QUEUE_BYTES_MAX: usize = 1024 * 1024;
/// Once lines have been dropped, all are, until no more than this waits.
const QUEUE_BYTES_AGAIN: usize = QUEUE_BYTES_MAX / 2;
/// A pipe takes this much in one piece or not at all (PIPE_BUF); poll(2) promises space for it.
const WRITE_BYTES: usize = 4096;
/// What a pipe holds, unless somebody has changed that.
const PIPE_BYTES: usize = 64 * 1024;
/// A terminal that can only be polled promises space for one byte. More at once may block for as
/// long as it is stopped, but one at a time would take for ever.
const TERMINAL_BYTES: usize = 64;
/// Writes in one flush; what is left then waits for the next.
const WRITES_MAX: usize = 1024;
/// What a terminal's row is emptied with.
const EMPTIED: &[u8] = b"\x1b[K";
/// How soon to try again with a reader that is stopped.
pub const RETRY: Duration = Duration::from_millis(50);
/// Last words are tried this often, `RETRY` apart: for two seconds.
const LAST_TRIES: usize = 40;

/// How to write without waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WriteMode {
    /// It never blocks for long (a file), or is our own and non-blocking.
    AtOnce,
    /// The same, and a pipe.
    Pipe,
    /// It is a socket, where each call can say that it must not block.
    Socket,
    /// It is shared and cannot be opened again: it is polled first, and written to in pieces of
    /// this many bytes.
    Polled(usize),
}

enum Descriptor {
    Standard(BorrowedFd<'static>),
    Own(OwnedFd),
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Descriptor::Standard(fd) => *fd,
            Descriptor::Own(fd) => fd.as_fd(),
        }
    }
}

/// A descriptor, and what still has to be written to it.
pub struct Outlet {
    descriptor: Descriptor,
    mode: WriteMode,
    queue: VecDeque<u8>,
    /// Lines that were dropped and have not been reported yet.
    lost: u64,
    /// Why the last write failed, other than because it would have blocked.
    failed: Option<Errno>,
    /// Whether what was written last is not the end of a line.
    torn: bool,
    /// Nothing is written here: somebody else takes it, see `take`.
    is_held: bool,
}

impl Outlet {
    /// Standard output.
    pub fn stdout() -> Outlet {
        Outlet::new(Descriptor::Standard(rustix::stdio::stdout()))
    }

    /// Standard error.
    pub fn stderr() -> Outlet {
        Outlet::new(Descriptor::Standard(rustix::stdio::stderr()))
    }

    /// Something that has been opened.
    pub fn of(descriptor: OwnedFd) -> Outlet {
        Outlet::new(Descriptor::Own(descriptor))
    }

    fn new(shared: Descriptor) -> Outlet {
        let (descriptor, mode) = without_waiting(shared);
        let (queue, lost, failed, torn, is_held) = Default::default();
        Outlet { descriptor, mode, queue, lost, failed, torn, is_held }
    }

    /// Writes lines, or queues them if they cannot be written now.
    pub fn push(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        if self.has_room(text) {
            if self.torn && self.queue.is_empty() {
                self.queue.push_back(b'\n');
            }
            self.queue.extend(text);
            self.flush();
        }
    }

    /// The same for whoever draws on a terminal and knows where the cursor stands. False: there is
    /// no room; nothing of it will be drawn, and its lines are lost.
    pub fn draw(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let bytes = bytes.as_ref();
        let fits = self.has_room(bytes);
        if fits {
            self.queue.extend(bytes);
            self.flush();
        }
        fits
    }

    /// Whether `text` may wait here; if not, its lines are counted as lost.
    fn has_room(&mut self, text: &[u8]) -> bool {
        let is_stopped = self.lost > 0 && self.queue.len() > QUEUE_BYTES_AGAIN;
        let fits = !is_stopped && self.queue.len() + text.len() <= QUEUE_BYTES_MAX;
        if !fits {
            self.lost += lines(text);
        }
        fits
    }

    /// From now on what is pushed waits until somebody takes it, or until this is over.
    pub fn hold(&mut self, is_held: bool) {
        self.is_held = is_held;
        self.torn &= !is_held;
        self.flush();
    }

    /// What waits here, for somebody else to write.
    pub fn take(&mut self) -> Vec<u8> {
        self.queue.drain(..).collect()
    }

    /// Writes what can be written without waiting.
    pub fn flush(&mut self) {
        if self.is_held {
            return;
        }
        for _ in 0..WRITES_MAX {
            let end = self.piece_end();
            if end == 0 {
                return;
            }
            let piece = &self.queue.as_slices().0[..end];
            match write(self.descriptor.as_fd(), self.mode, piece) {
                Ok(count) if count > 0 => {
                    let written = &piece[..count];
                    self.torn = !written.ends_with(b"\n") && !written.ends_with(EMPTIED);
                    self.failed = None;
                    self.queue.drain(..count);
                }
                Ok(_) | Err(Errno::AGAIN | Errno::INTR) => return,
                // Nobody reads any more, or the disk is full. Either may change.
                Err(error) => {
                    self.failed = Some(error);
                    self.lost += lines(self.queue.make_contiguous());
                    self.queue.clear();
                }
            }
        }
    }

    /// Whether anything waits to be written.
    pub fn is_behind(&self) -> bool {
        !self.queue.is_empty()
    }

    /// How many lines have been lost, once the reader reads again. What is pushed next stands where
    /// they are missing.
    pub fn take_lost(&mut self) -> Option<u64> {
        let tells = self.failed.is_none() && self.queue.len() <= QUEUE_BYTES_AGAIN;
        (self.lost > 0 && tells).then(|| std::mem::take(&mut self.lost))
    }

    /// Why nothing can be written, other than because it would block.
    pub fn failure(&self) -> Option<io::Error> {
        self.failed.map(io::Error::from)
    }

    /// Writes the rest, if the reader takes it within two seconds.
    pub fn finish(&mut self) {
        for _ in 0..LAST_TRIES {
            let left = self.queue.len();
            self.flush();
            if self.queue.is_empty() {
                return;
            }
            // There may be space and yet too little for the next line.
            if takes_more(self.descriptor.as_fd(), RETRY) && self.queue.len() == left {
                std::thread::sleep(RETRY);
            }
        }
    }

    /// How much to write next, in whole lines if possible: in a pipe that others write to as well,
    /// such a piece stays together. Nothing, if a longer line has to wait until it fits: should the
    /// reader never go on, what it finds at last still ends with a whole line.
    fn piece_end(&mut self) -> usize {
        let most = match self.mode {
            WriteMode::Polled(most) => most,
            WriteMode::AtOnce | WriteMode::Pipe | WriteMode::Socket => WRITE_BYTES,
        };
        let all: &[u8] = self.queue.make_contiguous();
        let piece = &all[..all.len().min(most)];
        match piece.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => at + 1,
            None if self.torn || piece.len() < most => piece.len(),
            None => {
                let line = all.iter().position(|byte| *byte == b'\n').unwrap_or(all.len());
                let fits = fits(self.descriptor.as_fd(), self.mode, line);
                if fits { piece.len() } else { 0 }
            }
        }
    }
}

/// The best way to write to what others may share: an open file description of our own for the
/// terminal or FIFO, which can be non-blocking without theirs becoming so.
fn without_waiting(shared: Descriptor) -> (Descriptor, WriteMode) {
    use rustix::fs::{Mode, OFlags, fstat, open};
    let fd = shared.as_fd();
    let kind = fstat(fd).map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode));
    let most = match kind {
        FileType::Socket => return (shared, WriteMode::Socket),
        FileType::Fifo => WRITE_BYTES,
        FileType::CharacterDevice => TERMINAL_BYTES,
        _ => return (shared, WriteMode::AtOnce),
    };
    let own_mode = if kind == FileType::Fifo { WriteMode::Pipe } else { WriteMode::AtOnce };
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    match open(format!("/dev/fd/{}", fd.as_raw_fd()), flags, Mode::empty()) {
        Ok(own) => (Descriptor::Own(own), own_mode),
        // It belongs to another user, or there is no /dev/fd here.
        Err(_) => (shared, WriteMode::Polled(most)),
    }
}

fn write(to: BorrowedFd<'_>, mode: WriteMode, bytes: &[u8]) -> rustix::io::Result<usize> {
    match mode {
        WriteMode::AtOnce | WriteMode::Pipe => rustix::io::write(to, bytes),
        WriteMode::Socket => {
            rustix::net::send(to, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
        }
        WriteMode::Polled(_) if !takes_more(to, Duration::ZERO) => Err(Errno::AGAIN),
        WriteMode::Polled(_) => write_polled(to, bytes),
    }
}

/// Writes where there was space a moment ago. Somebody who shares the pipe may have taken it since,
/// so the call says that it must not block, where the kernel has that (pipes, from Linux 6.5 on).
fn write_polled(to: BorrowedFd<'_>, bytes: &[u8]) -> rustix::io::Result<usize> {
    #[cfg(target_os = "linux")]
    {
        use rustix::io::{ReadWriteFlags, pwritev2};
        let slices = [io::IoSlice::new(bytes)];
        match pwritev2(to, &slices, u64::MAX, ReadWriteFlags::NOWAIT) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::SPIPE) => {}
            done => return done,
        }
    }
    rustix::io::write(to, bytes)
}

/// Whether a line of `length` bytes can be written whole; one that no pipe holds may begin in an
/// empty one.
fn fits(to: BorrowedFd<'_>, mode: WriteMode, length: usize) -> bool {
    match mode {
        WriteMode::Pipe | WriteMode::Polled(WRITE_BYTES) => {
            let unread = rustix::io::ioctl_fionread(to).unwrap_or(0);
            let unread = usize::try_from(unread).unwrap_or(usize::MAX);
            // Of the pages that a pipe consists of, every other one may be all but empty, and the
            // first, the last and those where the line begins and ends.
            let taken = unread.saturating_mul(2).saturating_add(length + 4 * WRITE_BYTES);
            let has_gone = || readiness(to, Duration::ZERO).contains(PollFlags::ERR);
            unread == 0 || taken <= PIPE_BYTES || has_gone()
        }
        WriteMode::AtOnce | WriteMode::Socket | WriteMode::Polled(_) => true,
    }
}

fn takes_more(fd: BorrowedFd<'_>, patience: Duration) -> bool {
    !readiness(fd, patience).is_empty()
}

/// What poll(2) finds: space, or that nobody reads any more.
fn readiness(fd: BorrowedFd<'_>, patience: Duration) -> PollFlags {
    let patience = Timespec { tv_sec: 0, tv_nsec: i64::from(patience.subsec_nanos()) };
    let mut fds = [PollFd::new(&fd, PollFlags::OUT)];
    let is_ready = poll(&mut fds, Some(&patience)).is_ok_and(|count| count > 0);
    if is_ready { fds[0].revents() } else { PollFlags::empty() }
}

fn lines(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Writes to standard output, waiting as long as that takes; a reader that has seen enough
/// (`| head`) is no error.
///
/// # Errors
/// One line: why it cannot be written to.
pub fn print(text: impl AsRef<[u8]>) -> Result<(), String> {
    use io::Write;
    let mut out = io::stdout();
    match out.write_all(text.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("standard output: {error}"))
        }
        _ => Ok(()),
    }
}

/// The outlet of the log: standard error.
static LOG: LazyLock<Mutex<Outlet>> = LazyLock::new(|| Mutex::new(Outlet::stderr()));

/// Where log lines go: to standard error, as far as it takes them. A poll loop has to flush it.
pub struct Log;

impl Log {
    /// The outlet behind it. Nothing may be logged while it is held.
    pub fn outlet() -> MutexGuard<'static, Outlet> {
        LOG.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has what is logged wait until somebody takes it from the `outlet`, or ends that. Not while
    /// somebody else has it.
    pub fn hold(is_held: bool) {
        if let Ok(mut outlet) = LOG.try_lock() {
            outlet.hold(is_held);
        }
    }

    /// Writes a last line after all others, and waits up to two seconds for somebody to read it.
    pub fn last_words(text: impl AsRef<[u8]>) {
        let mut outlet = Log::outlet();
        outlet.push(text);
        outlet.finish();
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Log::outlet().push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::{PipeReader, PipeWriter, Read, pipe};
    use std::os::unix::net::UnixStream;

    use proptest::prelude::*;

    use super::*;

    /// An outlet into a pipe.
    fn outlet() -> (Outlet, PipeReader) {
        let (reader, writer) = pipe().unwrap();
        (Outlet::of(writer.into()), reader)
    }

    /// One into a pipe that could not be opened again.
    fn polled(writer: PipeWriter) -> Outlet {
        let mode = WriteMode::Polled(WRITE_BYTES);
        Outlet { mode, descriptor: Descriptor::Own(writer.into()), ..Outlet::stdout() }
    }

    fn line(number: usize) -> String {
        format!("line {number} {}\n", "x".repeat(100))
    }

    /// Pushes lines until some are lost; how many that were.
    fn stuff(outlet: &mut Outlet) -> usize {
        (0..)
            .find(|number| {
                outlet.push(line(*number));
                outlet.lost > 0
            })
            .unwrap()
    }

    /// Reads and flushes until nothing waits.
    fn drain(outlet: &mut Outlet, reader: &mut impl Read) -> String {
        let (mut text, mut buffer) = (Vec::new(), [0; 16 * 1024]);
        while outlet.is_behind() {
            let count = reader.read(&mut buffer).unwrap();
            text.extend_from_slice(&buffer[..count]);
            outlet.flush();
        }
        String::from_utf8(text).unwrap()
    }

    fn assert_stops_nobody(mut outlet: Outlet, mut reader: impl Read) {
        let written = stuff(&mut outlet);
        outlet.push("one more\n");
        assert_eq!(outlet.lost, 2);
        assert_eq!(outlet.take_lost(), None, "nobody reads yet");
        let mut text = String::new();
        while outlet.queue.len() > QUEUE_BYTES_AGAIN {
            outlet.push("too early\n");
            let mut buffer = [0; 4096];
            let count = reader.read(&mut buffer).unwrap();
            text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
            outlet.flush();
        }
        assert!(outlet.take_lost().is_some_and(|lost| lost > 2));
        assert_eq!(outlet.take_lost(), None, "told once");
        outlet.push("some were lost\n");
        text.push_str(&drain(&mut outlet, &mut reader));
        drop(outlet);
        reader.read_to_string(&mut text).unwrap();
        let wanted: String = (0..written).map(line).chain(["some were lost\n".into()]).collect();
        assert!(text == wanted, "every line, whole, in order");
    }

    #[test]
    fn a_reader_that_stops_stops_nobody_and_finds_whole_lines_in_order() {
        let (outlet, reader) = outlet();
        assert_eq!(outlet.mode, WriteMode::Pipe);
        assert_stops_nobody(outlet, reader);
        let (here, there) = UnixStream::pair().unwrap();
        let outlet = Outlet::of(here.into());
        assert_eq!(outlet.mode, WriteMode::Socket);
        assert_stops_nobody(outlet, there);
    }

    #[test]
    fn what_cannot_be_opened_again_stops_nobody_either() {
        let (reader, writer) = pipe().unwrap();
        assert_stops_nobody(polled(writer), reader);
    }

    #[test]
    fn the_flag_that_others_share_is_left_alone() {
        let (_reader, writer) = pipe().unwrap();
        let shared = writer.try_clone().unwrap();
        let mut outlet = Outlet::of(writer.into());
        stuff(&mut outlet);
        let flags = rustix::fs::fcntl_getfl(&shared).unwrap();
        assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK));
    }

    #[test]
    fn a_reader_that_has_gone_costs_the_lines_and_nothing_else() {
        let (mut outlet, reader) = outlet();
        drop(reader);
        for _ in 0..3 {
            outlet.push("nobody\nhears\n");
            assert!(!outlet.is_behind());
            assert_eq!(outlet.take_lost(), None, "and nobody could be told");
        }
        assert_eq!(outlet.lost, 6);
        assert_eq!(outlet.failure().unwrap().kind(), io::ErrorKind::BrokenPipe);
        outlet.finish();
    }

    #[test]
    fn what_is_held_is_written_by_whoever_takes_it_or_later() {
        let (mut outlet, mut reader) = outlet();
        outlet.hold(true);
        outlet.push("taken\n");
        assert!(outlet.is_behind());
        assert_eq!(outlet.take(), b"taken\n");
        outlet.push("later\n");
        outlet.hold(false);
        assert_eq!((outlet.is_behind(), drain(&mut outlet, &mut reader)), (false, String::new()));
        drop(outlet);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "later\n");
    }

    #[test]
    fn what_is_drawn_is_drawn_whole_or_not_at_all() {
        let (mut outlet, mut reader) = outlet();
        assert!(outlet.draw("no line") && outlet.draw("\rgone"));
        while outlet.draw("x".repeat(1000)) {}
        assert_eq!(outlet.lost, 0);
        assert!(!outlet.draw("x\n".repeat(1000)));
        assert_eq!(outlet.lost, 1000);
        assert!(drain(&mut outlet, &mut reader).starts_with("no line\rgonexxx"));
    }

    #[test]
    fn a_full_disk_costs_lines_too() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut outlet = Outlet::of(full.into());
        outlet.push("no room\n");
        assert_eq!((outlet.lost, outlet.is_behind()), (1, false));
    }

    #[test]
    fn last_words_do_not_wait_for_ever() {
        let (mut outlet, mut reader) = outlet();
        stuff(&mut outlet);
        let waiting = outlet.queue.len();
        outlet.finish();
        assert_eq!(outlet.queue.len(), waiting);
        drain(&mut outlet, &mut reader);
        outlet.finish();
        assert!(!outlet.is_behind());
    }

    #[test]
    fn whoever_stops_reading_amid_long_lines_finds_whole_ones() {
        for length in [4097, 5000, 8192, 20_000, 40_000] {
            let (mut outlet, mut reader) = outlet();
            let line = format!("{}\n", "x".repeat(length));
            (0..20).for_each(|_| outlet.push(&line));
            assert!(outlet.is_behind());
            drop(outlet);
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            let lines = text.split_inclusive('\n');
            assert!(!text.is_empty() && lines.into_iter().all(|one| one == line), "{length}");
        }
    }

    #[test]
    fn a_long_line_for_a_reader_that_has_gone_waits_for_nobody() {
        let (mut outlet, reader) = outlet();
        let line = format!("{}\n", "x".repeat(40_000));
        outlet.push(&line);
        outlet.push(&line);
        assert!(outlet.is_behind());
        drop(reader);
        outlet.flush();
        assert_eq!((outlet.is_behind(), outlet.lost), (false, 1));
    }

    /// What happens to an outlet, or at the other end of it.
    #[derive(Clone, Debug)]
    enum Event {
        /// So many lines of that length.
        Push(usize, usize),
        Read(usize),
        Hold(bool),
        Ask,
    }

    fn event() -> impl Strategy<Value = Event> {
        let lengths = prop_oneof![4 => 1..200_usize, 2 => 4000..4200_usize, 1 => 1..60_000_usize];
        prop_oneof![
            4 => (1..60_usize, lengths).prop_map(|(count, length)| Event::Push(count, length)),
            2 => (1..200_000_usize).prop_map(Event::Read),
            1 => any::<bool>().prop_map(Event::Hold),
            1 => Just(Event::Ask),
        ]
    }

    /// Reads what is there, up to so much.
    fn read_some(reader: &mut PipeReader, most: usize, into: &mut Vec<u8>) {
        let there = usize::try_from(rustix::io::ioctl_fionread(&*reader).unwrap()).unwrap();
        let start = into.len();
        into.resize(start + there.min(most), 0);
        reader.read_exact(&mut into[start..]).unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn each_line_is_read_whole_and_in_order_or_counted_as_lost(
            events in proptest::collection::vec(event(), 1..60),
            is_polled: bool,
        ) {
            let (mut reader, writer) = pipe().unwrap();
            let mut outlet = if is_polled { polled(writer) } else { Outlet::of(writer.into()) };
            let (mut pushed, mut told, mut read) = (Vec::new(), 0, Vec::new());
            for event in events {
                match event {
                    Event::Push(count, length) => (0..count).for_each(|_| {
                        let line = format!("{} {}\n", pushed.len(), "x".repeat(length));
                        outlet.push(&line);
                        pushed.push(line);
                    }),
                    Event::Read(most) => read_some(&mut reader, most, &mut read),
                    Event::Hold(is_held) => outlet.hold(is_held),
                    Event::Ask => told += outlet.take_lost().unwrap_or(0),
                }
                prop_assert!(outlet.queue.len() <= QUEUE_BYTES_MAX);
                outlet.flush();
            }
            let waiting = lines(outlet.queue.make_contiguous());
            let lost = told + outlet.lost;
            drop(outlet);
            reader.read_to_end(&mut read).unwrap();
            let text = String::from_utf8(read).unwrap();
            prop_assert!(text.is_empty() || text.ends_with('\n'), "ends amid a line");
            let mut written = pushed.iter();
            let mut count = 0;
            for line in text.split_inclusive('\n') {
                prop_assert!(written.any(|one| one == line), "{} is none of them", line.len());
                count += 1;
            }
            prop_assert_eq!(count + waiting + lost, pushed.len() as u64);
        }
    }
}
