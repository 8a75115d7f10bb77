//! Connections that break.

use rsrt::{model::BatchTime, sink::Sink};
use serde_json::json;

use super::{
    counts,
    proxy::{Cut, Proxy},
    refused,
    server::Database,
    sink, spec,
};

fn at(seconds: i64) -> BatchTime {
    BatchTime::from_millis(seconds * 1_000)
}

#[test]
fn a_commit_whose_outcome_is_not_known_counts_once() {
    let Some(database) = Database::new() else {
        return;
    };
    let proxy = Proxy::new(&database.socket());
    let batch = counts(&[json!([["a", 1]]), json!([["b", 2]])]);
    let url = database.url_through(proxy.port());
    let mut sink = sink(&url, spec(&batch, "words")).with_uid(Some("u"));
    sink.write(at(1), &batch).unwrap();
    for (time, cut) in [(2, Cut::After), (3, Cut::Before), (4, Cut::After)] {
        proxy.cut(cut);
        sink.write(at(time), &batch).unwrap();
        assert!(proxy.has_cut());
        let written = u64::try_from(time).unwrap();
        assert_eq!(database.count("words"), 2 * written, "{cut:?}");
        assert_eq!(database.count("rsrt_batches"), written, "{cut:?}");
    }
}

#[test]
fn without_a_uid_it_counts_at_least_once() {
    let Some(database) = Database::new() else {
        return;
    };
    let proxy = Proxy::new(&database.socket());
    let batch = counts(&[json!([["a", 1]])]);
    let url = database.url_through(proxy.port());
    let mut sink = sink(&url, spec(&batch, "words"));
    sink.write(at(1), &batch).unwrap();
    proxy.cut(Cut::After);
    sink.write(at(2), &batch).unwrap();
    assert_eq!(database.count("words"), 3);
    proxy.cut(Cut::Before);
    sink.write(at(3), &batch).unwrap();
    assert_eq!(database.count("words"), 4);
}

#[test]
fn a_connection_that_the_server_ended_meanwhile_is_opened_again() {
    let Some(database) = Database::new() else {
        return;
    };
    let batch = counts(&[json!([["a", 1]])]);
    let mut sink = sink(&database.url(), spec(&batch, "words")).with_uid(Some("u"));
    for time in 1..=3 {
        sink.write(at(time), &batch).unwrap();
        let ended = database.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE application_name = 'rsrt' AND datname = current_database()",
        );
        assert_eq!(ended, [["t"]]);
    }
    assert_eq!(database.count("words"), 3);
}

#[test]
fn a_server_that_is_not_there_is_named_without_the_password() {
    // A port where nobody listens any more.
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let batch = counts(&[json!([["a", 1]])]);
    let url = format!("postgres://ann:s3cret@127.0.0.1:{port}/sales");
    let mut sink = sink(&url, spec(&batch, "shop.words"));
    assert_eq!(
        refused(&mut sink, &batch),
        format!(
            "sink out, batch 2000 ms: cannot reach table shop.words of \
             postgres://ann@127.0.0.1:{port}/sales: error connecting to server: Connection refused \
             (os error 111) (tried 3 times); start the server, or correct host, port, user or \
             password of `url`"
        )
    );
}

/// Processes that all believe to own the stream, and that make the tables at the same time.
#[test]
fn writers_with_the_same_identity_write_once() {
    let Some(database) = Database::new() else {
        return;
    };
    let batch = counts(&[json!([["a", 1]]), json!([["b", 2]])]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut sink = sink(&database.url(), spec(&batch, "words")).with_uid(Some("u"));
                for time in 0..15 {
                    sink.write(at(time), &batch).unwrap();
                }
            });
        }
    });
    assert_eq!(database.count("words"), 30);
    assert_eq!(database.count("rsrt_batches"), 15);
}
