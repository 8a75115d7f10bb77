//! How the columns of a schema make one row: what text and JSON walk along.

use crate::model::{Field, Schema, Shape, Tree};

/// A part of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    /// A column, one item a row, or one list of items a row if it is listed.
    Column(usize),
    /// Under [`Node::List`]: a listed column, one of its items at a time.
    Item(usize),
    /// Parts in order.
    Tuple(Vec<Node>),
    /// Parts with names.
    Record(Vec<(String, Node)>),
    /// Listed columns with equal offsets: a list of tuples or records.
    List(Box<Node>),
    /// A side of a join that may be absent.
    Optional {
        /// The boolean column that says whether it is there.
        present: usize,
        /// What is there.
        node: Box<Node>,
    },
}

impl Node {
    /// A row by its shape: a pair is a tuple of two, a join is `(key, (left, right))`.
    pub(crate) fn of_row(schema: &Schema) -> Self {
        let fields = schema.fields();
        let optional = |tree: &Tree, present: Option<usize>| {
            let node = Self::of_tree(tree, fields, true);
            match present {
                None => node,
                Some(present) => Node::Optional {
                    present,
                    node: Box::new(node),
                },
            }
        };
        match schema.shape() {
            Shape::Plain(value) => Self::of_tree(value, fields, true),
            Shape::Pair { key, value } => {
                Node::Tuple(vec![optional(key, None), optional(value, None)])
            }
            Shape::Joined {
                key,
                left,
                left_present,
                right,
                right_present,
            } => Node::Tuple(vec![
                optional(key, None),
                Node::Tuple(vec![
                    optional(left, *left_present),
                    optional(right, *right_present),
                ]),
            ]),
            Shape::Row(tree) => Self::of_tree(tree, fields, false),
        }
    }

    /// A row as the object that its columns' names spell: what a line of JSON holds.
    pub(crate) fn of_object(schema: &Schema) -> Self {
        Self::of_tree(&Tree::from(schema), schema.fields(), false)
    }

    /// `grouped`: the columns below share the name before the last dot, so that listed ones are
    /// one list.
    fn of_tree(tree: &Tree, fields: &[Field], grouped: bool) -> Self {
        let listed = |tree: &Tree| matches!(tree, Tree::Column(at) if fields[*at].listed);
        let item = |tree: &Tree| match tree {
            Tree::Column(at) => Node::Item(*at),
            other => Self::of_tree(other, fields, true),
        };
        match tree {
            Tree::Column(at) => Node::Column(*at),
            Tree::Tuple(parts) if grouped && parts.iter().all(listed) => {
                Node::List(Box::new(Node::Tuple(parts.iter().map(item).collect())))
            }
            Tree::Record(parts) if grouped && parts.iter().all(|(_, part)| listed(part)) => {
                let parts = parts.iter().map(|(name, part)| (name.clone(), item(part)));
                Node::List(Box::new(Node::Record(parts.collect())))
            }
            Tree::Tuple(parts) => {
                let parts = parts.iter().map(|part| Self::of_tree(part, fields, true));
                Node::Tuple(parts.collect())
            }
            Tree::Record(parts) => {
                let parts = parts.iter();
                let parts =
                    parts.map(|(name, part)| (name.clone(), Self::of_tree(part, fields, true)));
                Node::Record(parts.collect())
            }
        }
    }

    /// The columns under this node, in order.
    pub(crate) fn columns(&self) -> Vec<usize> {
        match self {
            Node::Column(at) | Node::Item(at) => vec![*at],
            Node::Tuple(parts) => parts.iter().flat_map(Node::columns).collect(),
            Node::Record(parts) => parts.iter().flat_map(|(_, part)| part.columns()).collect(),
            Node::List(node) => node.columns(),
            Node::Optional { present, node } => {
                let mut columns = node.columns();
                columns.push(*present);
                columns
            }
        }
    }
}
