//! From what a topology describes to a source that runs.

use std::{num::NonZeroUsize, sync::Arc};

use tokio::runtime::Handle;

use super::{
    DirectorySource, FileSource, GeneratorSource, QueueSource, ReceiverSource, Source, SourceError,
    SourceProblem,
};
use crate::{
    clock::Clock,
    format::LineDecoder,
    model::BatchInterval,
    receiver::{ReceiverSpec, RunningReceiver, SocketReceiver},
    topology::{self, Decoder, SourceKind},
};

/// What sources need to run.
#[derive(Debug, Clone, Copy)]
pub struct SourceSetup<'a> {
    /// Says from when on files of a directory are new.
    pub clock: &'a dyn Clock,
    /// Runs receivers.
    pub runtime: &'a Handle,
    /// Of the topology.
    pub interval: BatchInterval,
    /// Partitions of a batch where a source names none.
    pub parallelism: NonZeroUsize,
}

/// Opens a source; receivers start at once.
///
/// # Errors
/// When its file cannot be read or holds something else, or its pattern is none.
pub fn open_source(
    source: &topology::Source,
    setup: SourceSetup,
) -> Result<Box<dyn Source>, SourceError> {
    let (name, schema) = (&source.name, &source.schema);
    let line_decoder = |decoder: &Decoder| LineDecoder::new(schema, &source.rejected, decoder);
    Ok(match &source.kind {
        SourceKind::Socket {
            address,
            connect_attempts,
            block_interval,
            decoder,
        } => {
            let decoder = Arc::new(line_decoder(decoder));
            let spec = ReceiverSpec {
                name: name.clone(),
                schema: schema.clone(),
                block_interval: *block_interval,
                connect_attempts: *connect_attempts,
                room: ReceiverSpec::ROOM,
            };
            let socket = Box::new(SocketReceiver::new(address, decoder.clone()));
            let receiver = RunningReceiver::start(setup.runtime, spec, socket);
            Box::new(ReceiverSource::new(name, receiver, decoder))
        }
        SourceKind::File {
            path,
            batch_bytes,
            partitions,
            decoder,
        } => {
            let partitions = partitions.unwrap_or(setup.parallelism);
            let decoder = line_decoder(decoder);
            Box::new(FileSource::open(
                name,
                path,
                *batch_bytes,
                partitions,
                decoder,
            )?)
        }
        SourceKind::Directory {
            path,
            new_files_only,
            remember,
            decoder,
        } => {
            let ignored_until = if *new_files_only {
                setup.clock.wall_millis()
            } else {
                0
            };
            let decoder = line_decoder(decoder);
            Box::new(DirectorySource::new(
                name,
                path,
                ignored_until,
                *remember,
                setup.interval,
                decoder,
            )?)
        }
        SourceKind::Queue {
            path,
            order,
            partitions,
        } => {
            let Some(path) = path else {
                return Err(SourceError::new(name, SourceProblem::NoPath));
            };
            Box::new(QueueSource::open(name, schema, *order, *partitions, path)?)
        }
        SourceKind::Generator(spec) => Box::new(GeneratorSource::new(
            name,
            schema,
            spec,
            setup.parallelism,
            setup.interval,
        )),
    })
}
