//! Blocks that wait for a batch that takes its time.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    process::{Child, ChildStdout, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use super::Folder;

/// Many times what may lie in memory.
const LINES: usize = 100_000;
const LINE: usize = 1_000;
/// Lines of a block.
const BLOCK: usize = 100;

/// Lines are counted batch by batch. The first of each batch is printed: one that is longer than a
/// pipe holds stops the batch until somebody reads.
fn topology(head: &str, kind: &str, listener: &TcpListener, keys: &str) -> String {
    let address = listener.local_addr().unwrap();
    format!(
        r#"
name = "many"
batch-interval = "20ms"
{head}
[source.lines]
type = "{kind}"
address = "{address}"
block-interval = "10ms"
{keys}
[operator.how-many]
input = "lines"
count = true
[sink.first]
input = "lines"
type = "print"
n = 1
[sink.out]
input = "how-many"
type = "print"
"#
    )
}

struct Run {
    child: Child,
    stdout: BufReader<ChildStdout>,
    server: TcpStream,
    /// What the batches counted that were read.
    counted: usize,
}

impl Run {
    /// With `level` "error" nothing is logged: the log waits for standard output, too.
    fn start(folder: &Folder, listener: &TcpListener, level: &str) -> Self {
        let stderr = fs::File::create(folder.path().join("stderr")).unwrap();
        let mut rsrt = folder.command(&["run", "-t", "topo.toml", "--log", level]);
        let mut child = rsrt.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let (server, _) = listener.accept().unwrap();
        Self {
            stdout: BufReader::new(child.stdout.take().unwrap()),
            child,
            server,
            counted: 0,
        }
    }

    /// Sends a line that nobody reads to its end, and waits for its batch.
    fn pause(&mut self, send: impl FnOnce(&mut TcpStream, &[u8])) {
        let line = [vec![b'x'; 900_000], vec![b'\n']].concat();
        send(&mut self.server, &line);
        let mut begin = [0; 100];
        while !begin.ends_with(b"xxxx") {
            self.stdout.read_exact(&mut begin[..1]).unwrap();
            begin.rotate_left(1);
        }
    }

    /// Sends all lines in blocks and hangs up; when the receiver comes again, it has them all. A
    /// receiver of blocks has one in its hands, whatever else the machine does meanwhile.
    fn send(&mut self, listener: &TcpListener) {
        let line = [vec![b'y'; LINE - 1], vec![b'\n']].concat();
        for _ in 0..LINES / BLOCK {
            send_block(&mut self.server, &line.repeat(BLOCK));
        }
        self.server.shutdown(Shutdown::Both).unwrap();
        (self.server, _) = listener.accept().unwrap();
    }

    /// Reads on until so many lines were counted.
    fn read_until(&mut self, counted: usize) {
        let mut line = String::new();
        while self.counted < counted {
            line.clear();
            assert!(self.stdout.read_line(&mut line).unwrap() > 0, "it ended");
            self.counted += line.trim_end().parse().unwrap_or(0);
        }
    }

    /// Megabytes that the process had in memory, at most.
    fn peak(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = peak.unwrap().trim().strip_suffix(" kB").unwrap();
        kilobytes.parse::<usize>().unwrap() / 1_000
    }

    /// How it ended, and what else was counted.
    fn end(mut self, signal: Signal) -> (Option<i32>, usize) {
        let id = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(id, signal).unwrap();
        let mut more = 0;
        for line in self.stdout.lines() {
            more += line.unwrap().parse().unwrap_or(0);
        }
        (self.child.wait().unwrap().code(), more)
    }
}

/// As a raw socket's server does.
fn send_block(server: &mut TcpStream, lines: &[u8]) {
    let length = u32::try_from(lines.len()).unwrap();
    server.write_all(&length.to_be_bytes()).unwrap();
    server.write_all(lines).unwrap();
}

#[test]
fn what_does_not_fit_into_memory_waits_on_disk() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for persist in ["memory-and-disk", "disk"] {
        let memory = match persist {
            "disk" => "",
            _ => "block-store-memory = \"1MiB\"",
        };
        let keys = format!("persist = \"{persist}\"\n{memory}");
        let topology = topology(
            "spill-directory = \"spill\"",
            "raw-socket",
            &listener,
            &keys,
        );
        let folder = Folder::new(&[("topo.toml", &topology)]);
        let mut run = Run::start(&folder, &listener, "error");
        run.pause(send_block);
        let before = run.peak();
        run.send(&listener);
        let grown = run.peak() - before;
        assert!(
            grown < LINES * LINE / 1_000_000 / 2,
            "{persist}: {grown} MB"
        );
        run.read_until(LINES + 1);
        assert_eq!(run.end(Signal::TERM), (Some(0), 0));
        assert_eq!(folder.names(), ["spill", "stderr", "topo.toml"]);
        let spill = fs::read_dir(folder.path().join("spill")).unwrap();
        assert_eq!(spill.count(), 0);
    }
}

#[test]
fn what_waited_on_disk_when_the_process_died_is_made_by_the_next() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let keys = "block-store-memory = \"1MiB\"";
    let topology = topology("checkpoint = \"kept\"", "raw-socket", &listener, keys);
    let folder = Folder::new(&[("topo.toml", &topology)]);
    let mut first = Run::start(&folder, &listener, "error");
    first.pause(send_block);
    let before = first.peak();
    first.send(&listener);
    let grown = first.peak() - before;
    let half = LINES * LINE / 1_000_000 / 2;
    assert!(grown < half, "{grown} MB");
    assert_eq!(first.end(Signal::KILL), (None, 0));

    let mut second = Run::start(&folder, &listener, "error");
    // A segment of the journal, and what is read of it.
    let grown = second.peak() - before;
    assert!(grown < half + 64, "{grown} MB");
    second.read_until(LINES + 1);
    assert_eq!(second.end(Signal::TERM), (Some(0), 0));
}

#[test]
fn what_is_not_logged_is_lost_if_it_was_not_committed_and_nothing_else() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let topology = topology("checkpoint = \"kept\"", "socket", &listener, "log = false");
    let folder = Folder::new(&[("topo.toml", &topology)]);
    let shown = folder.rsrt(&["check", "topo.toml"]);
    assert!(
        shown.stdout.contains("at most once, not logged"),
        "{}",
        shown.stdout
    );

    let mut first = Run::start(&folder, &listener, "warn");
    first.server.write_all(b"a\nb\n").unwrap();
    first.read_until(2);
    // The batch after, so that the one before is committed.
    first.pause(|server, line| server.write_all(line).unwrap());
    assert_eq!(first.end(Signal::KILL), (None, 0));
    let said = |words: &str| {
        let stderr = fs::read_to_string(folder.path().join("stderr")).unwrap();
        assert!(stderr.contains(words), "{stderr}");
    };
    said("not logged (log = false)");

    let mut second = Run::start(&folder, &listener, "warn");
    second.server.write_all(b"c\n").unwrap();
    second.read_until(1);
    assert_eq!(second.end(Signal::TERM), (Some(0), 0));
    said("is made again without 1 of its 1 blocks, which were not logged");
}

#[test]
fn a_full_disk_ends_the_run_after_what_was_received() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let keys = "persist = \"disk\"";
    let topology = topology("spill-directory = \"spill\"", "socket", &listener, keys);
    let folder = Folder::new(&[("topo.toml", &topology)]);
    // Files take 4 or 8 KiB, as the shell counts.
    let limited = "ulimit -f 8 && trap '' XFSZ && exec \"$0\" run -t topo.toml";
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", limited, env!("CARGO_BIN_EXE_rsrt")])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = shell.spawn().unwrap();
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(&b"line\n".repeat(2_000)).unwrap();
    let ended = super::Ended::of(child.wait_with_output().unwrap());
    ended.says(
        1,
        &[
            "source lines: received blocks cannot be put aside",
            "cannot write a spill file in ",
            "File too large",
        ],
    );
    let counted = ended
        .stdout
        .lines()
        .filter_map(|line| line.parse::<usize>().ok());
    assert_eq!(counted.sum::<usize>(), 2_000);
}

/// A topology whose window holds the last three lines.
fn windowed(keys: &str) -> String {
    let operators = format!(
        "[operator.recent]\ninput = \"lines\"\nwindow = \"3s\"\n{keys}\n\
         [operator.words]\ninput = \"lines\"\ncount-by-value = true\n\
         [operator.grouped]\ninput = \"words\"\ngroup-by-key-and-window = \"2s\"\n{keys}\n\
         [sink.grouped-out]\ninput = \"grouped\"\ntype = \"print\"\n"
    );
    super::lines_topology("spill-directory = \"spill\"", &operators, "recent")
}

#[test]
fn a_window_holds_the_same_rows_wherever_they_lie() {
    let levels = ["", "persist = \"memory-and-disk\"", "persist = \"disk\""];
    let run = |keys: &str| {
        let folder = Folder::new(&[
            ("topo.toml", &windowed(keys)),
            ("in.txt", "a\nb\na\nc\na\n"),
        ]);
        let ended = folder.rsrt(&["run", "--quiet", "-t", "topo.toml"]);
        ended.says(0, &[]);
        let rows: Vec<String> = ended.printed().iter().map(|rows| rows.join(" ")).collect();
        (rows, folder.names().contains(&"spill".to_owned()))
    };
    let [(memory, false), (both, false), (disk, true)] = levels.map(run) else {
        panic!("what fits into memory is not spilled, and only that");
    };
    assert_eq!(memory.len(), 10);
    assert!(memory.contains(&"a c a".to_owned()), "{memory:?}");
    assert_eq!(memory, both);
    assert_eq!(memory, disk);
}

#[test]
fn a_batch_that_does_not_fit_on_disk_fails_and_later_windows_name_it() {
    let line = "x".repeat(20_000);
    let topology = windowed("persist = \"disk\"");
    let lines = format!("a\nb\n{line}\nc\n");
    let folder = Folder::new(&[("topo.toml", &topology), ("in.txt", &lines)]);
    let limited = "ulimit -f 8 && trap '' XFSZ && exec \"$0\" run -t topo.toml";
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", limited, env!("CARGO_BIN_EXE_rsrt")])
        .current_dir(folder.path());
    let ended = super::Ended::of(shell.output().unwrap());
    let why = "operator `grouped`: a batch in its window: cannot write a spill file in ";
    let words = [why, "File too large", "operator `grouped` builds on batch"];
    ended.says(1, &words);
}
