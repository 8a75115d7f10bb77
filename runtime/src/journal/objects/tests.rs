use object_store::{ObjectStoreExt, memory::InMemory, path::Path};

use super::*;
use crate::journal::{Journal, JournalError, read_whole, write_whole};

fn looks(store: &InMemory) -> ObjectDisk {
    ObjectDisk::over(Arc::new(store.clone()), "a/b", "memory").unwrap()
}

fn opens(store: &InMemory) -> ObjectDisk {
    let disk = looks(store);
    disk.take_over(&Holder::this(1)).unwrap();
    disk
}

fn synced(disk: &ObjectDisk, name: &str, bytes: &[u8]) -> io::Result<()> {
    disk.append(name, &[bytes])?;
    disk.sync(name)
}

/// Names of the objects of a kind.
fn objects(disk: &ObjectDisk, kind: &str) -> Vec<String> {
    let listed = disk.requests.list().unwrap().into_iter();
    let mut names: Vec<_> = listed
        .map(|(name, _)| name)
        .filter(|name| name.starts_with(kind))
        .collect();
    names.sort();
    names
}

#[track_caller]
fn is_taken_over(done: io::Result<()>) {
    let error = done.unwrap_err().to_string();
    assert!(
        error.contains("another process has taken this checkpoint over: process"),
        "{error}"
    );
}

#[test]
fn what_was_synced_is_there_for_the_next_and_the_rest_is_not() {
    let store = InMemory::new();
    let disk = opens(&store);
    synced(&disk, "f", b"ab").unwrap();
    disk.append("f", &[b"c", b"d"]).unwrap();
    disk.append(".g.tmp", &[b"g"]).unwrap();
    disk.sync(".g.tmp").unwrap();
    assert_eq!(disk.read("f").unwrap(), b"abcd");
    assert_eq!(disk.list().unwrap(), [".g.tmp", "f"]);

    let next = opens(&store);
    assert_eq!(next.read("f").unwrap(), b"ab");
    assert_eq!(next.list().unwrap(), ["f"]);
    synced(&next, "f", b"x").unwrap();
    let large = vec![7; usize::try_from(HEAD).unwrap() * 3];
    synced(&next, "f", &large).unwrap();
    let expected = [b"abx", &large[..]].concat();
    assert!(looks(&store).read("f").unwrap() == expected);
    next.remove("f").unwrap();
    assert_eq!(
        next.remove("f").unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
    assert_eq!(
        looks(&store).read("f").unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
}

#[test]
fn a_file_that_is_cut_ends_there_for_everybody() {
    let store = InMemory::new();
    let disk = opens(&store);
    synced(&disk, "f", b"abc").unwrap();
    synced(&disk, "f", b"def").unwrap();
    disk.append("f", &[b"ghi"]).unwrap();
    disk.truncate("f", 8).unwrap();
    assert_eq!(disk.read("f").unwrap(), b"abcdefgh");
    disk.truncate("f", 4).unwrap();
    synced(&disk, "f", b"z").unwrap();
    assert_eq!(disk.read("f").unwrap(), b"abcdz");
    let next = opens(&store);
    assert_eq!(next.read("f").unwrap(), b"abcdz");
    next.truncate("f", 2).unwrap();
    assert_eq!(looks(&store).read("f").unwrap(), b"ab");
    assert!(next.truncate("g", 0).is_err());
}

#[test]
fn any_part_of_a_file_is_read_wherever_its_pieces_lie() {
    let store = InMemory::new();
    let disk = opens(&store);
    let large: Vec<u8> = (0..=255).cycle().take(3 * SMALL).collect();
    write_whole(&disk, "f", &large).unwrap();
    // An object, an entry that is read with its head, one that is not, and what is not synced.
    let mut whole = large;
    for more in [b"few".to_vec(), vec![7; 2 * usize::try_from(HEAD).unwrap()]] {
        synced(&disk, "f", &more).unwrap();
        whole.extend(more);
    }
    let known = looks(&store);
    disk.append("f", &[b"unsynced"]).unwrap();
    whole.extend(b"unsynced");
    let end = whole.len();
    let object = 3 * SMALL;
    for (from, to) in [
        (0, end),
        (0, 0),
        (1, 2),
        (object - 1, object + 1),
        (object, object + 3),
        (object + 1, end - 9),
        (object - 5, end - 2),
        (end - 8, end),
        (end, end),
    ] {
        let read = disk.read_at("f", from as u64, to - from).unwrap();
        assert!(read == whole[from..to], "{from}..{to}");
        if to <= end - 8 {
            let read = known.read_at("f", from as u64, to - from).unwrap();
            assert!(read == whole[from..to], "{from}..{to}");
        }
    }
    for (from, length) in [(0, end + 1), (end, 1), (usize::MAX, 2)] {
        let error = disk.read_at("f", from as u64, length).unwrap_err();
        assert_eq!(
            error.kind(),
            io::ErrorKind::UnexpectedEof,
            "{from} {length}"
        );
    }
    assert!(disk.read("f").unwrap() == whole);
}

#[test]
fn whole_files_are_small_entries_or_objects_and_replace_each_other() {
    let store = InMemory::new();
    let disk = opens(&store);
    let large = vec![1; SMALL + 1];
    let larger: Vec<u8> = (0..u32::try_from(PART).unwrap() / 2)
        .flat_map(u32::to_le_bytes)
        .collect();
    for (bytes, objects_left) in [(&b"one"[..], 0), (&large, 1), (&larger, 1), (b"two", 0)] {
        write_whole(&disk, "w", bytes).unwrap();
        assert!(disk.read("w").unwrap() == bytes);
        assert!(looks(&store).read("w").unwrap() == bytes);
        assert_eq!(objects(&disk, FILES).len(), objects_left);
    }
    assert_eq!(read_whole(&disk, "none").unwrap(), None);
    assert_eq!(disk.list().unwrap(), ["w"]);
    assert_eq!(objects(&disk, LOG).len(), 2, "who took it, and the file");
}

#[test]
fn an_object_that_no_entry_names_is_removed_by_the_next() {
    let store = InMemory::new();
    let disk = opens(&store);
    disk.requests.write("files/1-1-w", vec![1]).unwrap();
    disk.place_whole("kept", vec![2; SMALL + 1]).unwrap();
    let next = opens(&store);
    assert_eq!(objects(&next, FILES), ["files/1-1-kept"]);
}

#[test]
fn the_newest_opener_wins_whatever_the_one_before_does_next() {
    type Act = fn(&ObjectDisk) -> io::Result<()>;
    let acts: [Act; 4] = [
        |disk| synced(disk, "journal", b"late"),
        |disk| synced(disk, "another", b"late"),
        |disk| write_whole(disk, "manifest", b"late").map_err(io::Error::other),
        |disk| disk.place_whole("state", vec![0; SMALL + 1]),
    ];
    for act in acts {
        let store = InMemory::new();
        let first = opens(&store);
        synced(&first, "journal", b"first").unwrap();
        let second = opens(&store);
        is_taken_over(act(&first));
        // And it stays so, also for what asks nobody.
        is_taken_over(first.append("journal", &[b"x"]));
        is_taken_over(first.remove("journal"));
        synced(&second, "journal", b", second").unwrap();
        assert_eq!(looks(&store).list().unwrap(), ["journal"]);
        assert_eq!(looks(&store).read("journal").unwrap(), b"first, second");
    }
}

#[test]
fn a_holder_that_slept_through_all_that_followed_finds_out() {
    let store = InMemory::new();
    let slept = opens(&store);
    synced(&slept, "old", b"old").unwrap();
    for round in 0..5 {
        let disk = opens(&store);
        // Nothing of what was there when it fell asleep is left.
        for name in disk.list().unwrap() {
            disk.remove(&name).unwrap();
        }
        synced(&disk, &format!("f{round}"), b"new").unwrap();
        disk.remove(&format!("f{round}")).unwrap();
        synced(&disk, &format!("g{round}"), b"new").unwrap();
    }
    is_taken_over(synced(&slept, "old", b"late"));
}

#[test]
fn the_last_entry_stays_so_that_nobody_begins_at_its_number() {
    let store = InMemory::new();
    let disk = opens(&store);
    synced(&disk, "f", b"f").unwrap();
    disk.remove("f").unwrap();
    let entries = objects(&disk, LOG);
    assert_eq!(entries, ["log/000000000001", "log/000000000003"]);
    assert!(looks(&store).is_empty());
    synced(&disk, "g", b"g").unwrap();
    synced(&disk, "h", b"h").unwrap();
    disk.remove("h").unwrap(); // said in 6
    assert_eq!(
        objects(&disk, LOG),
        ["log/000000000001", "log/000000000004", "log/000000000006"]
    );
}

#[test]
fn of_the_entries_that_took_over_the_oldest_go_at_last() {
    let store = InMemory::new();
    for _ in 0..5 {
        opens(&store);
    }
    let disk = opens(&store);
    let state = disk.lock();
    assert_eq!(state.files.takeovers_before(TAKEOVERS), [0_u64; 0]);
    assert_eq!(state.files.takeovers_before(2), [1, 2, 3, 4]);
}

/// A journal, and what it held.
fn journal(disk: Arc<ObjectDisk>, from: u64) -> (Journal, Vec<Vec<u8>>) {
    let mut read = Vec::new();
    let journal = Journal::open(disk, from, |entry| {
        read.push(entry.payload.to_vec());
        Ok::<_, JournalError>(())
    });
    (journal.unwrap(), read)
}

#[test]
fn a_journal_goes_on_over_many_openings() {
    let store = InMemory::new();
    let mut expected = Vec::new();
    let mut from = 1;
    for round in 0..6_u8 {
        let disk = Arc::new(opens(&store));
        let (journal, read) = journal(disk.clone(), from);
        let mut journal = journal.with_segments_of(40);
        assert_eq!(read, expected);
        for at in 0..4 {
            journal.append(&[&[round], &[at]]).unwrap();
            expected.push(vec![round, at]);
            if at % 2 == 0 {
                journal.sync().unwrap();
            }
        }
        if round == 3 {
            journal.sync().unwrap();
            journal.roll();
            journal.release(journal.segment());
            from = journal.segment();
            expected.clear();
        } else {
            expected.pop(); // not synced
        }
    }
}

#[test]
fn a_journal_that_was_taken_over_takes_nothing_more() {
    let store = InMemory::new();
    let (mut journal, _) = journal(Arc::new(opens(&store)), 1);
    journal.append(&[b"one"]).unwrap();
    journal.sync().unwrap();
    let (mut other, entries) = self::journal(Arc::new(opens(&store)), 1);
    assert_eq!(entries.len(), 1);
    journal.append(&[b"two"]).unwrap();
    let error = journal.sync().unwrap_err().to_string();
    assert!(error.contains("cannot sync journal-"), "{error}");
    assert!(error.contains("taken this checkpoint over"), "{error}");
    let error = journal.append(&[b"three"]).unwrap_err();
    assert!(matches!(error, JournalError::Broken { .. }));
    other.append(&[b"four"]).unwrap();
    other.sync().unwrap();
    let (_, read) = self::journal(Arc::new(looks(&store)), 1);
    assert_eq!(read, [b"one".to_vec(), b"four".to_vec()]);
}

#[test]
fn who_looks_changes_nothing() {
    let store = InMemory::new();
    synced(&opens(&store), "f", b"f").unwrap();
    let disk = looks(&store);
    let kind = io::ErrorKind::ReadOnlyFilesystem;
    assert_eq!(synced(&disk, "f", b"x").unwrap_err().kind(), kind);
    assert_eq!(disk.remove("f").unwrap_err().kind(), kind);
    disk.truncate("f", 0).unwrap();
    assert_eq!(disk.read("f").unwrap(), b"f");
}

#[test]
fn what_is_moved_aside_is_there_and_the_one_who_had_it_finds_out() {
    let store = InMemory::new();
    let slept = opens(&store);
    synced(&slept, "f", b"f").unwrap();
    slept.place_whole("w", vec![3; SMALL + 1]).unwrap();
    let mover = looks(&store);
    mover.move_to("a/b.before", &Holder::this(2)).unwrap();
    assert!(mover.is_empty());
    let aside = ObjectDisk::over(Arc::new(store.clone()), "a/b.before", "aside").unwrap();
    assert_eq!(aside.read("f").unwrap(), b"f");
    assert_eq!(aside.read("w").unwrap().len(), SMALL + 1);
    is_taken_over(synced(&slept, "f", b"late"));
    let next = opens(&store);
    assert!(next.is_empty());
    synced(&next, "f", b"new").unwrap();
    assert_eq!(objects(&next, FILES), [""; 0]);
}

#[tokio::test]
async fn it_can_be_used_from_a_runtimes_threads_and_tells_what_is_not_its_own() {
    let store = InMemory::new();
    let disk = opens(&store);
    synced(&disk, "f", b"f").unwrap();
    drop(disk);
    let strange = Path::from("a/b/log/000000000009");
    store.put(&strange, "<html>".into()).await.unwrap();
    let error = ObjectDisk::over(Arc::new(store), "a/b", "s3://a/b").unwrap_err();
    let expected = "log/000000000009 in s3://a/b was not written by this version";
    assert!(error.to_string().contains(expected), "{error}");
}
