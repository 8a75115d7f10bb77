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

/// Who only looks.
fn read(disk: &MemoryDisk, from: u64) -> Result<Vec<Vec<u8>>, JournalError> {
    let mut payloads = Vec::new();
    Journal::read(Arc::new(disk.clone()), from, |entry| {
        payloads.push(entry.payload.to_vec());
        Ok::<_, JournalError>(())
    })?;
    Ok(payloads)
}

#[test]
fn whoever_only_reads_changes_nothing_and_whoever_writes_goes_on() {
    let disk = MemoryDisk::new();
    let (mut journal, _) = open(&disk).unwrap();
    for number in 0..20 {
        journal.append(&[record(number).as_slice()]).unwrap();
        let steps = disk.steps();
        let expected: Vec<_> = (0..=number).map(record).collect();
        assert_eq!(read(&disk, 1).unwrap(), expected);
        assert_eq!(disk.steps(), steps);
    }
    // What is being written is no record yet, and stays as it is.
    let last = disk.list().unwrap().pop().unwrap();
    disk.damage(&last, |bytes| {
        bytes.pop();
    });
    let torn = disk.read(&last).unwrap();
    assert_eq!(read(&disk, 1).unwrap().len(), 19);
    assert_eq!(disk.read(&last).unwrap(), torn);
    disk.damage("journal-000000000001", |bytes| bytes[12] ^= 1);
    let error = read(&disk, 1).unwrap_err().to_string();
    assert!(error.contains("damaged at byte"), "{error}");
    assert!(read(&disk, 2).is_ok());
    disk.remove("journal-000000000001").unwrap();
    assert!(read(&disk, 1).is_err());
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
    assert!(
        error.ends_with("takes nothing more: the disk is gone"),
        "{error}"
    );
}

#[test]
fn after_a_failed_sync_nothing_counts_as_durable() {
    let disk = MemoryDisk::new();
    let (mut journal, _) = open(&disk).unwrap();
    journal.append(&[b"a"]).unwrap();
    disk.fail_at(Some(disk.steps() + 1));
    journal.sync().unwrap_err();
    disk.kill();
    // The system may have dropped what it could not write, so a sync that succeeds says nothing.
    let error = journal.sync().unwrap_err().to_string();
    assert!(error.contains("takes nothing more"), "{error}");
    journal.append(&[b"b"]).unwrap_err();
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
        let (mut journal, _) = open(&disk).unwrap();
        disk.fail_at(Some(disk.steps() + step));
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

/// How a process ends.
#[derive(Debug, Clone, Copy)]
enum Death {
    /// The machine goes on.
    Kill,
    /// The machine stops too, and keeps so many bytes.
    Crash(usize),
}

/// Opens a journal that must begin with what was promised: from then on all that it holds is.
fn promised(disk: &MemoryDisk, promise: &mut Vec<Vec<u8>>) -> Result<Option<Journal>, String> {
    let (journal, read) = match open(disk) {
        Ok(opened) => opened,
        Err(error) if error.to_string().contains("the disk is gone") => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    if !read.starts_with(promise) {
        return Err(format!("{read:?} lacks some of {promise:?}"));
    }
    *promise = read;
    Ok(Some(journal))
}

/// Runs one process after the other: each appends records of `length`, syncing after every `sync`th,
/// until a step of the disk fails.
fn lives(lives: &[(u64, usize, usize, Death)]) -> Result<(), String> {
    let disk = MemoryDisk::new();
    let (mut promise, mut number) = (Vec::new(), 0_u32);
    for (steps, length, sync, death) in lives {
        disk.fail_at(Some(disk.steps() + steps));
        if let Some(mut journal) = promised(&disk, &mut promise)? {
            let mut written = Vec::new();
            for at in 1..30 {
                number += 1;
                let mut record = number.to_le_bytes().to_vec();
                record.resize(4 + length, 0);
                if journal.append(&[&record]).is_err() {
                    break;
                }
                written.push(record);
                if at % sync == 0 {
                    if journal.sync().is_err() {
                        break;
                    }
                    promise.append(&mut written);
                }
            }
        }
        match death {
            Death::Kill => disk.kill(),
            Death::Crash(kept) => disk.crash(*kept),
        }
    }
    promised(&disk, &mut promise).map(|_| ())
}

#[test]
fn what_the_next_process_reads_no_later_crash_takes_away() {
    // The first one syncs nothing, and only the process dies. The second reads that, adds one
    // record and syncs it; then the machine stops. Of names all, some or none are kept.
    for kept in [0, 1, 2, 3, 5, 40, 400] {
        for steps in 2..12 {
            let first = (steps, 150, 100, Death::Kill);
            let lives = lives(&[first, (6, 10, 1, Death::Crash(kept))]);
            assert!(lives.is_ok(), "{steps} {kept}: {}", lives.unwrap_err());
        }
    }
}

fn death() -> impl Strategy<Value = Death> {
    prop_oneof![
        Just(Death::Kill),
        Just(Death::Crash(0)),
        (1..300_usize).prop_map(Death::Crash),
    ]
}

proptest! {
    #[test]
    fn what_was_read_or_synced_outlives_processes_and_machines(
        given in proptest::collection::vec((1..40_u64, 0..200_usize, 1..20_usize, death()), 1..8),
    ) {
        let lived = lives(&given);
        prop_assert!(lived.is_ok(), "{}", lived.unwrap_err());
    }
}
