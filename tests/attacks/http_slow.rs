//! Who takes their time, and many connections.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use super::victim::Victim;
use crate::serve::{Served, ask};

impl Served {
    /// A connection from another address of this machine, as from another machine.
    pub(super) fn connect_from(&self, address: &str) -> TcpStream {
        let server = self.url.trim_start_matches("http://").parse().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let stream = runtime.unwrap().block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket
                .bind(format!("{address}:0").parse().unwrap())
                .unwrap();
            socket.connect(server).await.unwrap().into_std().unwrap()
        });
        stream.set_nonblocking(false).unwrap();
        stream
    }
}

#[test]
fn heads_and_bodies_that_never_end_hold_nobody_else() {
    let mut victim = Victim::start(
        "[limits]\nheader-timeout = \"1h\"\nrequest-timeout = \"1h\"\nconnections = 40\nconnections-per-address = 30\n",
    );
    victim.feed(1_000);
    let attacker = victim.served.token(&["--namespace", "attacker"]);
    let mut held = Vec::new();
    // Some that begin a head, some that begin a body, some that say nothing.
    for number in 0..30 {
        let mut stream = victim.served.connect_from("127.0.0.2");
        let text = match number % 3 {
            0 => String::new(),
            1 => "GET /v1/me HTTP/1.1\r\nHo".to_owned(),
            _ => format!(
                "POST /v1/namespaces/attacker/topologies HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {attacker}\r\n\
                 Content-Length: 1000\r\n\r\n{{"
            ),
        };
        stream.write_all(text.as_bytes()).unwrap();
        held.push(stream);
    }
    // Who has so many gets no more.
    let mut more = victim.served.connect_from("127.0.0.2");
    let _ = more.write_all(b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut text = String::new();
    let _ = more.read_to_string(&mut text);
    assert_eq!(text, "");
    // Everybody else is served, and deploys.
    let token = victim.token.clone();
    assert_eq!(victim.served.http("GET", "/v1/me", &token, "").0, 200);
    let text = crate::serve::endless("another");
    assert_eq!(victim.served.deploy("victim", &token, &text).0, 201);
    victim.feed(1_000);
    // A place that is given up is free.
    drop(held.remove(0));
    loop {
        let mut stream = victim.served.connect_from("127.0.0.2");
        if ask(&mut stream, ("GET", "/openapi.json", ""), b"").0 == 200 {
            break;
        }
    }
    victim.is_unharmed();
}

/// Who asks and asks, and reads nothing, gives its place back at last.
#[test]
fn who_does_not_read_is_left() {
    let mut victim = Victim::start("[limits]\nrequest-timeout = \"2s\"\n");
    victim.feed(100);
    let mut stream = victim.served.connect();
    let asking = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1_000);
    // It is not read once its answers are not, and then it is closed.
    while stream.write_all(&asking).is_ok() {}
    victim.is_unharmed();
}

#[test]
fn who_is_silent_is_left() {
    let mut victim = Victim::start("[limits]\nheader-timeout = \"500ms\"\n");
    victim.feed(100);
    for text in [
        "",
        "G",
        "GET /v1/me HTTP/1.1\r\nHost: a\r\nX: ",
        // A request, and then nothing.
        "GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut stream = victim.served.connect();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer); // it ends
    }
    victim.is_unharmed();
}
