use proptest::prelude::*;

use super::*;
use crate::journal::{Ignored, MemoryDisk};

fn open(disk: &MemoryDisk) -> Result<(Journal, Vec<Vec<u8>>), JournalError> {
    open_from(disk, 1)
}

/// What is handed over must also be there to be read by itself.
fn open_from(disk: &MemoryDisk, from: u64) -> Result<(Journal, Vec<Vec<u8>>), JournalError> {
    let mut payloads = Vec::new();
    let journal = Journal::open(Arc::new(disk.clone()), from, |entry| {
        assert_eq!(entry.place.read(disk).unwrap(), entry.payload);
        payloads.push(entry.payload.to_vec());
        Ok::<_, JournalError>(())
    });
    Ok((journal?.with_segments_of(200), payloads))
}

/// Appends records, syncing after each of these; returns how many were synced.
fn fill(disk: &MemoryDisk, records: u8, synced: &[u8]) -> Result<(), JournalError> {
    let (mut journal, _) = open(disk)?;
    for record in 0..records {
        journal.append(&[&[record], &vec![record; usize::from(record)]])?;
        if synced.contains(&record) {
            journal.sync()?;
        }
    }
    Ok(())
}

fn record(number: u8) -> Vec<u8> {
    vec![number; usize::from(number) + 1]
}

#[test]
fn records_come_back_in_order_across_segments_and_restarts() {
    let disk = MemoryDisk::new();
    fill(&disk, 20, &[19]).unwrap();
    assert!(disk.list().unwrap().len() > 2);
    let (mut journal, read) = open(&disk).unwrap();
    assert_eq!(read, (0..20).map(record).collect::<Vec<_>>());
    journal.append(&[b"more"]).unwrap();
    journal.sync().unwrap();
    let (_, read) = open(&disk).unwrap();
    assert_eq!(read.len(), 21);
}

#[test]
fn damage_is_an_error_with_its_place_and_a_torn_end_is_none() {
    // which byte of the first segment is changed, and what comes of it
    for (at, expected) in [(8, true), (12, true), (30, true), (100, true)] {
        let disk = MemoryDisk::new();
        fill(&disk, 20, &[4, 10, 19]).unwrap();
        disk.damage("journal-000000000001", |bytes| bytes[at] ^= 0x40);
        let error = open(&disk).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("damaged at byte"), "{error}");
        assert_eq!(error.contains("journal-000000000001 in memory"), expected);
    }
    let disk = MemoryDisk::new();
    fill(&disk, 3, &[2]).unwrap();
    disk.damage("journal-000000000001", |bytes| {
        bytes.pop();
    });
    let (_, read) = open(&disk).unwrap();
    assert_eq!(read, [record(0), record(1)]);
}

#[test]
fn a_record_is_read_by_itself_and_only_as_it_was_written() {
    let disk = MemoryDisk::new();
    let (mut journal, _) = open(&disk).unwrap();
    let mut appended = Vec::new();
    for number in 0..20 {
        let place = journal.append(&[&[number], &record(number)[1..]]).unwrap();
        appended.push((place, record(number)));
    }
    assert!(appended[19].0.segment > 2);
    for (place, expected) in &appended {
        assert_eq!(place.read(&disk).unwrap(), *expected);
    }
    let (place, _) = &appended[1];
    disk.damage("journal-000000000001", |bytes| bytes[50] ^= 1);
    let error = place.read(&disk).unwrap_err().to_string();
    let expected = "journal-000000000001 in memory is damaged at byte 33: record 2 ";
    assert!(error.starts_with(expected), "{error}");
    journal.sync().unwrap();
    journal.release(2);
    let error = place.read(&disk).unwrap_err().to_string();
    assert!(
        error.starts_with("cannot read journal-000000000001"),
        "{error}"
    );
}

#[test]
fn a_missing_segment_is_an_error() {
    let disk = MemoryDisk::new();
    fill(&disk, 40, &[5, 10, 20, 39]).unwrap();
    disk.remove("journal-000000000002").unwrap();
    let error = open(&disk).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("are missing in memory"), "{error}");
}

#[test]
fn other_files_do_no_harm_and_old_segments_go() {
    let disk = MemoryDisk::new();
    fill(&disk, 40, &[39]).unwrap();
    disk.append("journal-copy", &[b"x"]).unwrap();
    disk.append(".manifest.tmp", &[b"x"]).unwrap();
    let (journal, read) = open(&disk).unwrap();
    assert_eq!(read.len(), 40);
    journal.release(3);
    let (_, entries) = open_from(&disk, 3).unwrap();
    assert!(!entries.is_empty() && entries.len() < 40);
    assert!(disk.read("journal-copy").is_ok());
}

#[test]
fn after_a_failure_nothing_is_written() {
    let disk = MemoryDisk::new();
    let (mut journal, _) = open(&disk).unwrap();
    disk.fail_at(Some(disk.steps() + 1));
    journal.append(&[b"a"]).unwrap_err();
    disk.fail_at(None);
    let error = journal.append(&[b"b"]).unwrap_err().to_string();
    assert!(error.ends_with("takes nothing more"), "{error}");
}

proptest! {
    #[test]
    fn what_was_synced_outlives_a_crash_at_any_step(
        synced in proptest::collection::vec(0..30_u8, 0..6),
        step in 1..80_u64,
        kept in 0..200_usize,
        ignored in prop_oneof![3 => Just(None), 1 => Just(Some(Ignored::Files)), 1 => Just(Some(Ignored::Names))],
    ) {
        let disk = MemoryDisk::new();
        disk.ignore(ignored);
        disk.fail_at(Some(step));
        let (mut journal, _) = open(&disk).unwrap();
        let mut durable = 0;
        for number in 0..30 {
            if journal.append(&[&record(number)]).is_err() {
                break;
            }
            if synced.contains(&number) {
                if journal.sync().is_err() {
                    break;
                }
                durable = usize::from(number) + 1;
            }
        }
        disk.crash(kept);
        disk.ignore(None);
        let read = open(&disk);
        if ignored.is_none() {
            let read = read.unwrap().1;
            prop_assert!(read.len() >= durable, "{} of {durable}", read.len());
            for (number, payload) in (0..).zip(read) {
                prop_assert_eq!(payload, record(number));
            }
        } else if durable == 30 && kept == 0 {
            // Without one of the syncs something is lost: the tests would see it.
            let lost = read.map_or(true, |(_, read)| read.len() < durable);
            prop_assert!(lost);
        }
    }
}
