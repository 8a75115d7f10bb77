//! What others do to the file meanwhile.

use super::*;

#[test]
fn a_file_that_was_removed_is_made_again() {
    let place = Place::new();
    let batch = counts(&[json!([["a", 1]])]);
    let mut sink = place.sink(&batch, "words").with_uid(Some("u"));
    sink.write(AT, &batch).unwrap();
    for name in ["out.db", "out.db-wal", "out.db-shm"] {
        fs::remove_file(place.0.path().join(name)).unwrap();
    }
    sink.write(BatchTime::from_millis(3_000), &batch).unwrap();
    assert_eq!((place.count("words"), place.count("rsrt_batches")), (1, 1));
}

#[test]
fn another_writer_is_waited_for() {
    let place = Place::new();
    let batch = counts(&[json!([["a", 1]])]);
    let mut sink = place.sink(&batch, "words").with_uid(Some("u"));
    sink.write(AT, &batch).unwrap();
    let (ready, is_ready) = std::sync::mpsc::channel();
    let other = place.open();
    let writer = std::thread::spawn(move || {
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        ready.send(()).unwrap();
        // Until the sink has asked for the lock, most likely; it is right either way.
        std::thread::park_timeout(std::time::Duration::from_millis(100));
        other
            .execute_batch("INSERT INTO words VALUES ('z', 26); COMMIT")
            .unwrap();
    });
    is_ready.recv().unwrap();
    sink.write(BatchTime::from_millis(3_000), &batch).unwrap();
    writer.join().unwrap();
    assert_eq!(place.count("words"), 3);
}

/// Two sinks of two processes that both believe to own the stream: one of them wins each batch.
#[test]
fn writers_with_the_same_identity_write_once() {
    let place = Place::new();
    let batch = counts(&[json!([["a", 1]]), json!([["b", 2]])]);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut sink = place.sink(&batch, "words").with_uid(Some("u"));
                for time in 0..20 {
                    sink.write(BatchTime::from_millis(time), &batch).unwrap();
                }
            });
        }
    });
    assert_eq!(
        (place.count("words"), place.count("rsrt_batches")),
        (40, 20)
    );
}
