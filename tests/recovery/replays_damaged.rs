//! A kept batch of which something is damaged or gone is an error that says what, or the same rows.

use std::sync::Arc;

use proptest::prelude::*;
use rsrt::{
    checkpoint::Retained,
    journal::{Disk, MemoryDisk},
};

use super::{
    flow::{COUNT, Flow, How},
    replays::{Numbers, at, outputs, replayed, run},
};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { 48 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// It is an error or the same rows, and never anything else.
    #[test]
    fn a_changed_checkpoint_gives_the_same_rows_or_an_error(
        which in 0..COUNT, file in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), bit in 0..8_u8,
    ) {
        let numbers = Numbers::new();
        let flow = numbers.of(&Flow::new(which, 2), 5);
        let disk = MemoryDisk::new();
        let expected = run(&disk, &flow, &How::default());
        let names = disk.list().unwrap();
        disk.damage(&names[file.index(names.len())], |bytes| if !bytes.is_empty() {
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
        });
        let disk: Arc<dyn Disk> = Arc::new(disk);
        let Ok(Some(retained)) = Retained::on(&disk) else { return Ok(()) };
        let kept: Vec<i64> = retained.batches().map(|claim| claim.time.as_millis()).collect();
        for batch in kept {
            match replayed(&disk, &[&flow], batch, (None, None)) {
                Err(error) => prop_assert!(!error.to_string().contains("bug"), "{error}"),
                Ok((_, answer)) => prop_assert_eq!(outputs(&answer), at(&expected, batch)),
            }
        }
    }
}

#[test]
fn what_is_damaged_or_missing_is_told() {
    let numbers = Numbers::new();
    let flow = numbers.of(&Flow::new(1, 2), 5);
    let begun = || {
        let disk = MemoryDisk::new();
        run(&disk, &flow, &How::default());
        disk
    };
    let error = |disk: MemoryDisk, batch| {
        let disk: Arc<dyn Disk> = Arc::new(disk);
        let made = replayed(&disk, &[&flow], batch, (None, None));
        made.map(|_| ()).unwrap_err().to_string()
    };
    let named = |disk: &MemoryDisk, begins: &str| {
        let names = disk.list().unwrap().into_iter();
        let names: Vec<String> = names.filter(|name| name.starts_with(begins)).collect();
        assert!(!names.is_empty());
        names
    };
    for (begins, why) in [
        ("state-", "is not what was written"),
        ("manifest", "is not what was written"),
        ("journal-", "damaged"),
    ] {
        let disk = begun();
        for name in named(&disk, begins) {
            disk.damage(&name, |bytes| {
                let middle = bytes.len() / 3;
                bytes[middle] ^= 4;
            });
        }
        let error = error(disk, 11_000);
        assert!(error.contains(why), "{begins}: {error}");
    }
    let disk = begun();
    for name in named(&disk, "state-") {
        disk.remove(&name).unwrap();
    }
    assert!(error(disk, 11_000).contains("is missing"));
    let disk = begun();
    let first = named(&disk, "journal-").swap_remove(0);
    disk.remove(&first).unwrap();
    assert!(error(disk, 11_000).contains("journal-"));
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
    assert!(Retained::on(&disk).unwrap().is_none());
    // The file of numbers is another one.
    let disk: Arc<dyn Disk> = Arc::new(begun());
    std::fs::write(numbers.0.path().join(flow.name()), "[[[\"z\", 7]]]").unwrap();
    let made = replayed(&disk, &[&flow], 11_000, (None, None));
    assert!(made.is_ok_and(|(_, answer)| answer.made.records == 0));
    std::fs::remove_file(numbers.0.path().join(flow.name())).unwrap();
    let made = replayed(&disk, &[&flow], 11_000, (None, None));
    let error = made.map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("source numbers: cannot read"), "{error}");
}
