//! What a partition remembers of its keys, as it is written down: all of it once, then what changed.

use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow_row::{RowConverter, SortField};
use arrow_select::{concat::concat_batches, interleave::interleave, take::take_record_batch};
use serde::{Deserialize, Serialize};

use crate::{
    format::IpcRows,
    operator::{StepError, group::Grouper},
};

/// Keys and what is remembered of them, a layer upon the other.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedKeys {
    /// The first layer holds every key; if not, all layers belong upon those written before.
    pub whole: bool,
    /// How many of the columns are the key.
    pub keys: u32,
    /// The oldest is first.
    pub layers: Vec<Layer>,
}

/// What changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Layer {
    /// Keys that are forgotten, if there are any; a key may come again in `rows`.
    pub removed: Option<IpcRows>,
    /// A row for each key: the key, and what is remembered of it from now on.
    pub rows: IpcRows,
    /// When each of these was last touched, in milliseconds since the epoch, if that is remembered.
    pub touched: Vec<i64>,
}

impl SavedKeys {
    /// This one upon what was written before.
    #[must_use]
    pub fn upon(self, before: &Self) -> Self {
        if self.whole {
            return self;
        }
        Self {
            layers: [before.layers.clone(), self.layers].concat(),
            ..*before
        }
    }

    /// All that is remembered, in the order of the encoded keys: a row for each key; and when each
    /// was last touched, if that is remembered.
    ///
    /// # Errors
    /// When it is not what was written, or the first layer is not there.
    pub fn merged(&self) -> Result<(RecordBatch, Vec<i64>), StepError> {
        if !self.whole {
            return Err(StepError::Arrow("the first layer is not there".into()));
        }
        let layers = self.layers.iter().map(ReadLayer::new);
        let mut layers = layers.collect::<Result<Vec<_>, _>>()?;
        if let [_] = layers.as_slice()
            && let Some(layer) = layers.pop()
        {
            return Ok((layer.rows, layer.touched));
        }
        let keys = usize::try_from(self.keys).unwrap_or(usize::MAX);
        let mut table = Grouper::encoded();
        let mut groups = Vec::new();
        // By key, where its row is; none: it is forgotten.
        let mut at: Vec<Option<(usize, usize)>> = Vec::new();
        for (number, layer) in layers.iter().enumerate() {
            if let Some(removed) = &layer.removed {
                table.assign(removed.columns(), removed.num_rows(), &mut groups)?;
                at.resize(table.len(), None);
                for group in &groups {
                    at[*group as usize] = None;
                }
            }
            let columns = layer.rows.columns();
            let columns = columns.get(..keys).ok_or_else(missing_columns)?;
            table.assign(columns, layer.rows.num_rows(), &mut groups)?;
            at.resize(table.len(), None);
            for (row, group) in groups.iter().enumerate() {
                at[*group as usize] = Some((number, row));
            }
            table.take_pieces();
        }
        let numbers = (0..at.len()).filter_map(|key| u32::try_from(key).ok());
        let mut known: Vec<u32> = numbers.filter(|key| at[*key as usize].is_some()).collect();
        table.sort(&mut known);
        let at: Vec<_> = known.iter().filter_map(|key| at[*key as usize]).collect();
        let schema = layers.last().map(|layer| layer.rows.schema());
        let schema = schema.ok_or_else(missing_columns)?;
        let columns = (0..schema.fields().len()).map(|column| {
            let pieces = layers.iter().map(|layer| layer.rows.columns().get(column));
            let pieces = pieces.map(|piece| piece.map(AsRef::as_ref));
            let pieces: Option<Vec<&dyn Array>> = pieces.collect();
            Ok(interleave(&pieces.ok_or_else(missing_columns)?, &at)?)
        });
        let columns = columns.collect::<Result<Vec<ArrayRef>, StepError>>()?;
        let touched = at
            .iter()
            .map(|(layer, row)| layers[*layer].touched.get(*row));
        let touched = touched.flatten().copied().collect();
        Ok((RecordBatch::try_new(schema, columns)?, touched))
    }
}

struct ReadLayer {
    removed: Option<RecordBatch>,
    rows: RecordBatch,
    touched: Vec<i64>,
}

impl ReadLayer {
    fn new(layer: &Layer) -> Result<Self, StepError> {
        let one = |rows: &IpcRows| -> Result<RecordBatch, StepError> {
            let (schema, chunks) = rows.read()?;
            Ok(concat_batches(&schema, &chunks)?)
        };
        let rows = one(&layer.rows)?;
        if !layer.touched.is_empty() && layer.touched.len() != rows.num_rows() {
            return Err(StepError::Arrow("rows and times are not as many".into()));
        }
        Ok(Self {
            removed: layer.removed.as_ref().map(one).transpose()?,
            rows,
            touched: layer.touched.clone(),
        })
    }
}

fn missing_columns() -> StepError {
    StepError::Arrow("layers have different columns".into())
}

/// The rows of `after` that `before` has not, and those of `before` whose key `after` has not. Both
/// have each key once, in their first columns. None: the rows cannot be compared.
pub(super) fn difference(
    before: &RecordBatch,
    after: &RecordBatch,
    keys: usize,
) -> Result<Option<(RecordBatch, RecordBatch)>, StepError> {
    let (old_keys, old_values) = before.columns().split_at(keys);
    let (new_keys, new_values) = after.columns().split_at(keys);
    let fields = new_values.iter();
    let fields: Vec<_> = fields
        .map(|column| SortField::new(column.data_type().clone()))
        .collect();
    if !RowConverter::supports_fields(&fields) {
        return Ok(None);
    }
    // For each row of `after` the row of `before` with its key.
    let partners: Vec<Option<u32>> = if same_columns(old_keys, new_keys) {
        let rows = u32::try_from(after.num_rows()).unwrap_or(u32::MAX);
        (0..rows).map(Some).collect()
    } else {
        let mut table = Grouper::encoded();
        table.assign(old_keys, before.num_rows(), &mut Vec::new())?;
        table.find(new_keys, after.num_rows())?
    };
    let converter = RowConverter::new(fields)?;
    let (old, new) = (
        converter.convert_columns(old_values)?,
        converter.convert_columns(new_values)?,
    );
    let mut stays = vec![false; before.num_rows()];
    let mut changed = Vec::new();
    for (row, partner) in partners.into_iter().enumerate() {
        let is_same = partner.is_some_and(|partner| {
            stays[partner as usize] = true;
            old.row(partner as usize) == new.row(row)
        });
        if !is_same {
            changed.extend(u32::try_from(row));
        }
    }
    let gone = stays.iter().enumerate().filter(|(_, stays)| !**stays);
    let gone: UInt32Array = gone
        .filter_map(|(row, _)| u32::try_from(row).ok())
        .collect();
    let key_columns: Vec<usize> = (0..keys).collect();
    Ok(Some((
        take_record_batch(after, &UInt32Array::from(changed))?,
        take_record_batch(&before.project(&key_columns)?, &gone)?,
    )))
}

/// They are not only equal: they are the same.
pub(super) fn same_columns(some: &[ArrayRef], others: &[ArrayRef]) -> bool {
    let mut pairs = some.iter().zip(others);
    some.len() == others.len() && pairs.all(|(one, other)| std::sync::Arc::ptr_eq(one, other))
}
