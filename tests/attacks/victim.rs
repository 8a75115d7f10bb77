//! Who must not be harmed: a topology of another tenant, whose records are counted.

use std::{
    fs,
    io::Write as _,
    net::{TcpListener, TcpStream},
};

use walkdir::WalkDir;

use crate::serve::Served;

/// A server with a topology of namespace `victim` that writes the lines it is sent to files.
pub(super) struct Victim {
    pub(super) served: Served,
    pub(super) token: String,
    feed: TcpStream,
    sent: u64,
}

impl Victim {
    /// With more lines of configuration.
    pub(super) fn start(config: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let served = Served::with(&format!(
            "[namespace.victim]\naddresses = [\"127.0.0.1:*\"]\n{config}"
        ));
        let token = served.token(&["--namespace", "victim"]);
        let topology = format!(
            "name = \"counting\"\nbatch-interval = \"20ms\"\n\
             [source.lines]\ntype = \"socket\"\naddress = \"{address}\"\n\
             [sink.out]\ninput = \"lines\"\ntype = \"text-files\"\npath = \"out/x\"\n"
        );
        let (code, answer) = served.deploy("victim", &token, &topology);
        assert_eq!(code, 201, "{answer}");
        let feed = listener.accept().unwrap().0;
        Self {
            served,
            token,
            feed,
            sent: 0,
        }
    }

    /// Sends so many more lines, each a number.
    pub(super) fn feed(&mut self, lines: u64) {
        for _ in 0..lines {
            writeln!(self.feed, "{}", self.sent).unwrap();
            self.sent += 1;
        }
    }

    /// Every line that was sent has come out once, no batch has failed, and all of that goes on.
    pub(super) fn is_unharmed(&mut self) {
        self.feed(10);
        let (token, sent) = (self.token.clone(), self.sent);
        let status = self.served.until(&token, "counting", |status| {
            status["records"].as_u64() >= Some(sent)
        });
        assert_eq!(status["records"], sent, "{status}");
        assert_eq!(status["failed-batches"], 0, "{status}");
        self.served.rsrt(&token, &["stop", "counting"]).says(0, &[]);
        let folder = self.served.folder.path();
        let out = folder.join("data/namespaces/victim/topologies/counting/work/out");
        let files = WalkDir::new(out).into_iter().map(Result::unwrap);
        let files = files.filter(|file| file.file_type().is_file());
        let mut rows = Vec::new();
        for file in files {
            let text = fs::read_to_string(file.path()).unwrap();
            rows.extend(text.lines().map(|row| row.parse::<u64>().unwrap()));
        }
        rows.sort_unstable();
        assert_eq!(rows, (0..sent).collect::<Vec<_>>());
        let log = fs::read_to_string(folder.join("log")).unwrap();
        assert!(!log.contains("panicked at"), "{log}");
    }
}
