//! What a reduced window remembers: panes, and what was made of them.

use std::collections::VecDeque;

use arrow_array::RecordBatch;

use crate::operator::StepError;

/// The panes of a window, one for each batch of the input that had rows: a row for each key.
///
/// Without an inverse, batches are cut into blocks as long as the window, at fixed batch numbers. A
/// window then is the end of one block and the beginning of the next: what is left of the last block
/// from each pane on is reduced once, when the block is full, and what there is of this one goes on
/// growing. So a slide costs two reductions, however long the window is, and memory for as many
/// reduced rows as there are panes.
#[derive(Debug, Default)]
pub struct WindowStates {
    /// Of the current block, or of the window and the slide before it if there is an inverse.
    pub(super) panes: VecDeque<Pane>,
    /// The number of the current block.
    pub(super) block: u64,
    /// All panes of the current block in one.
    pub(super) begun: Option<RecordBatch>,
    /// Of the block before: from each pane on, all in one; by rising place.
    pub(super) ends: Vec<(u64, RecordBatch)>,
    /// What the inverse form put out last.
    pub(super) previous: Option<RecordBatch>,
    /// The number of the batch in which it did; 0: it never has.
    pub(super) at: u64,
    /// What was last written down: it shares its rows with what is here.
    pub(super) saved: Option<Box<WindowStates>>,
}

/// What was reduced of one batch.
#[derive(Debug, Clone)]
pub(super) struct Pane {
    /// Of the batch; in a block, its place there.
    pub(super) number: u64,
    pub(super) rows: RecordBatch,
}

impl WindowStates {
    /// As [`PartitionState::copied`](super::PartitionState::copied).
    pub(super) fn copied(&self) -> Self {
        Self {
            panes: self.panes.clone(),
            block: self.block,
            begun: self.begun.clone(),
            ends: self.ends.clone(),
            previous: self.previous.clone(),
            at: self.at,
            saved: None,
        }
    }

    /// Takes the pane of batch `number` (counted in slides of the input, from 1) into blocks of
    /// `length`. `fold` makes one of several, the first being the oldest.
    pub(super) fn add_to_block(
        &mut self,
        (number, length): (u64, u64),
        pane: Option<RecordBatch>,
        fold: &mut impl FnMut(&[RecordBatch]) -> Result<Option<RecordBatch>, StepError>,
    ) -> Result<(), StepError> {
        let (block, place) = ((number - 1) / length, (number - 1) % length);
        if block != self.block {
            self.ends.clear();
            let panes = std::mem::take(&mut self.panes);
            // A block that was left out had no rows.
            if block == self.block + 1 {
                let mut end: Option<RecordBatch> = None;
                for pane in panes.into_iter().rev() {
                    let all: Vec<_> = [pane.rows].into_iter().chain(end).collect();
                    end = fold(&all)?;
                    self.ends.extend(end.clone().map(|end| (pane.number, end)));
                }
                self.ends.reverse();
            }
            self.block = block;
            self.begun = None;
        }
        if let Some(rows) = pane {
            let all: Vec<_> = self
                .begun
                .take()
                .into_iter()
                .chain([rows.clone()])
                .collect();
            self.begun = fold(&all)?;
            self.panes.push_back(Pane {
                number: place,
                rows,
            });
        }
        Ok(())
    }

    /// The window that ends with batch `number`.
    pub(super) fn window(&self, number: u64, length: u64) -> Vec<RecordBatch> {
        let place = (number - 1) % length;
        let end = self.ends.iter().find(|(from, _)| *from > place);
        let end = end.map(|(_, rows)| rows.clone());
        end.into_iter().chain(self.begun.clone()).collect()
    }

    /// Panes with a number in (from, to].
    pub(super) fn between(&self, from: u64, to: u64) -> Vec<RecordBatch> {
        let panes = self.panes.iter();
        let panes = panes.filter(|pane| pane.number > from && pane.number <= to);
        panes.map(|pane| pane.rows.clone()).collect()
    }
}
