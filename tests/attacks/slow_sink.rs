//! A database that takes connections and never answers.

use std::{net::TcpListener, thread};

use super::field::Field;

#[test]
fn a_slow_sink() {
    let field = Field::new("");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let (sender, connected) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let mut open = Vec::new();
        while let Ok((stream, _)) = silent.accept() {
            open.push(stream);
            if sender.send(()).is_err() {
                return;
            }
        }
    });
    field.compare(|| {
        for name in ["slow-1", "slow-2", "slow-3"] {
            let topology = format!(
                "name = \"{name}\"\nbatch-interval = \"20ms\"\n\
                 [source.numbers]\ntype = \"generator\"\nrate = 10000\n\
                 [sink.out]\ninput = \"numbers\"\ntype = \"postgres\"\n\
                 url = \"postgres://rsrt@{address}/shop\"\ntable = \"numbers\"\n"
            );
            field.deploy("attacker", &topology, None);
        }
        for _ in 0..3 {
            connected.recv().unwrap();
        }
    });
    // Its batches wait for their sink, and for nothing else.
    let usage = field.usage("attacker");
    for one in usage["topologies"].as_array().unwrap() {
        let records = super::field::number(one, "records");
        assert!(records <= 2 * 200, "{one:#}");
    }
}
