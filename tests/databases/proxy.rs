//! Someone between a client and its server, who cuts the line at the worst moment.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
};

/// What is to happen to the next COMMIT; to those after it, nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cut {
    /// The server never hears of it.
    Before,
    /// The server has done it, and the client never hears of that.
    After,
}

pub(super) struct Proxy {
    port: u16,
    next: Arc<Mutex<Option<Cut>>>,
}

impl Proxy {
    pub(super) fn new(server: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let next = Arc::new(Mutex::new(None));
        let (server, cut) = (server.to_owned(), next.clone());
        // It ends with the process.
        thread::spawn(move || {
            for client in listener.incoming() {
                let (server, cut) = (server.clone(), cut.clone());
                let client = client.unwrap();
                thread::spawn(move || carry(client, server, &cut));
            }
        });
        Self { port, next }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn cut(&self, cut: Cut) {
        *self.next.lock().unwrap() = Some(cut);
    }

    /// Whether the last cut was made.
    pub(super) fn has_cut(&self) -> bool {
        self.next.lock().unwrap().is_none()
    }
}

fn carry(mut client: TcpStream, server: PathBuf, cut: &Mutex<Option<Cut>>) {
    let mut server = UnixStream::connect(server).unwrap();
    let mute = Arc::new(Mutex::new(false));
    let answers = {
        let (mut client, mut server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let mute = mute.clone();
        thread::spawn(move || {
            let mut bytes = [0; 8 << 10];
            loop {
                let read = server.read(&mut bytes).unwrap_or(0);
                let is_cut = read == 0 || *mute.lock().unwrap();
                if is_cut || client.write_all(&bytes[..read]).is_err() {
                    break;
                }
            }
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
        })
    };
    let mut bytes = [0; 8 << 10];
    loop {
        let read = client.read(&mut bytes).unwrap_or(0);
        let is_commit = bytes[..read].windows(7).any(|part| part == b"COMMIT\0");
        let cut = match is_commit {
            true => cut.lock().unwrap().take(),
            false => None,
        };
        if cut == Some(Cut::After) {
            *mute.lock().unwrap() = true;
        }
        if read == 0 || cut == Some(Cut::Before) || server.write_all(&bytes[..read]).is_err() {
            break;
        }
        if cut.is_some() {
            // The answer comes, and ends it.
            break;
        }
    }
    if *mute.lock().unwrap() {
        answers.join().unwrap();
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}
