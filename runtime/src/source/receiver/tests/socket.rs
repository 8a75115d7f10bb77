use std::{num::NonZeroUsize, time::Duration};

use tokio::{io::AsyncWriteExt, net::TcpListener, runtime::Handle};

use super::super::*;
use crate::{
    model::{Field, Kind, Schema},
    receiver::{BatchTimes, PidEstimator, PidSettings, RateLimit, ReceiverSpec, SocketReceiver},
    topology::{BlockStorage, Decoder, Format, OnInvalid},
};

const AT: BatchTime = BatchTime::from_millis(0);

/// Of lines of up to eight bytes.
pub(super) fn decoder(schema: &Schema, format: Format) -> Arc<LineDecoder> {
    let fields = ["value", "reason"].map(|name| Field::new(name, Kind::Utf8));
    let decoder = Decoder {
        format,
        on_invalid: OnInvalid::Reject,
        max_line: NonZeroUsize::new(8).unwrap(),
    };
    let rejected = Schema::new(fields.to_vec()).unwrap();
    Arc::new(LineDecoder::new(schema, &rejected, &decoder))
}

fn source(address: &str, format: Format, attempts: Option<usize>) -> ReceiverSource {
    let schema = Schema::plain(Kind::Utf8);
    let decoder = decoder(&schema, format);
    let name = "lines".parse().unwrap();
    let spec = ReceiverSpec {
        name,
        schema,
        block_interval: Duration::from_millis(200),
        connect_attempts: attempts.and_then(NonZeroUsize::new),
        storage: BlockStorage::default(),
        limit: Some(RateLimit::new(None, None)),
        log: None,
        account: std::sync::Arc::default(),
    };
    let name = spec.name.clone();
    let socket = Box::new(SocketReceiver::new(address, decoder.clone()));
    let receiver = RunningReceiver::start(&Handle::current(), spec, socket).unwrap();
    ReceiverSource::new(&name, receiver, decoder)
}

/// Good lines, and how many were rejected.
fn claim(source: &mut ReceiverSource) -> (Vec<String>, usize) {
    let Claim::Batch(readers) = source.claim(AT).unwrap() else {
        panic!("a receiver always has a batch");
    };
    let (mut lines, mut rejected) = (Vec::new(), 0);
    for mut reader in readers {
        while let Some(chunk) = reader.next_chunk().unwrap() {
            let schema = Schema::plain(Kind::Utf8);
            let rows = crate::format::rows_to_json(&chunk.rows, &schema).unwrap();
            lines.extend(rows.iter().map(|row| row.as_str().unwrap().to_owned()));
            rejected += chunk.rejected.map_or(0, |rejected| rejected.num_rows());
        }
    }
    (lines, rejected)
}

/// Claims until so many lines came.
async fn receive(source: &mut ReceiverSource, lines: usize) -> (Vec<String>, usize) {
    let mut got = (Vec::new(), 0);
    while got.0.len() + got.1 < lines {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let (lines, rejected) = claim(source);
        got.0.extend(lines);
        got.1 += rejected;
    }
    got
}

pub(super) async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

#[tokio::test(start_paused = true)]
async fn lines_arrive_in_order_also_the_last_without_a_newline() {
    let (listener, address) = listen().await;
    let mut source = source(&address, Format::Text, None);
    let (mut server, _) = listener.accept().await.unwrap();
    server.write_all(b"one\r\ntw").await.unwrap();
    assert_eq!(receive(&mut source, 1).await.0, ["one"]);
    server
        .write_all(b"o\nmuch too long\n\nthree")
        .await
        .unwrap();
    drop(server);
    let (lines, rejected) = receive(&mut source, 4).await;
    assert_eq!(lines, ["two", "", "three"]);
    assert_eq!(rejected, 1);
}

#[tokio::test(start_paused = true)]
async fn it_connects_again_when_the_server_goes_away() {
    let (listener, address) = listen().await;
    let mut source = source(&address, Format::Text, Some(2));
    for round in ["first", "second"] {
        let (mut server, _) = listener.accept().await.unwrap();
        server
            .write_all(format!("{round}\n").as_bytes())
            .await
            .unwrap();
        drop(server);
        assert_eq!(receive(&mut source, 1).await.0, [round]);
    }
}

#[tokio::test(start_paused = true)]
async fn each_connection_begins_with_its_header() {
    let (listener, address) = listen().await;
    let format = Format::Csv {
        separator: b';',
        header: true,
    };
    let mut source = source(&address, format, None);
    for _ in 0..2 {
        let (mut server, _) = listener.accept().await.unwrap();
        server.write_all(b"value\na\n").await.unwrap();
        drop(server);
        assert_eq!(receive(&mut source, 1).await.0, ["a"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_comes_is_a_fatal_error_that_names_it() {
    let (listener, address) = listen().await;
    drop(listener);
    let mut source = source(&address, Format::Text, Some(3));
    let error = loop {
        match source.claim(AT) {
            Ok(_) => tokio::time::sleep(Duration::from_secs(1)).await,
            Err(error) => break error,
        }
    };
    assert!(error.is_fatal());
    assert!(matches!(
        error.problem(),
        SourceProblem::GaveUp { attempts: 3, .. }
    ));
    assert_eq!(
        error.to_string(),
        format!(
            "source lines: gave up after 3 failed attempts: \
             cannot reach {address}: Connection refused (os error 111)"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn after_a_graceful_stop_one_more_claim_takes_the_rest() {
    let (listener, address) = listen().await;
    let mut source = source(&address, Format::Text, None);
    let (mut server, _) = listener.accept().await.unwrap();
    server.write_all(b"a\nb\nunfinis").await.unwrap();
    let mut lines = receive(&mut source, 1).await.0;
    source.stop().await;
    lines.extend(claim(&mut source).0);
    assert_eq!(lines, ["a", "b"]);
    assert!(source.is_exhausted());
}

#[tokio::test(start_paused = true)]
async fn a_slow_batch_lowers_the_intake_and_a_fast_one_raises_it() {
    let (listener, address) = listen().await;
    let source = source(&address, Format::Text, None);
    let settings = PidSettings {
        min_rate: 1.0,
        ..PidSettings::default()
    };
    let mut source = source.with_estimator(Some(PidEstimator::new(1_000, settings)));
    let (mut server, _) = listener.accept().await.unwrap();
    let mut rates = Vec::new();
    for (second, processing) in [(1, 1_000), (2, 4_000), (3, 500)] {
        server.write_all(&b"a\n".repeat(100)).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let time = BatchTime::from_millis(second * 1_000);
        let Claim::Batch(_) = source.claim(time).unwrap() else {
            panic!("a receiver always has a batch");
        };
        let times = BatchTimes {
            ended: second * 10_000,
            processing,
            scheduling: 0,
        };
        source.batch_ended(time, times);
        rates.push(source.rate());
    }
    assert_eq!(rates[..2], [None, Some(25)]);
    assert!(rates[2] > rates[1], "{rates:?}");
    let time = BatchTime::from_millis(4_000);
    source.claim(time).unwrap();
    learned(&source, settings, &address);
}

/// spec 11.4: what the controller learned goes on in the next process, the rate does not.
fn learned(before: &ReceiverSource, settings: PidSettings, address: &str) {
    let taken = before.taken().unwrap();
    let after = source(address, Format::Text, None);
    let mut after = after.with_estimator(Some(PidEstimator::new(1_000, settings)));
    after.resume(&taken.position).unwrap();
    assert_eq!(after.rate(), None);
    assert_eq!(after.taken(), None, "nothing is claimed yet");
    after.claim(BatchTime::from_millis(5_000)).unwrap();
    assert_eq!(after.taken().unwrap().position, taken.position);
}
