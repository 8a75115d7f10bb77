//! A line of JSON to a row: fast where the line is as it should be, and through
//! [`serde_json::Value`] where it is not, so that there is one place that says what fits and why not.

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::{Number, Value};

use super::read::{Unknown, named_float, read_row};
use crate::{
    format::{
        cells::Cell,
        columns::{Column, Columns},
        layout::Node,
        timestamp::parse_timestamp,
    },
    model::{Kind, Schema},
};

/// Reads lines that hold an object with the schema's fields, or a row as `json-files` writes it.
#[derive(Debug)]
pub(in crate::format) struct LineParser {
    object: Node,
    row: Node,
    /// Names of the columns, if the object is flat and holds no lists.
    pub(super) flat: Option<Vec<String>>,
}

impl LineParser {
    pub(in crate::format) fn new(schema: &Schema) -> Self {
        let object = Node::of_object(schema);
        let fields = schema.fields();
        let flat = fields.iter().all(|f| !f.listed && !f.name.contains('.'))
            && matches!(object, Node::Record(_));
        Self {
            object,
            row: Node::of_row(schema),
            flat: flat.then(|| fields.iter().map(|f| f.name.clone()).collect()),
        }
    }

    /// Appends the row that `line` holds, or nothing.
    ///
    /// # Errors
    /// Why it holds none.
    pub(in crate::format) fn read(&self, line: &[u8], columns: &mut Columns) -> Result<(), String> {
        if let Some(names) = &self.flat {
            let mut json = serde_json::Deserializer::from_slice(line);
            let read = json.deserialize_map(Object { names, columns });
            if read.is_ok() && json.end().is_ok() && columns.end_row() {
                return Ok(());
            }
            columns.rollback();
        }
        let value: Value = serde_json::from_slice(line).map_err(|error| syntax(&error))?;
        let node = match (&value, &self.row) {
            (Value::Object(_), _) | (_, Node::Record(_)) => &self.object,
            _ => &self.row,
        };
        read_row(node, &value, columns, Unknown::Ignored).map_err(|e| e.to_string())
    }
}

fn syntax(error: &serde_json::Error) -> String {
    // The line is always 1: say only the column.
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text);
    format!("not JSON: {what} at column {}", error.column())
}

struct Object<'a> {
    names: &'a [String],
    columns: &'a mut Columns,
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        // Objects mostly name their fields in the order of the schema.
        let mut next = 0;
        while let Some(found) = map.next_key_seed(Name {
            names: self.names,
            next,
        })? {
            match found {
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
                Some(at) => {
                    next = at + 1;
                    map.next_value_seed(Item(self.columns.column(at)))?;
                }
            }
        }
        Ok(())
    }
}

/// Which column a name is for.
struct Name<'a> {
    names: &'a [String],
    next: usize,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<usize>;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Option<usize>, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Option<usize>, E> {
        if self.names.get(self.next).is_some_and(|n| n == name) {
            return Ok(Some(self.next));
        }
        Ok(self.names.iter().position(|n| n == name))
    }
}

/// One item. Whatever does not fit is an error without words: [`read_row`] finds them.
struct Item<'a>(&'a mut Column);

impl Item<'_> {
    fn push<E: Error>(self, cell: Cell) -> Result<(), E> {
        self.0.push(cell).map_err(|_| E::custom("too much"))
    }
}

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        let field = self.0.field();
        match field.kind {
            _ if field.nullable => from.deserialize_option(self),
            Kind::Int64 => from.deserialize_i64(self),
            Kind::Utf8 | Kind::Binary => from.deserialize_str(self),
            Kind::Boolean => from.deserialize_bool(self),
            // Exact numbers only come as "any"; `deserialize_f64` may be off by a bit.
            Kind::Float64 | Kind::Timestamp => from.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Item<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.field().kind)
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.push(Cell::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        match self.0.field().kind {
            Kind::Int64 => from.deserialize_i64(self),
            Kind::Utf8 | Kind::Binary => from.deserialize_str(self),
            Kind::Boolean => from.deserialize_bool(self),
            Kind::Float64 | Kind::Timestamp => from.deserialize_any(self),
        }
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        match self.0.field().kind {
            Kind::Boolean => self.push(Cell::Boolean(value)),
            _ => Err(E::custom("misfit")),
        }
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        match self.0.field().kind {
            Kind::Int64 | Kind::Timestamp => self.push(Cell::Int64(value)),
            _ => Err(E::custom("misfit")),
        }
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.visit_i64(i64::try_from(value).map_err(E::custom)?)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        match self.0.field().kind {
            Kind::Utf8 => self.push(Cell::Utf8(text)),
            Kind::Binary => {
                let bytes = hex::decode(text).map_err(E::custom)?;
                self.push(Cell::Binary(&bytes))
            }
            Kind::Timestamp => {
                let millis = parse_timestamp(text).ok_or_else(|| E::custom("misfit"))?;
                self.push(Cell::Timestamp(millis))
            }
            Kind::Float64 => {
                let value = named_float(text).ok_or_else(|| E::custom("misfit"))?;
                self.push(Cell::Float64(value))
            }
            Kind::Boolean | Kind::Int64 => Err(E::custom("misfit")),
        }
    }

    /// A number that keeps its digits comes as a map.
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let number = <Number as serde::Deserialize>::deserialize(MapAccessDeserializer::new(map))?;
        match self.0.field().kind {
            Kind::Float64 => {
                let value = number.as_f64().ok_or_else(|| A::Error::custom("misfit"))?;
                self.push(Cell::Float64(value))
            }
            Kind::Timestamp => {
                let value = number.as_i64().ok_or_else(|| A::Error::custom("misfit"))?;
                self.push(Cell::Timestamp(value))
            }
            _ => Err(A::Error::custom("misfit")),
        }
    }
}
