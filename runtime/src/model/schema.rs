//! The columns of a stream.

use std::{collections::BTreeSet, fmt, sync::Arc};

use arrow_schema::{DataType, TimeUnit};
use serde::{Deserialize, Serialize};

use super::{Shape, Tree};

/// What the items of a column are. The same six as in the plugin interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// True or false.
    Boolean,
    /// A signed 64-bit integer.
    Int64,
    /// An IEEE 754 double.
    Float64,
    /// UTF-8 text.
    Utf8,
    /// Bytes.
    Binary,
    /// Milliseconds since the Unix epoch, UTC.
    Timestamp,
}

impl Kind {
    /// All kinds, in the order of the plugin interface.
    pub const ALL: [Kind; 6] = [
        Kind::Boolean,
        Kind::Int64,
        Kind::Float64,
        Kind::Utf8,
        Kind::Binary,
        Kind::Timestamp,
    ];

    /// As topologies write it.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Boolean => "boolean",
            Kind::Int64 => "int64",
            Kind::Float64 => "float64",
            Kind::Utf8 => "utf8",
            Kind::Binary => "binary",
            Kind::Timestamp => "timestamp",
        }
    }

    /// The Arrow type of the items.
    pub fn data_type(self) -> DataType {
        match self {
            Kind::Boolean => DataType::Boolean,
            Kind::Int64 => DataType::Int64,
            Kind::Float64 => DataType::Float64,
            Kind::Utf8 => DataType::Utf8,
            Kind::Binary => DataType::Binary,
            Kind::Timestamp => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A type in a topology that is none: `utf8`, `int64?` (may be null), `[int64]` (a list) are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a type; types are boolean, int64, float64, utf8, binary and timestamp, with ? for nullable (int64?) and [..] for a list ([utf8])"
)]
pub struct TypeExpr(pub String);

/// A named column.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Field {
    /// Unique in its schema; a dot goes one level down (see [`Shape`]).
    pub name: String,
    /// Of the items.
    pub kind: Kind,
    /// Items may be null.
    pub nullable: bool,
    /// Each row is a list of items.
    pub listed: bool,
}

impl Field {
    /// A column without nulls or lists.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            kind,
            nullable: false,
            listed: false,
        }
    }

    /// The same, with nulls allowed.
    #[must_use]
    pub fn nullable(self) -> Self {
        Self {
            nullable: true,
            ..self
        }
    }

    /// A column of the type that a topology writes: `utf8`, `float64?`, `[int64]`.
    ///
    /// # Errors
    /// When `text` is no type.
    pub fn parse(name: impl Into<String>, text: &str) -> Result<Self, TypeExpr> {
        let (rest, listed) = match text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            Some(item) => (item, true),
            None => (text, false),
        };
        let (rest, nullable) = match rest.strip_suffix('?') {
            Some(kind) => (kind, true),
            None => (rest, false),
        };
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == rest);
        Ok(Self {
            name: name.into(),
            kind: kind.ok_or_else(|| TypeExpr(text.to_owned()))?,
            nullable,
            listed,
        })
    }

    /// The type as a topology writes it.
    pub fn type_text(&self) -> String {
        let item = format!("{}{}", self.kind, if self.nullable { "?" } else { "" });
        if self.listed {
            format!("[{item}]")
        } else {
            item
        }
    }

    /// The column that Arrow has as this; none if it is no column of rsrt's.
    pub fn of_arrow(field: &arrow_schema::Field) -> Option<Self> {
        let (listed, item, nullable) = match field.data_type() {
            DataType::List(item) => (true, item.data_type(), item.is_nullable()),
            item => (false, item, field.is_nullable()),
        };
        let kind = Kind::ALL
            .into_iter()
            .find(|kind| kind.data_type() == *item)?;
        Some(Self {
            name: field.name().clone(),
            kind,
            nullable,
            listed,
        })
    }

    fn to_arrow(&self) -> arrow_schema::Field {
        if self.listed {
            let item = arrow_schema::Field::new_list_field(self.kind.data_type(), self.nullable);
            // A list itself is null only where a side of a join is absent.
            arrow_schema::Field::new(&self.name, DataType::List(Arc::new(item)), true)
        } else {
            arrow_schema::Field::new(&self.name, self.kind.data_type(), self.nullable)
        }
    }
}

/// Columns that cannot stand together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchema {
    /// A schema needs a column.
    #[error("a schema needs at least one column")]
    Empty,
    /// The same name twice, or one name is a part of another (`a` and `a.b`).
    #[error("column {0:?} is there twice, or is both a value and a group of columns")]
    Duplicate(String),
    /// A name with an empty part, or longer than 255 bytes.
    #[error(
        "column name {0:?} must be 1 to 255 bytes without control characters, its parts between dots not empty"
    )]
    BadName(String),
    /// More than 1,000 columns.
    #[error("{0} columns are more than the 1,000 a stream may have")]
    TooMany(usize),
}

/// The columns of a stream, in order. Names are unique and form a [`Tree`].
#[derive(Clone, PartialEq, Eq)]
pub struct Schema(Arc<Inner>);

#[derive(PartialEq, Eq)]
struct Inner {
    fields: Vec<Field>,
    shape: Shape,
    arrow: arrow_schema::SchemaRef,
}

impl Schema {
    /// Columns in order.
    ///
    /// # Errors
    /// When there is none, too many, or names clash.
    pub fn new(fields: Vec<Field>) -> Result<Self, InvalidSchema> {
        const MOST: usize = 1_000;
        if fields.is_empty() {
            return Err(InvalidSchema::Empty);
        }
        if fields.len() > MOST {
            return Err(InvalidSchema::TooMany(fields.len()));
        }
        let mut taken = BTreeSet::new();
        for field in &fields {
            let name = &field.name;
            if name.len() > 255
                || name.split('.').any(str::is_empty)
                || name.chars().any(char::is_control)
            {
                return Err(InvalidSchema::BadName(name.clone()));
            }
            if !taken.insert(name.as_str()) {
                return Err(InvalidSchema::Duplicate(name.clone()));
            }
        }
        for name in &taken {
            let parents = name.match_indices('.').map(|(dot, _)| &name[..dot]);
            for parent in parents {
                if taken.contains(parent) {
                    return Err(InvalidSchema::Duplicate(parent.to_owned()));
                }
            }
        }
        let arrow = Arc::new(arrow_schema::Schema::new(
            fields.iter().map(Field::to_arrow).collect::<Vec<_>>(),
        ));
        let shape = Shape::of(&fields);
        Ok(Self(Arc::new(Inner {
            fields,
            shape,
            arrow,
        })))
    }

    /// The columns.
    pub fn fields(&self) -> &[Field] {
        &self.0.fields
    }

    /// What a row looks like.
    pub fn shape(&self) -> &Shape {
        &self.0.shape
    }

    /// As Arrow says it; every chunk of a stream with this schema carries exactly this.
    pub fn to_arrow(&self) -> arrow_schema::SchemaRef {
        self.0.arrow.clone()
    }

    /// Where the column of this name is.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.fields().iter().position(|field| field.name == name)
    }

    /// One column called `value`: a plain stream.
    pub fn plain(kind: Kind) -> Self {
        Self::known(vec![Field::new("value", kind)])
    }

    /// Columns `key` and `value`: a pair stream.
    pub fn pair(key: Kind, value: Kind) -> Self {
        Self::known(vec![Field::new("key", key), Field::new("value", value)])
    }

    /// A schema from fields that are valid by construction.
    fn known(fields: Vec<Field>) -> Self {
        let arrow = Arc::new(arrow_schema::Schema::new(
            fields.iter().map(Field::to_arrow).collect::<Vec<_>>(),
        ));
        let shape = Shape::of(&fields);
        Self(Arc::new(Inner {
            fields,
            shape,
            arrow,
        }))
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schema({self})")
    }
}

impl fmt::Display for Schema {
    /// `key: utf8, value: int64`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, field) in self.fields().iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{}: {}", field.name, field.type_text())?;
        }
        Ok(())
    }
}

/// The tree that column names spell.
impl From<&Schema> for Tree {
    fn from(schema: &Schema) -> Self {
        Tree::of(schema.fields())
    }
}

impl Serialize for Schema {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.fields().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Schema {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Schema::new(Vec::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_read_as_they_print() {
        for text in [
            "utf8",
            "float64?",
            "[int64]",
            "[utf8?]",
            "timestamp",
            "binary?",
            "boolean",
        ] {
            assert_eq!(Field::parse("a", text).unwrap().type_text(), text);
        }
        for text in [
            "",
            "?",
            "string",
            "[int64",
            "int64??",
            "[]",
            "[[int64]]",
            "Int64",
        ] {
            assert_eq!(Field::parse("a", text), Err(TypeExpr(text.to_owned())));
        }
    }

    #[test]
    fn names_that_clash_are_refused() {
        let schema = |names: &[&str]| {
            Schema::new(names.iter().map(|n| Field::new(*n, Kind::Utf8)).collect()).map(|_| ())
        };
        assert_eq!(schema(&["a", "b"]), Ok(()));
        assert_eq!(schema(&[]), Err(InvalidSchema::Empty));
        assert_eq!(
            schema(&["a", "a"]),
            Err(InvalidSchema::Duplicate("a".into()))
        );
        assert_eq!(
            schema(&["a.b", "a"]),
            Err(InvalidSchema::Duplicate("a".into()))
        );
        assert_eq!(
            schema(&["a..b"]),
            Err(InvalidSchema::BadName("a..b".into()))
        );
        assert_eq!(schema(&["a\n"]), Err(InvalidSchema::BadName("a\n".into())));
        assert!(matches!(
            Schema::new(vec![Field::new("a", Kind::Utf8); 1_001]),
            Err(InvalidSchema::TooMany(1_001))
        ));
    }
}
