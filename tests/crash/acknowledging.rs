//! A receiver whose sender waits for acknowledgements, and forgets what was acknowledged.
//!
//! The sender sends a block, line by line, and a line `.` behind it; the receiver stores the block
//! and answers with the block's last line. After the last block the sender sends `end`.

use std::{collections::BTreeMap, fs, num::NonZeroUsize, sync::Arc};

use rsrt::{
    checkpoint::{Checkpoint, Program},
    clock::{Clock as _, SystemClock},
    format::rows_from_json,
    model::{Kind, Location, Position, Schema},
    receiver::{Receiver, ReceiverError, Receiving, Store},
    scheduler::{Mode, Pool},
    sink::open_sink,
    source::{SourceSetup, open_receiver},
    stream::{Plugins, Run, Stop, Stream},
    topology::{Defaults, SourceId, compile},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

use super::Failed;

struct Acknowledging {
    address: String,
    /// Of the run, when the sender has no more.
    ended: Stop,
}

impl Acknowledging {
    async fn receive(&self, store: Store) -> Result<(), ReceiverError> {
        let mut stream = TcpStream::connect(&self.address).await.map_err(lost)?;
        let (reader, mut writer) = stream.split();
        let mut lines = BufReader::new(reader).lines();
        let schema = Schema::plain(Kind::Utf8);
        let mut block = Vec::<serde_json::Value>::new();
        while let Some(line) = lines.next_line().await.map_err(lost)? {
            match line.as_str() {
                "end" => self.ended.graceful(),
                "." => {
                    let last = block.last().and_then(|line| line.as_str());
                    let last = last.unwrap_or_default().to_owned();
                    let rows = rows_from_json(&schema, &block).map_err(lost)?;
                    block.clear();
                    let position = Position(last.clone().into_bytes());
                    store.store_many(rows, position).await?;
                    let answer = format!("{last}\n");
                    writer.write_all(answer.as_bytes()).await.map_err(lost)?;
                }
                line => block.push(line.into()),
            }
        }
        Ok(())
    }
}

fn lost(error: impl std::error::Error + Send + Sync + 'static) -> ReceiverError {
    ReceiverError::Lost {
        source_name: "the sender".to_owned(),
        error: Box::new(error),
    }
}

impl Receiver for Acknowledging {
    fn run(&mut self, store: Store, stop: CancellationToken, _: Option<Position>) -> Receiving<'_> {
        Box::pin(async move {
            tokio::select! {
                () = stop.cancelled() => Ok(()),
                received = self.receive(store) => received,
            }
        })
    }
}

/// Runs `topo.toml`.
pub(super) fn run(address: &str) -> Result<(), Failed> {
    let text = fs::read_to_string("topo.toml")?;
    let one = NonZeroUsize::MIN;
    let defaults = Defaults {
        parallelism: one,
        base_dir: "".into(),
        needs_checkpoint: true,
    };
    let topology = compile("topo.toml", &text, &Plugins::default(), &defaults);
    let topology = Arc::new(topology.map_err(|invalid| format!("{:?}", invalid.problems()))?);
    let clock = Arc::new(SystemClock::new());
    let program = Program::new(&text, Vec::new());
    let now = clock.wall_millis();
    let place = Location::Directory("checkpoint".into());
    let opened = Checkpoint::open_at(&place, &topology, program, now)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let stop = Stop::new();
    let receiver = Acknowledging {
        address: address.to_owned(),
        ended: stop.clone(),
    };
    let setup = SourceSetup {
        clock: &*clock,
        runtime: runtime.handle(),
        interval: topology.batch_interval,
        parallelism: one,
        logs: Some(&*opened.checkpoint),
        account: None,
    };
    let lines = open_receiver(&topology.sources[0], Box::new(receiver), setup)?;
    let uid = opened.checkpoint.uid();
    let sinks = topology.sinks.iter();
    let sinks = sinks.map(|sink| open_sink(sink, &topology, &[], Some(&uid)));
    let sinks = sinks.collect();
    let pool = Pool::new(one)?;
    let sources = BTreeMap::from([(SourceId(0), lines)]);
    let stream = Stream::new(topology, Vec::new(), sources, sinks, &pool);
    let run = Run {
        mode: Mode::Live,
        start: None,
        batches: None,
        clock,
        stop,
    };
    let summary = runtime.block_on(stream.with_checkpoint(opened).run(run, &mut ()));
    runtime.shutdown_background();
    match summary.last_error {
        None => Ok(()),
        Some(error) => Err(error.to_string().into()),
    }
}
