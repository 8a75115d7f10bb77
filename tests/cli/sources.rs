//! Sources that wait for somebody, from outside.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::Stdio,
};

use rustix::process::{Pid, Signal, kill_process};

use super::Folder;
use crate::guests;

/// Runs the topology until a line of its output is each of `wanted`, in any order, then stops it.
fn run_until(topology: &str, send: impl FnOnce(), wanted: &[&str]) {
    let folder = Folder::new(&[("topo.toml", topology)]);
    let plugin = guests::plugin("text-tools");
    let mut rsrt = folder.command(&["run", plugin.to_str().unwrap(), "-t", "topo.toml"]);
    let mut child = rsrt
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    send();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut missing: Vec<_> = wanted.to_vec();
    while !missing.is_empty() {
        let line = lines.next().unwrap().unwrap();
        missing.retain(|wanted| line != *wanted);
    }
    let id = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(id, Signal::TERM).unwrap();
    for line in lines {
        let line = line.unwrap();
        assert!(!wanted.contains(&line.as_str()), "{line} came twice");
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

fn accept(listener: &TcpListener, bytes: &[u8]) -> TcpStream {
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

#[test]
fn several_sources_with_formats_and_converters_are_one_stream() {
    let servers = [listen(), listen(), listen(), listen()];
    let [json, csv, lines, blocks] = servers.each_ref().map(|(_, address)| address);
    let columns = "schema = { sensor = \"utf8\", at = \"timestamp\", value = \"float64?\" }";
    let topology = format!(
        r#"
name = "sensors"
batch-interval = "20ms"

[source.json]
type = "socket"
address = "{json}"
format = "json"
{columns}

[source.csv]
type = "socket"
address = "{csv}"
format = "csv"
{columns}

[source.lines]
type = "socket"
address = "{lines}"
converter = "reading"

[source.blocks]
type = "raw-socket"
address = "{blocks}"
converter = "reading"

[operator.all]
input = ["json", "csv", "lines", "blocks"]
union = true

[sink.out]
input = "all"
type = "print"
n = 100

[sink.bad]
input = "blocks.rejected"
type = "print"
"#
    );
    let block = b"\x00\x00\x00\x0bd,0,4\nd,1,\n\x00\x00\x00\x01x";
    let send = || {
        let sent: [&[u8]; 4] = [
            b"{\"sensor\": \"a\", \"at\": 0, \"value\": 1.5}\n",
            b"b,1970-01-01T00:00:00Z,2\n",
            b"c,0,3\n",
            block,
        ];
        let streams = servers.iter().zip(sent);
        let streams: Vec<_> = streams.map(|((l, _), sent)| accept(l, sent)).collect();
        std::mem::forget(streams); // open until the end
    };
    let reading = |sensor, milli, value| {
        format!("{{sensor: {sensor}, at: 1970-01-01T00:00:00.00{milli}Z, value: {value}}}")
    };
    let rows = [
        reading("a", 0, "1.5"),
        reading("b", 0, "2.0"),
        reading("c", 0, "3.0"),
        reading("d", 0, "4.0"),
        reading("d", 1, "null"),
        "{value: x, reason: no time}".to_owned(),
    ];
    run_until(&topology, send, &rows.each_ref().map(String::as_str));
}

#[test]
fn a_converter_is_checked_like_any_function() {
    let topology = |converter: &str| {
        format!(
            "name = \"a\"\nbatch-interval = \"1s\"\n[source.in]\ntype = \"socket\"\n\
             address = \"localhost:1\"\nconverter = \"{converter}\"\n\
             [sink.out]\ninput = \"in\"\ntype = \"print\"\n"
        )
    };
    for (converter, words) in [
        ("announce", "so `converter` cannot call it"),
        ("redaing", "did you mean `reading`?"),
        ("std:sum", "`std:sum` cannot be called by `converter`"),
    ] {
        let folder = Folder::new(&[("topo.toml", &topology(converter))]);
        let plugin = guests::plugin("text-tools");
        let ended = folder.rsrt(&["check", "topo.toml", "--plugin", plugin.to_str().unwrap()]);
        ended.says(2, &[words]);
    }
}

#[test]
fn a_receiver_needs_a_program() {
    let topology = "name = \"a\"\nbatch-interval = \"1s\"\n[source.in]\ntype = \"receiver\"\n\
                    [sink.out]\ninput = \"in\"\ntype = \"print\"\n";
    let folder = Folder::new(&[("topo.toml", topology)]);
    folder.rsrt(&["check", "topo.toml"]).says(0, &[]);
    let ended = folder.rsrt(&["run", "--topology", "topo.toml"]);
    ended.says(
        2,
        &["source in: rows of a `receiver` come from the program"],
    );
}
