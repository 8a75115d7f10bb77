//! What gives lines to sources that wait for others, whoever dies meanwhile.

use std::{
    fs,
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::JoinHandle,
    time::Duration,
};

use super::{
    flow::{Fed, LINES, line},
    pause,
};
use crate::command::Failed;

/// Lines in a file or a block.
const TOGETHER: usize = 5;

/// Gives lines until it is dropped.
pub(super) struct Feed {
    shared: Arc<Shared>,
    /// Where it listens.
    pub(super) address: String,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// So many lines may be given.
    allowed: AtomicUsize,
    is_over: AtomicBool,
    /// Lines sent by connection: from and to.
    connections: Mutex<Vec<(usize, usize)>>,
}

impl Feed {
    pub(super) fn start(fed: Fed, place: &Path) -> Result<Self, Failed> {
        let shared = Arc::new(Shared::default());
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?.to_string();
        let (own, directory) = (shared.clone(), place.join("in"));
        fs::create_dir_all(&directory)?;
        let thread = std::thread::spawn(move || match fed {
            Fed::File => {}
            Fed::Directory => own.put_files(&directory),
            Fed::Socket => own.send(&listener),
            Fed::Acknowledged => own.send_blocks(&listener),
        });
        Ok(Self {
            shared,
            address,
            thread: Some(thread),
        })
    }

    /// So many lines in all may be given from now on.
    pub(super) fn allow(&self, lines: usize) {
        self.shared.allowed.store(lines, SeqCst);
    }

    /// What each connection was sent: from and to.
    pub(super) fn connections(&self) -> Vec<(usize, usize)> {
        let connections = self.shared.connections.lock();
        connections.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.shared.is_over.store(true, SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn is_over(&self) -> bool {
        self.is_over.load(SeqCst)
    }

    fn may(&self, line: usize) -> bool {
        line < self.allowed.load(SeqCst).min(LINES)
    }

    fn put_files(&self, directory: &Path) {
        let mut next = 0;
        while !self.is_over() && next < LINES {
            if self.may(next + TOGETHER - 1) {
                let text: String = lines(next).map(|line| line + "\n").collect();
                let name = format!("lines-{next:05}");
                let hidden: PathBuf = directory.join(format!(".{name}"));
                let put = fs::write(&hidden, text)
                    .and_then(|()| fs::rename(&hidden, directory.join(&name)));
                if let Err(error) = put {
                    eprintln!("no files for the directory: {error}");
                    return;
                }
                next += TOGETHER;
            }
            pause(15);
        }
    }

    /// The next connection; none: it is over.
    fn accept(&self, listener: &TcpListener) -> Option<TcpStream> {
        while !self.is_over() {
            match listener.accept() {
                Ok((stream, _)) => return stream.set_nonblocking(false).is_ok().then_some(stream),
                Err(_) => pause(2),
            }
        }
        None
    }

    fn send(&self, listener: &TcpListener) {
        let mut next = 0;
        while let Some(mut stream) = self.accept(listener) {
            let first = next;
            self.note(first, next);
            while !self.is_over() && !has_hung_up(&mut stream) {
                if self.may(next) {
                    // It counts as sent before it is: it may arrive although sending fails.
                    next += 1;
                    self.note(first, next);
                    if writeln!(stream, "{}", line(next - 1)).is_err() {
                        break;
                    }
                }
                pause(3);
            }
        }
    }

    fn note(&self, first: usize, next: usize) {
        let connections = self.connections.lock();
        let mut connections = connections.unwrap_or_else(PoisonError::into_inner);
        connections.retain(|(from, _)| *from != first);
        connections.push((first, next));
    }

    fn send_blocks(&self, listener: &TcpListener) {
        let mut acknowledged = 0;
        while let Some(stream) = self.accept(listener) {
            // A connection that breaks is followed by another one.
            let _ = self.send_blocks_to(stream, &mut acknowledged);
        }
    }

    fn send_blocks_to(&self, mut stream: TcpStream, done: &mut usize) -> std::io::Result<()> {
        let mut answers = BufReader::new(stream.try_clone()?);
        while !self.is_over() {
            if *done >= LINES {
                writeln!(stream, "end")?;
                // Until it hangs up.
                return answers.read_line(&mut String::new()).map(|_| ());
            }
            if !self.may(*done + TOGETHER - 1) {
                if has_hung_up(&mut stream) {
                    return Ok(());
                }
                pause(2);
                continue;
            }
            let text: String = lines(*done).map(|line| line + "\n").collect();
            stream.write_all(format!("{text}.\n").as_bytes())?;
            let mut answer = String::new();
            answers.read_line(&mut answer)?;
            if answer.trim_end() != line(*done + TOGETHER - 1) {
                return Ok(()); // it died before it answered: the block is sent again
            }
            *done += TOGETHER;
            pause(10);
        }
        Ok(())
    }
}

fn lines(from: usize) -> impl Iterator<Item = String> {
    (from..from + TOGETHER).map(line)
}

/// Nobody who connects says anything without being asked.
fn has_hung_up(stream: &mut TcpStream) -> bool {
    let timeout = stream.set_read_timeout(Some(Duration::from_millis(1)));
    let read = timeout.and_then(|()| stream.read(&mut [0]));
    let waits = |error: &std::io::Error| {
        matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
    };
    let is_there = read.is_err_and(|error| waits(&error));
    let _ = stream.set_read_timeout(None);
    !is_there
}
