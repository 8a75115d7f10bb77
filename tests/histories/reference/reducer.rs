//! What makes one value of several.

use serde_json::{Value, json};

/// A function over the values of a key, or of a whole batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::histories) enum Reducer {
    Sum,
    Count,
    Min,
    Max,
    First,
    Last,
    /// The first of the longest texts.
    Longest,
    /// Of numbers, their sum and how many there are.
    SumAndCount,
    /// Of such pairs, the sums of either.
    AddSums,
}

impl Reducer {
    /// Of at least one value, in the order of arrival.
    pub(super) fn of(self, values: &[Value]) -> Value {
        let floats = |at: fn(&Value) -> &Value| values.iter().map(move |v| at(v).as_f64().unwrap());
        match self {
            Self::Sum => json!(values.iter().map(|v| v.as_i64().unwrap()).sum::<i64>()),
            Self::Count => json!(values.len()),
            Self::Min => sorted(values)[0].clone(),
            Self::Max => sorted(values)[values.len() - 1].clone(),
            Self::First => values[0].clone(),
            Self::Last => values[values.len() - 1].clone(),
            Self::Longest => {
                let length = |text: &Value| text.as_str().unwrap().chars().count();
                let longest = values.iter().map(length).max().unwrap();
                let mut texts = values.iter();
                texts.find(|text| length(text) == longest).unwrap().clone()
            }
            Self::SumAndCount => json!([floats(|v| v).sum::<f64>(), values.len()]),
            Self::AddSums => {
                let counts = values.iter().map(|v| v[1].as_i64().unwrap());
                json!([floats(|v| &v[0]).sum::<f64>(), counts.sum::<i64>()])
            }
        }
    }
}

/// Numbers by size, texts by their bytes.
fn sorted(values: &[Value]) -> Vec<Value> {
    let mut values = values.to_vec();
    values.sort_by_key(|value| (value.as_i64(), value.as_str().map(str::to_owned)));
    values
}
