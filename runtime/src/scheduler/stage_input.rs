//! What the tasks of a stage begin with: their rows, and those of their sides.

use super::{
    Part, StageInput, StageOutput, StepSpec,
    batch_run::BatchRun,
    memory::{Lost, Memory},
    pane::KeptPartition,
    task::TaskInput,
};
use crate::{model::Partition, topology::SideFrom};

/// Rows for the sides of a step, by the side's number.
pub(super) type Feeds = Vec<(usize, Partition)>;

impl BatchRun<'_> {
    /// What a step is fed before its first chunk.
    pub(super) fn feeds(&self, step: &StepSpec, side: Option<&mut Partition>) -> Feeds {
        let mut feeds: Feeds = side
            .map(|rows| (0, std::mem::take(rows)))
            .into_iter()
            .collect();
        let sides = match (&self.operator(step.operator).verb, &step.part) {
            (_, Part::BeforeShuffle) => return feeds,
            (verb, _) => verb.call().map_or(&[][..], |call| &call.sides),
        };
        for (number, side) in sides.iter().enumerate() {
            if let SideFrom::Reference(id) = side.from
                && let Some(rows) = self.references.get(&id)
            {
                feeds.push((number, rows.to_vec()));
            }
        }
        // The second input may be any of the sides of a function, not the first of them.
        if let Some(second) = sides.iter().position(|s| s.from == SideFrom::SecondInput)
            && let Some(feed) = feeds.first_mut()
        {
            feed.0 = second;
        }
        feeds.sort_by_key(|(number, _)| *number);
        feeds
    }

    /// The rows of the second input, partition by partition.
    pub(super) fn sides(&mut self, input: &StageInput) -> Vec<Partition> {
        match input {
            StageInput::Sided { side, .. } => self.flow.shuffled.remove(side).unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    pub(super) fn inputs(
        &mut self,
        input: &StageInput,
        memory: &Memory,
    ) -> Result<Vec<TaskInput>, Lost> {
        let partitions = match input {
            StageInput::Source(id) => {
                let readers = self.flow.readers.remove(id).unwrap_or_default().into_iter();
                let task = |reader| TaskInput::Source(*id, reader);
                return Ok(readers.map(task).collect());
            }
            StageInput::Stored(streams) => streams
                .iter()
                .flat_map(|stream| self.stored(*stream).unwrap_or_default().iter().cloned())
                .collect(),
            StageInput::Shuffled(from) | StageInput::Sided { main: from, .. } => {
                match self.flow.shuffled.remove(from) {
                    Some(partitions) => partitions,
                    None => self.nothing_sent(*from),
                }
            }
            StageInput::Windowed(id) => {
                let partitions = memory.window(*id)?.into_iter();
                let task = |partition| match partition {
                    KeptPartition::Memory(chunks) => TaskInput::Chunks(chunks),
                    KeptPartition::Spilled(spilled) => TaskInput::Spilled(spilled),
                };
                return Ok(partitions.map(task).collect());
            }
        };
        Ok(partitions.into_iter().map(TaskInput::Chunks).collect())
    }

    /// As many empty partitions as the stage would have sent to.
    fn nothing_sent(&self, from: usize) -> Vec<Partition> {
        match &self.executor.plan.stages[from].output {
            StageOutput::Shuffle(exchange) => vec![Vec::new(); exchange.partitions(1)],
            StageOutput::Store(_) => Vec::new(),
        }
    }
}
