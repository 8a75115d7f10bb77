use arrow_array::cast::AsArray;
use proptest::prelude::*;

use super::*;

fn active() -> BlockGenerator {
    let mut generator = BlockGenerator::new();
    generator.start().unwrap();
    generator
}

fn take(generator: &mut BlockGenerator) -> Option<Vec<Vec<u8>>> {
    let block = generator.take()?;
    let records = block.column(0).as_binary::<i32>().iter();
    Some(records.map(|record| record.unwrap().to_vec()).collect())
}

#[test]
fn it_stops_in_order_and_loses_nothing() {
    use GeneratorState::{
        Active, Initialized, StoppedAddingData, StoppedAll, StoppedGeneratingBlocks,
    };
    let mut generator = BlockGenerator::new();
    assert_eq!(generator.state(), Initialized);
    assert_eq!(generator.add(b"early"), Err(NotActive(Initialized)));
    generator.start().unwrap();
    assert_eq!(generator.start(), Err(AlreadyStarted));
    assert_eq!(generator.state(), Active);
    assert_eq!(generator.add(b"a"), Ok(Added::First));
    assert_eq!(generator.add(b"b"), Ok(Added::Buffered));
    generator.stop_adding();
    assert_eq!(generator.add(b"late"), Err(NotActive(StoppedAddingData)));
    assert_eq!(generator.cut(), Cut::Queued);
    assert_eq!(generator.state(), StoppedGeneratingBlocks);
    assert_eq!(
        take(&mut generator),
        Some(vec![b"a".to_vec(), b"b".to_vec()])
    );
    assert_eq!(generator.state(), StoppedAll);
    assert_eq!(generator.start(), Err(AlreadyStarted));
}

#[test]
fn an_empty_buffer_makes_no_block() {
    let mut generator = active();
    assert_eq!(generator.cut(), Cut::Empty);
    assert_eq!(generator.take(), None);
    // An empty record is a record.
    generator.add(b"").unwrap();
    assert_eq!(generator.cut(), Cut::Queued);
    assert_eq!(take(&mut generator), Some(vec![Vec::new()]));
}

#[test]
fn a_full_queue_keeps_the_buffer_until_a_block_is_taken() {
    let mut generator = active();
    for number in 0..QUEUE {
        generator.add(&[u8::try_from(number).unwrap()]).unwrap();
        assert_eq!(generator.cut(), Cut::Queued);
    }
    generator.add(b"x").unwrap();
    assert_eq!(generator.cut(), Cut::Full);
    generator.stop_adding();
    assert_eq!(generator.cut(), Cut::Full);
    assert_eq!(generator.state(), GeneratorState::StoppedAddingData);
    assert_eq!(take(&mut generator), Some(vec![vec![0]]));
    assert_eq!(generator.cut(), Cut::Queued);
}

#[test]
fn a_large_buffer_is_cut_early_and_waits_when_the_queue_is_full() {
    let half = vec![0; LARGEST / 2];
    let mut generator = active();
    assert_eq!(generator.add(&half), Ok(Added::First));
    assert_eq!(generator.add(&half), Ok(Added::Buffered));
    for _ in 0..QUEUE {
        assert_eq!(generator.add(&half), Ok(Added::BufferedAndCut));
        assert_eq!(generator.add(&half), Ok(Added::Buffered));
    }
    assert_eq!(generator.add(b"x"), Ok(Added::Full));
    generator.take().unwrap();
    assert_eq!(generator.add(b"x"), Ok(Added::BufferedAndCut));
}

proptest! {
    #[test]
    fn records_come_out_in_order_whenever_blocks_are_cut_and_taken(
        script in prop::collection::vec(0..6_u8, 0..80),
    ) {
        let mut generator = active();
        let (mut added, mut taken) = (Vec::new(), Vec::new());
        for (number, step) in script.into_iter().enumerate() {
            match step {
                0 => { generator.cut(); }
                1 => taken.extend(take(&mut generator).unwrap_or_default()),
                _ => {
                    let record = number.to_string().into_bytes();
                    generator.add(&record).unwrap();
                    added.push(record);
                }
            }
        }
        generator.stop_adding();
        while generator.state() != GeneratorState::StoppedAll {
            generator.cut();
            taken.extend(take(&mut generator).unwrap_or_default());
        }
        prop_assert_eq!(taken, added);
    }
}
