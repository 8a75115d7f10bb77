//! Sinks, checkpoints, spill files and granted directories change nothing that lies elsewhere.

use std::{
    fs,
    os::unix::fs::symlink,
    sync::atomic::{AtomicBool, Ordering},
};

use rsrt::{
    checkpoint::{Checkpoint, Program},
    format::rows_from_json,
    model::{Batch, BatchTime, Kind, Location, Schema},
    plugin::{Access, Grants},
    sink::{Sink, open_sink},
    spill::Spill,
    topology::{SinkKind, Topology},
};
use serde_json::json;

use super::Yard;

fn files(path: &str) -> String {
    sink(&format!("type = \"text-files\"\npath = \"{path}\""))
}

fn table(path: &str) -> String {
    sink(&format!(
        "type = \"sqlite\"\npath = \"{path}\"\ntable = \"t\""
    ))
}

fn sink(keys: &str) -> String {
    format!("[source.a]\ntype = \"file\"\npath = \"in.txt\"\n[sink.o]\ninput = \"a\"\n{keys}")
}

fn opened(topology: &Topology) -> Box<dyn Sink> {
    open_sink(&topology.sinks[0], topology, &[], Some("uid"))
}

fn write(sink: &mut dyn Sink, time: i64) -> Result<(), String> {
    let schema = Schema::plain(Kind::Utf8);
    let rows = rows_from_json(&schema, &[json!("row")]).unwrap();
    let batch = Batch {
        schema,
        partitions: vec![vec![rows]],
    };
    let written = sink.write(BatchTime::from_millis(time), &batch);
    written.map_err(|error| error.to_string())
}

#[test]
fn a_batch_is_written_where_it_may_be_and_nowhere_else() {
    let yard = Yard::new();
    yard.link("middle", "../secret");
    yard.link("absolute", yard.path("secret"));
    yard.link("inner", "sub");
    for (path, expected) in [
        ("out", Ok("data/out-1000")),
        ("deep/er/out", Ok("data/deep/er/out-1000")),
        ("inner/out", Ok("data/sub/out-1000")),
        ("sub/../other", Ok("data/other-1000")),
        ("../secret/out", Err("its `..` lead out of `data`")),
        ("/var/tmp/out", Err("lies outside")),
        ("/proc/self/cwd/out", Err("lies outside")),
        ("middle/out", Err("leads out of `data`")),
        ("middle/deep/out", Err("leads out of `data`")),
        ("absolute/out", Err("leads out of `data`")),
    ] {
        let written = match yard.confined(&files(path)) {
            Err(error) => Err(yard.told(&error)),
            Ok(topology) => write(&mut *opened(&topology), 1_000),
        };
        match (&written, expected) {
            (Ok(()), Ok(there)) => {
                let part = fs::read_to_string(yard.path(there).join("part-00000"));
                assert_eq!(part.unwrap(), "row\n", "{path}");
            }
            (Err(error), Err(why)) => assert!(yard.told(error).contains(why), "{path}: {error}"),
            _ => panic!("{path}: {written:?}"),
        }
        assert!(yard.is_untouched(), "{path}: {:?}", yard.secrets());
    }
    let long = yard.confined(&files(&"x".repeat(300))).unwrap();
    let error = yard.told(&write(&mut *opened(&long), 1_000).unwrap_err());
    assert!(error.contains("too long"), "{error}");
    // Without confinement nothing has changed.
    write(&mut *opened(&yard.compiled(&files("middle/out"))), 1_000).unwrap();
    assert!(yard.path("secret/out-1000/part-00000").exists());
}

/// Links lie where the sink makes its temporary directory, keeps the old one, and puts the new one.
#[test]
fn links_under_the_names_that_a_sink_uses_are_not_followed() {
    let yard = Yard::new();
    yard.link(".out-1000.tmp", "../secret");
    yard.link(".out-1000.old", "../secret");
    let mut sink = opened(&yard.confined(&files("out")).unwrap());
    write(&mut *sink, 1_000).unwrap();
    // The second time replaces the first.
    write(&mut *sink, 1_000).unwrap();
    assert!(yard.is_untouched());
    yard.link("out-2000", "../secret");
    let error = yard.told(&write(&mut *sink, 2_000).unwrap_err());
    assert!(error.contains("cannot replace data/out-2000"), "{error}");
    assert!(yard.is_untouched());
}

#[test]
fn a_directory_that_becomes_a_link_while_a_topology_runs_leads_nowhere() {
    let yard = Yard::new();
    let mut sink = opened(&yard.confined(&files("sub/out")).unwrap());
    write(&mut *sink, 1_000).unwrap();
    fs::rename(yard.path("data/sub"), yard.path("data/gone")).unwrap();
    yard.link("sub", "../secret");
    for time in [1_000, 2_000] {
        let error = yard.told(&write(&mut *sink, time).unwrap_err());
        assert!(error.contains("data/sub"), "{error}");
        assert!(error.contains("leads out of `data`"), "{error}");
    }
    assert!(yard.is_untouched());
}

/// The directory and a link change places as fast as they can, while batches are put in place.
#[test]
fn a_race_is_not_won() {
    let yard = Yard::new();
    yard.link("link", "../secret");
    let mut sink = opened(&yard.confined(&files("sub/out")).unwrap());
    write(&mut *sink, 1_000).unwrap();
    let ended = AtomicBool::new(false);
    let mut refused = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                let exchange = rustix::fs::RenameFlags::EXCHANGE;
                let (here, there) = (yard.path("data/sub"), yard.path("data/link"));
                let at = rustix::fs::CWD;
                rustix::fs::renameat_with(at, here, at, there, exchange).unwrap();
            }
        });
        for batch in 0..300 {
            refused += usize::from(write(&mut *sink, batch * 1_000).is_err());
        }
        ended.store(true, Ordering::Relaxed);
    });
    assert!(refused > 0);
    assert!(yard.is_untouched(), "{:?}", yard.secrets());
}

#[test]
fn a_database_lies_in_the_root_and_behind_no_link() {
    let yard = Yard::new();
    let mut sink = opened(&yard.confined(&table("t.db")).unwrap());
    write(&mut *sink, 1_000).unwrap();
    write(&mut *sink, 1_000).unwrap(); // known
    write(&mut *sink, 2_000).unwrap();
    drop(sink);
    let rows = |path: &str| {
        let database = rusqlite::Connection::open(yard.path(path)).unwrap();
        database
            .query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!(rows("data/t.db"), 2);
    // Once more, in a file that is there.
    write(&mut *opened(&yard.confined(&table("t.db")).unwrap()), 3_000).unwrap();
    assert_eq!(rows("data/t.db"), 3);

    for path in ["sub/t.db", "sub/../t.db", "sub", "../t.db", "/var/tmp/t.db"] {
        let refused = match yard.confined(&table(path)) {
            Err(error) => yard.told(&error),
            Ok(topology) => yard.told(&write(&mut *opened(&topology), 1_000).unwrap_err()),
        };
        assert!(!refused.is_empty(), "{path}");
    }
    // Behind a link there may be a database, a file, or nothing.
    fs::copy(yard.path("data/t.db"), yard.path("shared/t.db")).unwrap();
    let before = fs::read(yard.path("shared/t.db")).unwrap();
    for to in ["../shared/t.db", "../secret/in.txt", "../secret/new.db"] {
        let _ = fs::remove_file(yard.path("data/link.db"));
        yard.link("link.db", to);
        let topology = yard.confined(&table("link.db")).unwrap();
        let error = write(&mut *opened(&topology), 4_000).unwrap_err();
        yard.told(&error);
        assert!(yard.is_untouched(), "{to}: {:?}", yard.secrets());
    }
    assert_eq!(fs::read(yard.path("shared/t.db")).unwrap(), before);
    // Nor are its other files followed.
    for beside in ["-wal", "-journal", "-shm"] {
        let name = format!("side{beside}.db");
        yard.link(&format!("{name}{beside}"), "../secret/in.txt");
        let topology = yard.confined(&table(&name)).unwrap();
        if let Err(error) = write(&mut *opened(&topology), 1_000) {
            yard.told(&error);
        }
        assert!(yard.is_untouched(), "{beside}: {:?}", yard.secrets());
    }
}

/// Without confinement a database may lie anywhere, behind any link.
#[test]
fn a_database_that_is_not_confined_is_found_behind_links() {
    let yard = Yard::new();
    yard.link("middle", "../secret");
    write(&mut *opened(&yard.compiled(&table("middle/t.db"))), 1_000).unwrap();
    assert!(yard.path("secret/t.db").exists());
}

#[test]
fn a_checkpoint_is_kept_moved_and_locked_beneath_its_root() {
    let yard = Yard::new();
    let topology = |at: &str| yard.confined(&format!("checkpoint = \"{at}\"\n{}", files("out")));
    let open = |topology: &Topology, location: &Location| {
        let program = Program::new("t", Vec::new());
        let opened = Checkpoint::open_at(location, topology, program, 1);
        opened.map(|_| ()).map_err(|error| yard.told(&error))
    };
    let place = |topology: &Topology| topology.checkpoint.clone().unwrap().location;

    let kept = topology("deep/kept").unwrap();
    // Where it starts makes no difference any more.
    assert_eq!(place(&kept).under("/elsewhere".as_ref()), place(&kept));
    open(&kept, &place(&kept)).unwrap();
    open(&kept, &place(&kept)).unwrap();
    assert!(yard.path("data/deep/kept/lock").exists());
    let aside = Checkpoint::move_aside(&place(&kept), 7).unwrap();
    assert!(matches!(aside, Some(Location::Directory(_))));
    assert!(yard.path("data/deep/kept.before-7/lock").exists());

    yard.link("away", "../secret");
    for at in ["away", "away/kept"] {
        let away = topology(at).unwrap();
        let error = open(&away, &place(&away)).unwrap_err();
        assert!(error.contains("leads out of `data`"), "{at}: {error}");
        assert!(yard.is_untouched(), "{at}: {:?}", yard.secrets());
    }
    for file in ["lock", "manifest", "journal-0"] {
        let at = format!("kept-{file}");
        fs::create_dir(yard.path("data").join(&at)).unwrap();
        symlink(
            "../../secret/in.txt",
            yard.path("data").join(&at).join(file),
        )
        .unwrap();
        let links = topology(&at).unwrap();
        let opened = open(&links, &place(&links));
        assert!(opened.is_err() || file != "lock", "{file}");
        assert!(yard.is_untouched(), "{file}: {:?}", yard.secrets());
    }
}

#[test]
fn spill_files_and_granted_directories_are_beneath_their_root() {
    let yard = Yard::new();
    yard.link("away", "../secret");
    let place = |path: &str| {
        let topology = yard.confined(&files(path)).unwrap();
        match topology.sinks.into_iter().next().unwrap().kind {
            SinkKind::Files { path, .. } => path,
            other => panic!("{other:?}"),
        }
    };
    let spill = Spill::in_directory(place("spill/deep"), 1 << 20).unwrap();
    assert_eq!(spill.write(b"bytes").unwrap().read().unwrap(), b"bytes");
    assert!(yard.path("data/spill/deep").is_dir());
    for path in ["away", "away/deep"] {
        let error = Spill::in_directory(place(path), 1 << 20).unwrap_err();
        assert!(yard.told(&error).contains("leads out of `data`"), "{error}");
    }
    // The directory that is spilled to is replaced while a topology runs.
    let spill = Spill::in_directory(place("sub"), 0).unwrap();
    fs::rename(yard.path("data/sub"), yard.path("data/gone")).unwrap();
    yard.link("sub", "../secret");
    let error = spill.write(b"bytes").unwrap_err();
    assert!(yard.told(&error).contains("leads out of `data`"), "{error}");

    Grants::default()
        .directory("it", place("gone"), Access::Write)
        .unwrap();
    let refused = Grants::default().directory("it", place("away"), Access::Write);
    let error = yard.told(&refused.unwrap_err());
    assert!(error.contains("data/away cannot be granted"), "{error}");
    assert!(yard.is_untouched());
}
