//! Sources and data sets read nothing that lies elsewhere.

use std::{
    fs,
    os::unix::fs::{FileTypeExt, symlink},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
};

use rsrt::{model::BatchTime, source::DataSet};

use super::{LATE, Yard, opened, read, rows};

fn file(path: &str) -> String {
    format!(
        "[source.a]\ntype = \"file\"\npath = \"{path}\"\n[sink.o]\ninput = \"a\"\ntype = \"null\""
    )
}

fn directory(path: &str) -> String {
    format!(
        "[source.a]\ntype = \"directory\"\nnew-files-only = false\nremember = \"1000000000000s\"\npath = \"{path}\"\n[sink.o]\ninput = \"a\"\ntype = \"null\""
    )
}

impl Yard {
    fn with_links(self) -> Self {
        self.link("last.txt", "../secret/in.txt");
        self.link("absolute.txt", self.path("secret/in.txt"));
        self.link("middle", "../secret");
        self.link("twice.txt", "last.txt");
        self.link("inner.txt", "sub/../in.txt");
        self.link("proc", "/proc/self");
        self.link("root", "/");
        self.link("loop", "loop");
        fs::hard_link(self.path("secret/in.txt"), self.path("data/hard.txt")).unwrap();
        self
    }
}

#[test]
fn a_file_is_read_where_it_may_be_and_nowhere_else() {
    let yard = Yard::new().with_links();
    let pipe = yard.path("data/pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    let (inside, long) = (yard.path("data/in.txt"), "x".repeat(5_000));
    let deep = "sub/../".repeat(400) + "in.txt";
    let cases = [
        ("in.txt", "mine"),
        (inside.to_str().unwrap(), "mine"),
        ("sub/../in.txt", "mine"),
        ("./sub/.././in.txt", "mine"),
        ("inner.txt", "mine"),
        (&deep, "mine"),
        // A hard link is the file: whoever made it could already reach both.
        ("hard.txt", "secret"),
        ("/etc/passwd", "it lies outside of what may be read"),
        ("/proc/self/environ", "it lies outside of what may be read"),
        ("../secret/in.txt", "its `..` lead out of `data`"),
        ("sub/../../secret/in.txt", "its `..` lead out of `data`"),
        ("last.txt", "leads out of `data`"),
        ("absolute.txt", "leads out of `data`"),
        ("twice.txt", "leads out of `data`"),
        ("middle/in.txt", "leads out of `data`"),
        ("middle/../data/in.txt", "leads out of `data`"),
        ("proc/environ", "leads out of `data`"),
        ("proc/cwd/in.txt", "leads out of `data`"),
        ("root/etc/passwd", "leads out of `data`"),
        ("loop", "cannot read data/loop"),
        ("pipe", "it is no regular file"),
        (&long, "too long"),
        ("missing.txt", "cannot read data/missing.txt: No such file"),
    ];
    for (path, expected) in cases {
        let read = match yard.confined(&file(path)) {
            Err(error) => yard.told(&error),
            Ok(topology) => match opened(&topology).and_then(|mut it| rows(&mut *it, 0)) {
                Ok(rows) => rows.join(" "),
                Err(error) => yard.told(&error),
            },
        };
        let start: String = path.chars().take(60).collect();
        assert!(read.contains(expected), "{start}: {read}");
        assert_eq!(
            read.contains("secret") && !read.contains('`'),
            path == "hard.txt",
            "{start}"
        );
    }
}

/// Without confinement nothing has changed: links are followed wherever they lead.
#[test]
fn what_is_not_confined_follows_links() {
    let yard = Yard::new().with_links();
    for path in [
        "last.txt",
        "absolute.txt",
        "twice.txt",
        "middle/in.txt",
        "../secret/in.txt",
    ] {
        let mut source = opened(&yard.compiled(&file(path))).unwrap();
        assert_eq!(rows(&mut *source, 0).unwrap(), ["secret"], "{path}");
    }
    let mut source = opened(&yard.compiled(&directory("middle"))).unwrap();
    assert_eq!(rows(&mut *source, LATE).unwrap(), ["secret"]);
    let mut source = opened(&yard.compiled(&directory("../sec*"))).unwrap();
    assert_eq!(rows(&mut *source, LATE).unwrap(), ["secret"]);
}

#[test]
fn queues_and_data_sets_are_read_as_files_are() {
    let yard = Yard::new().with_links();
    yard.put("secret/q.json", "[[\"secret\"]]");
    yard.put("data/q.json", "[[\"mine\"]]");
    yard.link("link.json", "../secret/q.json");
    let queue = |path: &str| {
        let text = format!(
            "[source.a]\ntype = \"queue\"\nschema = \"utf8\"\npath = \"{path}\"\n[sink.o]\ninput = \"a\"\ntype = \"null\""
        );
        let topology = yard.confined(&text).unwrap();
        opened(&topology).and_then(|mut it| rows(&mut *it, 0))
    };
    assert_eq!(queue("q.json").unwrap(), ["mine"]);
    let error = yard.told(&queue("link.json").unwrap_err());
    assert!(error.contains("leads out of `data`"), "{error}");

    let reference = |path: &str| {
        let mut topology = yard.confined(&file(path)).unwrap();
        let rsrt::topology::SourceKind::File { path, decoder, .. } =
            topology.sources.remove(0).kind
        else {
            panic!("a file");
        };
        DataSet::new(rsrt::topology::Reference {
            operator: "clean".parse().unwrap(),
            role: "reference blocked".to_owned(),
            path,
            decoder,
            schema: rsrt::model::Schema::plain(rsrt::model::Kind::Utf8),
            follows_changes: true,
        })
    };
    let mut data = reference("in.txt");
    assert_eq!(data.rows().unwrap()[0].num_rows(), 1);
    // It follows changes, but not out.
    fs::remove_file(yard.path("data/in.txt")).unwrap();
    yard.link("in.txt", "../secret/in.txt");
    let error = yard.told(&data.rows().unwrap_err());
    assert!(
        error.contains("operator `clean`, reference blocked"),
        "{error}"
    );
    assert!(error.contains("leads out of `data`"), "{error}");
}

#[test]
fn a_directory_source_lists_and_reads_beneath_its_root() {
    let yard = Yard::new();
    fs::create_dir(yard.path("data/day-1")).unwrap();
    yard.put("data/day-1/a.txt", "a\n");
    yard.link("day-2", "../secret");
    // Neither a directory nor a file that is a link out is listed; others are.
    yard.link("day-1/b.txt", "../../secret/in.txt");
    for path in ["day-*", "day-1"] {
        let mut source = opened(&yard.confined(&directory(path)).unwrap()).unwrap();
        assert_eq!(rows(&mut *source, LATE).unwrap(), ["a"], "{path}");
    }
    // A directory that leads out is as one that cannot be listed: there is nothing in it.
    for path in ["day-2", "day-1/../day-2", "day-2/../data/day-1"] {
        let mut source = opened(&yard.confined(&directory(path)).unwrap()).unwrap();
        assert_eq!(rows(&mut *source, LATE).unwrap(), [""; 0], "{path}");
    }
    // The root itself, and all that lies in it.
    let mut source = opened(&yard.confined(&directory(".")).unwrap()).unwrap();
    assert_eq!(rows(&mut *source, LATE).unwrap(), ["mine"]);
}

#[test]
fn a_link_that_appears_between_the_claim_and_the_read_leads_nowhere() {
    for swap in ["data/sub", "data/sub/in.txt"] {
        let yard = Yard::new();
        yard.put("data/sub/in.txt", "mine\n");
        let mut source = opened(&yard.confined(&directory("sub")).unwrap()).unwrap();
        let claim = source.claim(BatchTime::from_millis(LATE)).unwrap();
        let taken = source.taken().unwrap().range;
        fs::rename(yard.path(swap), yard.path("data/gone")).unwrap();
        let target = yard
            .path("secret")
            .join(if swap.ends_with("txt") { "in.txt" } else { "" });
        symlink(target, yard.path(swap)).unwrap();
        let error = yard.told(&read(claim).unwrap_err());
        assert!(
            error.contains("source a: cannot read data/sub/in.txt"),
            "{error}"
        );
        assert!(error.contains("leads out of `data`"), "{error}");
        // Neither when the batch is made again, nor in the next one.
        let again = source.replay(BatchTime::from_millis(LATE), &taken);
        let error = yard.told(&again.err().unwrap());
        assert!(error.contains("leads out of `data`"), "{error}");
        assert_eq!(rows(&mut *source, LATE + 1_000).unwrap(), [""; 0]);
    }
}

/// What an earlier run wrote down is a claim, and may name anything.
#[test]
fn a_claim_of_an_earlier_run_does_not_lead_out() {
    let yard = Yard::new();
    let mut source = opened(&yard.confined(&directory("sub")).unwrap()).unwrap();
    for path in [
        yard.path("secret/in.txt"),
        yard.path("data/../secret/in.txt"),
    ] {
        let file = rsrt::model::FileStamp {
            path,
            length: 7,
            modified: 0,
        };
        let range = rsrt::model::InputRange::Files(vec![file]);
        let replayed = source.replay(BatchTime::from_millis(1_000), &range);
        let error = yard.told(&replayed.err().unwrap());
        assert!(error.contains("`data`"), "{error}");
    }
}

/// A directory and a link change places as fast as they can, while the file is opened over and over.
#[test]
fn a_race_is_not_won() {
    let yard = Yard::new();
    yard.put("data/sub/in.txt", "mine\n");
    yard.link("link", "../secret");
    let topology = yard.confined(&file("sub/in.txt")).unwrap();
    let ended = AtomicBool::new(false);
    let (mut mine, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                let exchange = rustix::fs::RenameFlags::EXCHANGE;
                let (here, there) = (yard.path("data/sub"), yard.path("data/link"));
                let at = rustix::fs::CWD;
                rustix::fs::renameat_with(at, here, at, there, exchange).unwrap();
            }
        });
        for _ in 0..20_000 {
            let rsrt::topology::SourceKind::File { path, .. } = &topology.sources[0].kind else {
                panic!("a file");
            };
            match path.read() {
                Ok(read) => {
                    mine += 1;
                    if read != b"mine\n" {
                        ended.store(true, Ordering::Relaxed);
                        panic!("it was led out");
                    }
                }
                Err(_) => refused += 1,
            }
        }
        ended.store(true, Ordering::Relaxed);
    });
    // Both were met, or the test has shown nothing.
    assert!(mine > 0 && refused > 0, "{mine} {refused}");
}
