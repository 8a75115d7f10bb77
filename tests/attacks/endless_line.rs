//! A line that never ends.

use std::{io::Write as _, net::TcpListener, sync::mpsc, thread};

use super::field::{Field, number};

/// Bytes of the line, at least.
const LINE: u64 = 256 << 20;

#[test]
fn an_endless_line() {
    let field = Field::new("");
    let feed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = feed.local_addr().unwrap();
    let (sent, all_sent) = mpsc::channel();
    let before = field.served.memory_peak();
    field.compare(|| {
        let topology = format!(
            "name = \"endless\"\nbatch-interval = \"50ms\"\n\
             [source.lines]\ntype = \"socket\"\naddress = \"{address}\"\nformat = \"text\"\n\
             [sink.out]\ninput = \"lines\"\ntype = \"null\"\n"
        );
        field.deploy("attacker", &topology, None);
        let (mut stream, _) = feed.accept().unwrap();
        thread::spawn(move || {
            let piece = vec![b'x'; 1 << 20];
            let mut bytes = 0_u64;
            while stream.write_all(&piece).is_ok() {
                bytes += piece.len() as u64;
                if bytes == LINE && sent.send(()).is_err() {
                    return;
                }
            }
        });
    });
    all_sent.recv().unwrap();
    let grown = (field.served.memory_peak() - before) << 10;
    eprintln!("the server grew by {} KiB", grown >> 10);
    assert!(grown < LINE / 2, "{grown} bytes: the line is kept");
    let usage = field.usage("attacker");
    assert!(number(&usage["cpu"], "receiving") > 0, "{usage:#}");
    assert_eq!(number(&usage, "records"), 0);
}
