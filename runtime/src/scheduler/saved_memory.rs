//! What operators remember, written down and read again, by their names.

use serde::{Deserialize, Serialize};

use super::{
    Lost,
    memory::Memory,
    migration::Migrator,
    pane::{KeptPartition, Pane},
};
use crate::{
    format::{IpcError, IpcRows},
    model::{BatchTime, NodeName, Schema},
    operator::{PartitionState, SavedState, StateColumns, StepError},
    topology::{Operator, OperatorId, Topology, Verb},
};

/// What the operators of a topology remember after a batch.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SavedMemory {
    /// Those that remember something.
    pub operators: Vec<SavedOperator>,
}

/// What one operator remembers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedOperator {
    /// Its name.
    pub name: String,
    /// Verb, slide and columns: it must be the same when it is read.
    pub shape: String,
    /// The version that its function said its state has, if it is a state of keys.
    pub version: Option<u32>,
    /// `update-state-by-key` has had a batch (spec 6.2).
    pub begun: bool,
    /// By partition; none: it remembers no state.
    pub states: Option<Vec<SavedState>>,
    /// The batches in a window of rows, each with its number.
    pub panes: Vec<(u64, SavedPane)>,
    /// It cannot go on.
    pub lost: Option<SavedLost>,
    /// The last batch that its windows lack, by number.
    pub gap: Option<(u64, SavedLost)>,
}

/// A batch in a window of rows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum SavedPane {
    /// Partition by partition.
    Rows(Vec<IpcRows>),
    /// What was written before, under the same number.
    AsBefore,
    /// The batch failed.
    Lost(SavedLost),
}

/// A batch that failed, and who lacks it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedLost {
    /// The operator.
    pub operator: String,
    /// In milliseconds since the epoch.
    pub since: i64,
}

/// What was written down does not fit this topology, or is damaged.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// State would be lost.
    #[error(
        "operator `{operator}` has state in the checkpoint, but the topology has no such operator: put it back, say renamed-from = \"{operator}\" where it has another name now, or start anew with --fresh"
    )]
    Vanished {
        /// Its name.
        operator: String,
    },
    /// State is of something else.
    #[error(
        "operator `{operator}` was `{before}` when its state was written and is `{now}`: give it another name, or start anew with --fresh"
    )]
    Changed {
        /// Its name.
        operator: String,
        /// What it was.
        before: String,
        /// What it is.
        now: String,
    },
    /// State is of another version of its function.
    #[error(
        "the state of operator `{operator}` has version {since}, and its function makes version {to}: {why}"
    )]
    Version {
        /// Its name.
        operator: String,
        /// What it was.
        since: u32,
        /// What it is.
        to: u32,
        /// Why it cannot be migrated.
        why: String,
    },
    /// Not what was written, or it cannot be written.
    #[error("state of operator `{operator}`: {why}")]
    Rows {
        /// Its name.
        operator: String,
        /// What is wrong.
        why: String,
    },
}

impl SavedMemory {
    /// Without what these operators remember.
    #[must_use]
    pub fn without(&self, operators: &[String]) -> Self {
        let kept = self.operators.iter();
        let kept = kept.filter(|saved| !operators.contains(&saved.name));
        Self {
            operators: kept.cloned().collect(),
        }
    }

    /// This one upon what was written before: what it does not hold itself is taken from there.
    ///
    /// # Errors
    /// When it is not there.
    pub fn upon(self, before: &Self) -> Result<Self, MemoryError> {
        let operators = self.operators.into_iter().map(|operator| {
            let mut known = before.operators.iter();
            let name = operator.name.clone();
            let before = known.find(|before| before.name == operator.name);
            operator.upon(before).map_err(|why| MemoryError::Rows {
                operator: name,
                why,
            })
        });
        let operators = operators.collect::<Result<_, _>>()?;
        Ok(Self { operators })
    }
}

impl SavedOperator {
    fn upon(mut self, before: Option<&Self>) -> Result<Self, String> {
        let before_states = before.and_then(|before| before.states.as_ref());
        if let Some(states) = self.states.take() {
            let states = states.into_iter().enumerate().map(|(partition, state)| {
                state.upon(before_states.and_then(|before| before.get(partition)))
            });
            let states: Result<_, StepError> = states.collect();
            self.states = Some(states.map_err(|error| error.to_string())?);
        }
        let before_panes = before.map_or(&[][..], |before| &before.panes);
        for (number, pane) in &mut self.panes {
            if matches!(pane, SavedPane::AsBefore) {
                let known = before_panes.iter().find(|(known, _)| known == number);
                let known = known.map(|(_, pane)| pane.clone());
                *pane = known.ok_or_else(|| format!("batch {number} is not there"))?;
            }
        }
        Ok(self)
    }
}

/// Verb, slide and columns of an operator that remembers.
fn shape(topology: &Topology, operator: &Operator) -> String {
    let columns = match &operator.verb {
        Verb::MapWithState(_) => operator.snapshots.as_ref().unwrap_or(&operator.output),
        Verb::Window(_) => topology.schema(operator.inputs[0]),
        _ => &operator.output,
    };
    let (verb, every) = (operator.verb.name(), operator.every);
    match operator.verb.window() {
        Some(window) => format!("{verb} of {} every {every}: {columns}", window.length),
        None => format!("{verb} every {every}: {columns}"),
    }
}

/// A shape but for the columns.
fn before_columns(shape: &str) -> &str {
    shape.split_once(": ").map_or(shape, |(before, _)| before)
}

/// The columns of an operator's state.
pub(super) struct Columns {
    all: Schema,
    keys: Schema,
    states: Schema,
}

impl Columns {
    pub(super) fn of(operator: &Operator) -> Self {
        let all = operator.snapshots.clone();
        let all = all.unwrap_or_else(|| operator.output.clone());
        let keys = operator
            .verb
            .keyed_state()
            .map_or(0, |keyed| keyed.keys.len());
        let fields = all.fields();
        let part = |fields: &[_]| Schema::new(fields.to_vec()).unwrap_or_else(|_| all.clone());
        Self {
            keys: part(&fields[..keys.min(fields.len())]),
            states: part(&fields[keys.min(fields.len())..]),
            all,
        }
    }

    pub(super) fn as_state(&self) -> StateColumns<'_> {
        StateColumns {
            all: &self.all,
            keys: &self.keys,
            states: &self.states,
        }
    }
}

impl Memory {
    /// Writes the `whole` of it down, or what changed since the last time.
    pub(super) fn save(
        &mut self,
        topology: &Topology,
        whole: bool,
    ) -> Result<SavedMemory, MemoryError> {
        let mut operators = Vec::new();
        for (at, operator) in topology.operators.iter().enumerate() {
            let saved = self.save_operator(OperatorId(at), operator, topology, whole);
            operators.extend(saved.map_err(|why| MemoryError::Rows {
                operator: operator.name.to_string(),
                why,
            })?);
        }
        Ok(SavedMemory { operators })
    }

    fn save_operator(
        &mut self,
        id: OperatorId,
        operator: &Operator,
        topology: &Topology,
        whole: bool,
    ) -> Result<Option<SavedOperator>, String> {
        let columns = Columns::of(operator);
        let states = self.states.get_mut(&id).map(|states| {
            let states = states.iter_mut();
            let states = states.map(|state| state.save(columns.as_state(), whole));
            states.collect::<Result<Vec<_>, StepError>>()
        });
        let states = states.transpose().map_err(|error| error.to_string())?;
        let mut panes = Vec::new();
        for pane in self.panes.get_mut(&id).into_iter().flatten() {
            let input = topology.schema(operator.inputs[0]);
            let is_saved = std::mem::replace(&mut pane.is_saved, true);
            let saved = match &pane.rows {
                _ if is_saved && !whole => SavedPane::AsBefore,
                Err(lost) => SavedPane::Lost(lost.save()),
                Ok(partitions) => {
                    let partitions = partitions.iter();
                    let bytes = partitions.map(|partition| match partition {
                        KeptPartition::Memory(chunks) => Ok(IpcRows::new(input, chunks)),
                        // They lie there as they are saved.
                        KeptPartition::Spilled(spilled) => spilled
                            .bytes()
                            .map(IpcRows::from_bytes)
                            .map_err(|error| error.to_string()),
                    });
                    SavedPane::Rows(bytes.collect::<Result<_, String>>()?)
                }
            };
            panes.push((pane.number, saved));
        }
        let saved = SavedOperator {
            name: operator.name.to_string(),
            shape: shape(topology, operator),
            version: operator.verb.keyed_state().map(|keyed| keyed.version),
            begun: self.begun.contains(&id),
            states,
            panes,
            lost: self.lost.get(&id).map(Lost::save),
            gap: self.gaps.get(&id).map(|(at, lost)| (*at, lost.save())),
        };
        let has_any = saved.begun
            || saved.states.is_some()
            || !saved.panes.is_empty()
            || saved.lost.is_some()
            || saved.gap.is_some();
        Ok(has_any.then_some(saved))
    }

    /// What was written down by a topology whose operators of these names were alike.
    pub(super) fn restore(
        saved: &SavedMemory,
        topology: &Topology,
        migrator: &Migrator,
    ) -> Result<Self, MemoryError> {
        let mut memory = Self::default();
        for saved in &saved.operators {
            let mut operators = topology.operators.iter().enumerate();
            let found = operators.find(|(_, operator)| is_of(operator, &saved.name));
            let Some((at, operator)) = found else {
                return Err(MemoryError::Vanished {
                    operator: saved.name.clone(),
                });
            };
            let now = shape(topology, operator);
            let id = OperatorId(at);
            let to = operator.verb.keyed_state().map(|keyed| keyed.version);
            let versions = saved.version.zip(to).filter(|(since, to)| since != to);
            if let Some((since, to)) = versions
                && before_columns(&now) == before_columns(&saved.shape)
            {
                let migrated =
                    memory.migrate_operator((id, operator), saved, (since, to), migrator);
                migrated.map_err(|why| MemoryError::Version {
                    operator: saved.name.clone(),
                    since,
                    to,
                    why,
                })?;
                continue;
            }
            if now != saved.shape {
                return Err(MemoryError::Changed {
                    operator: saved.name.clone(),
                    before: saved.shape.clone(),
                    now,
                });
            }
            let restored = memory.restore_operator(id, operator, saved, topology);
            restored.map_err(|why| MemoryError::Rows {
                operator: saved.name.clone(),
                why,
            })?;
        }
        Ok(memory)
    }

    /// State of keys that another version of its function made.
    fn migrate_operator(
        &mut self,
        (id, operator): (OperatorId, &Operator),
        saved: &SavedOperator,
        (since, to): (u32, u32),
        migrator: &Migrator,
    ) -> Result<(), String> {
        migrator.can(id, (since, to))?;
        if saved.begun {
            self.begun.insert(id);
        }
        if let Some(states) = &saved.states {
            let columns = Columns::of(operator);
            let states = migrator.migrate(id, since, states, columns.as_state())?;
            self.states.insert(id, states);
        }
        if let Some(lost) = &saved.lost {
            self.lost.insert(id, lost.restore()?);
        }
        Ok(())
    }

    fn restore_operator(
        &mut self,
        id: OperatorId,
        operator: &Operator,
        saved: &SavedOperator,
        topology: &Topology,
    ) -> Result<(), String> {
        if saved.begun {
            self.begun.insert(id);
        }
        if let Some(states) = &saved.states {
            let columns = Columns::of(operator);
            let states = states.iter();
            let states = states.map(|state| PartitionState::restore(state, columns.as_state()));
            let states: Result<_, StepError> = states.collect();
            self.states
                .insert(id, states.map_err(|error| error.to_string())?);
        }
        for (number, pane) in &saved.panes {
            let input = topology.schema(operator.inputs[0]);
            let rows = match pane {
                SavedPane::AsBefore => return Err(format!("batch {number} is not there")),
                SavedPane::Lost(lost) => Err(lost.restore()?),
                SavedPane::Rows(partitions) => {
                    let partitions = partitions.iter();
                    let chunks = partitions.map(|rows| rows.read_as(input));
                    let chunks: Result<Vec<_>, IpcError> = chunks.collect();
                    let chunks = chunks.map_err(|error| error.to_string())?;
                    let kept = self.put(id, operator, input, &chunks);
                    Ok(kept.map_err(|error| error.to_string())?)
                }
            };
            let panes = self.panes.entry(id).or_default();
            panes.push_back(Pane {
                number: *number,
                rows,
                is_saved: false,
            });
        }
        if let Some(lost) = &saved.lost {
            self.lost.insert(id, lost.restore()?);
        }
        if let Some((at, lost)) = &saved.gap {
            self.gaps.insert(id, (*at, lost.restore()?));
        }
        Ok(())
    }
}

/// The operator has this name, or had it.
fn is_of(operator: &Operator, name: &str) -> bool {
    operator.name.as_str() == name || operator.renamed_from.as_deref() == Some(name)
}

impl Lost {
    fn save(&self) -> SavedLost {
        SavedLost {
            operator: self.operator.to_string(),
            since: self.since.as_millis(),
        }
    }
}

impl SavedLost {
    fn restore(&self) -> Result<Lost, String> {
        let operator = self.operator.parse::<NodeName>();
        Ok(Lost {
            operator: operator.map_err(|error| error.to_string())?,
            since: BatchTime::from_millis(self.since),
        })
    }
}
