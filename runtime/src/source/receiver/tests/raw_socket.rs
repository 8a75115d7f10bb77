use std::{num::NonZeroUsize, time::Duration};

use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, runtime::Handle};

use super::{
    super::*,
    socket::{decoder, listen},
};
use crate::{
    format::rows_to_json,
    model::{Kind, Schema},
    receiver::{RawSocketReceiver, ReceiverSpec},
    topology::{BlockStorage, Format},
};

/// Of blocks of up to 16 bytes.
fn source(address: &str, kind: Kind, format: Format) -> ReceiverSource {
    let schema = Schema::plain(kind);
    let decoder = decoder(&schema, format);
    let name: NodeName = "blocks".parse().unwrap();
    let spec = ReceiverSpec {
        name: name.clone(),
        schema,
        block_interval: Duration::from_millis(200),
        connect_attempts: None,
        storage: BlockStorage::default(),
        limit: None,
        log: None,
        account: std::sync::Arc::default(),
    };
    let longest = NonZeroUsize::new(16).unwrap();
    let socket = Box::new(RawSocketReceiver::new(address, longest, decoder.clone()));
    let receiver = RunningReceiver::start(&Handle::current(), spec, socket).unwrap();
    ReceiverSource::new(&name, receiver, decoder)
}

fn block(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap();
    [&length.to_be_bytes(), bytes].concat()
}

/// The rows of each partition, until there are so many partitions.
async fn receive(source: &mut ReceiverSource, kind: Kind, partitions: usize) -> Vec<Vec<Value>> {
    let mut got = Vec::new();
    while got.len() < partitions {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let Claim::Batch(readers) = source.claim(BatchTime::from_millis(0)).unwrap() else {
            panic!("a receiver always has a batch");
        };
        for mut reader in readers {
            let mut rows = Vec::new();
            while let Some(chunk) = reader.next_chunk().unwrap() {
                rows.extend(rows_to_json(&chunk.rows, &Schema::plain(kind)).unwrap());
            }
            got.push(rows);
        }
    }
    got
}

#[tokio::test(start_paused = true)]
async fn a_block_is_a_partition_however_its_bytes_come() {
    let (listener, address) = listen().await;
    let mut source = source(&address, Kind::Utf8, Format::Text);
    let (mut server, _) = listener.accept().await.unwrap();
    let sent = [
        block(b"a\nb\r\n"),
        block(b""),
        block(b"c"),
        block(b"d\n\ne\n"),
    ]
    .concat();
    for byte in sent {
        server.write_all(&[byte]).await.unwrap();
    }
    let got = receive(&mut source, Kind::Utf8, 3).await;
    let wanted = [json!(["a", "b"]), json!(["c"]), json!(["d", "", "e"])];
    assert_eq!(json!(got), json!(wanted));
}

#[tokio::test(start_paused = true)]
async fn a_block_of_bytes_is_one_record() {
    let (listener, address) = listen().await;
    let mut source = source(&address, Kind::Binary, Format::Binary);
    let (mut server, _) = listener.accept().await.unwrap();
    server.write_all(&block(b"\n\xff\r\n")).await.unwrap();
    let got = receive(&mut source, Kind::Binary, 1).await;
    assert_eq!(json!(got), json!([["0aff0d0a"]]));
}

#[tokio::test(start_paused = true)]
async fn a_block_too_long_or_cut_off_is_dropped_with_its_connection() {
    let (listener, address) = listen().await;
    let mut source = source(&address, Kind::Utf8, Format::Text);
    let refused = [
        u32::MAX.to_be_bytes().to_vec(),
        block(&[b'x'; 17]),
        block(b"cut off")[..8].to_vec(),
        vec![0, 0],
    ];
    for refused in refused {
        let (mut server, _) = listener.accept().await.unwrap();
        server.write_all(&block(b"good")).await.unwrap();
        server.write_all(&refused).await.unwrap();
        drop(server);
        assert_eq!(receive(&mut source, Kind::Utf8, 1).await, [[json!("good")]]);
    }
    let (mut server, _) = listener.accept().await.unwrap();
    server.write_all(&block(b"last")).await.unwrap();
    assert_eq!(receive(&mut source, Kind::Utf8, 1).await, [[json!("last")]]);
}
