//! What an operator remembers as it was last written down, row by row.

use arrow_array::RecordBatch;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    CheckpointError,
    opening::look_at,
    store::{read_manifest, read_state},
};
use crate::{
    format::rows_to_json,
    model::{Field, Location, Schema},
    operator::{SavedKeys, SavedRows, SavedState},
    scheduler::{SavedOperator, SavedPane},
};

/// Bytes of JSON, about, after which a page ends.
const MOST_BYTES: usize = 4 << 20;

/// Which rows.
#[derive(Debug, Clone, Copy)]
pub struct WhichRows<'a> {
    /// The operator.
    pub operator: &'a str,
    /// Only that of this key: its text or JSON; of several columns a JSON list.
    pub key: Option<&'a str>,
    /// The first, counted from 0.
    pub from: u64,
    /// At most so many.
    pub limit: u64,
}

/// What an operator remembers, or a part of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StateRows {
    /// The operator.
    pub operator: String,
    /// Its verb, slide and columns.
    pub shape: Option<String>,
    /// The batch after which it was written; none if no state was written yet.
    pub after: Option<AfterBatch>,
    /// It cannot go on: it lacks this batch, in milliseconds since the epoch.
    pub lost: Option<i64>,
    /// The rows: by partition, in the order of keys or batches.
    pub rows: Vec<StateRow>,
    /// Where the next page begins; none if there is no more.
    pub next: Option<u64>,
}

/// A batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AfterBatch {
    /// Its number.
    pub number: u64,
    /// Its time, in milliseconds since the epoch.
    pub time: i64,
}

/// A row of what is remembered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StateRow {
    /// The partition.
    pub partition: usize,
    /// The key, if there is one; a list if it has several columns.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<Value>,
    /// Of a window: the number of the batch that the row is of.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub batch: Option<u64>,
    /// When the key was last touched, in milliseconds since the epoch, if that is remembered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub touched: Option<i64>,
    /// All columns.
    pub columns: Map<String, Value>,
}

/// State cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The operator has none.
    #[error("operator `{operator}` has no state; {}", have(.there))]
    None {
        /// The operator.
        operator: String,
        /// Those that have.
        there: Vec<String>,
    },
    /// The checkpoint does not read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Its rows do not read.
    #[error("state of operator `{operator}`: {why}")]
    Rows {
        /// The operator.
        operator: String,
        /// What is wrong.
        why: String,
    },
}

fn have(there: &[String]) -> String {
    match there {
        [] => "none has".to_owned(),
        _ => format!("there is that of {}", there.join(", ")),
    }
}

impl StateRows {
    /// Reads them from the checkpoint in this place. Nobody needs to be stopped to look.
    ///
    /// # Errors
    /// When the operator has no state, or it does not read.
    pub fn read(location: &Location, which: WhichRows<'_>) -> Result<Self, StateError> {
        let mut found = Self {
            operator: which.operator.to_owned(),
            shape: None,
            after: None,
            lost: None,
            rows: Vec::new(),
            next: None,
        };
        let disk = look_at(location)?;
        let Some(manifest) = read_manifest(&*disk)? else {
            return Ok(found);
        };
        let (Some(memory), Some(state)) = (read_state(&*disk, &manifest.states)?, manifest.state())
        else {
            return Ok(found);
        };
        let (number, time) = (state.number, state.time);
        found.after = Some(AfterBatch { number, time });
        let mut operators = memory.operators.iter();
        let Some(operator) = operators.find(|saved| saved.name == which.operator) else {
            return Err(StateError::None {
                operator: which.operator.to_owned(),
                there: memory
                    .operators
                    .into_iter()
                    .map(|saved| saved.name)
                    .collect(),
            });
        };
        found.shape = Some(operator.shape.clone());
        found.lost = operator.lost.as_ref().map(|lost| lost.since);
        let failed = |why| StateError::Rows {
            operator: operator.name.clone(),
            why,
        };
        let mut page = Page {
            which,
            seen: 0,
            bytes: 0,
            found: &mut found,
        };
        page.operator(operator).map_err(failed)?;
        Ok(found)
    }
}

/// What the rows of a table have in common.
#[derive(Clone, Copy, Default)]
struct Of<'a> {
    partition: usize,
    keys: usize,
    batch: Option<u64>,
    touched: &'a [i64],
}

struct Page<'a> {
    which: WhichRows<'a>,
    /// Rows that were passed or taken.
    seen: u64,
    bytes: usize,
    found: &'a mut StateRows,
}

impl Page<'_> {
    fn operator(&mut self, operator: &SavedOperator) -> Result<(), String> {
        for (partition, state) in operator.states.iter().flatten().enumerate() {
            let of = Of {
                partition,
                ..Of::default()
            };
            match state {
                SavedState::Update(saved) | SavedState::Map(saved) => self.keys(saved, of)?,
                SavedState::Window(window) => {
                    for (number, rows) in &window.panes {
                        let batch = Some(*number);
                        self.rows(rows, Of { batch, ..of })?;
                    }
                }
            }
        }
        for (number, pane) in &operator.panes {
            let SavedPane::Rows(partitions) = pane else {
                continue;
            };
            for (partition, rows) in partitions.iter().enumerate() {
                let of = Of {
                    partition,
                    batch: Some(*number),
                    ..Of::default()
                };
                let (_, chunks) = rows.read().map_err(text)?;
                chunks.iter().try_for_each(|chunk| self.table(chunk, of))?;
            }
        }
        Ok(())
    }

    fn keys(&mut self, saved: &SavedKeys, of: Of<'_>) -> Result<(), String> {
        let (rows, touched) = saved.merged().map_err(text)?;
        let keys = usize::try_from(saved.keys).map_err(text)?;
        let touched = &touched;
        self.table(
            &rows,
            Of {
                keys,
                touched,
                ..of
            },
        )
    }

    fn rows(&mut self, saved: &SavedRows, of: Of<'_>) -> Result<(), String> {
        let (_, chunks) = saved.rows().map_err(text)?.read().map_err(text)?;
        chunks.iter().try_for_each(|chunk| self.table(chunk, of))
    }

    fn table(&mut self, rows: &RecordBatch, of: Of<'_>) -> Result<(), String> {
        if of.keys == 0 && self.which.key.is_some() {
            return Err("it is not kept by key".to_owned());
        }
        for at in 0..rows.num_rows() {
            if self.found.next.is_some() {
                return Ok(());
            }
            // Without a key to look for, rows before the page need not be read.
            let is_before = self.seen < self.which.from;
            if is_before && self.which.key.is_none() {
                self.seen += 1;
                continue;
            }
            let row = rows.slice(at, 1);
            let key = key(&row, of.keys)?;
            if let (Some(wanted), Some(key)) = (self.which.key, &key)
                && !is(key, wanted)
            {
                continue;
            }
            if is_before {
                self.seen += 1;
                continue;
            }
            let is_full = self.found.rows.len() as u64 >= self.which.limit;
            if is_full || self.bytes > MOST_BYTES {
                self.found.next = Some(self.seen);
                return Ok(());
            }
            self.seen += 1;
            let names = row.schema();
            let names = names.fields().iter().map(|field| field.name().clone());
            let columns = (0..row.num_columns()).map(|column| cell(&row, column));
            let columns: Vec<Value> = columns.collect::<Result<_, _>>()?;
            self.bytes += columns
                .iter()
                .map(|cell| cell.to_string().len())
                .sum::<usize>();
            self.found.rows.push(StateRow {
                partition: of.partition,
                key,
                batch: of.batch,
                touched: of.touched.get(at).copied(),
                columns: names.zip(columns).collect(),
            });
        }
        Ok(())
    }
}

fn key(row: &RecordBatch, columns: usize) -> Result<Option<Value>, String> {
    let cells = (0..columns).map(|column| cell(row, column));
    let mut cells: Vec<Value> = cells.collect::<Result<_, _>>()?;
    Ok(match cells.len() {
        0 => None,
        1 => cells.pop(),
        _ => Some(Value::Array(cells)),
    })
}

/// The key is what was typed.
fn is(key: &Value, typed: &str) -> bool {
    let is_text = key.as_str() == Some(typed);
    is_text || serde_json::from_str::<Value>(typed).is_ok_and(|typed| typed == *key)
}

/// One column of a row, as queues and `json-files` have plain values.
fn cell(row: &RecordBatch, column: usize) -> Result<Value, String> {
    let field = Field::of_arrow(row.schema().field(column));
    let field = field.ok_or("a column has a type that rsrt does not write")?;
    let name = "value".to_owned();
    let schema = Schema::new(vec![Field { name, ..field }]).map_err(text)?;
    let columns = vec![row.column(column).clone()];
    let row = RecordBatch::try_new(schema.to_arrow(), columns).map_err(text)?;
    let cells = rows_to_json(&row, &schema).map_err(text)?;
    Ok(cells.into_iter().next().unwrap_or(Value::Null))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
