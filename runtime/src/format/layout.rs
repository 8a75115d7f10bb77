//! How the columns of a schema make one row: what text and JSON walk along.

use crate::model::{Field, Kind, Schema, Shape, Tree};

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

/// Where in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// At the top, where listed columns are lists of their own.
    Row,
    /// Below, where listed columns of one group are one list.
    Value,
    /// In such a list.
    Item,
}

impl Node {
    /// A row by its shape: a pair is a tuple of two, a join is `(key, (left, right))`.
    pub(crate) fn of_row(schema: &Schema) -> Self {
        let fields = schema.fields();
        let optional = |tree: &Tree, present: Option<usize>| {
            let node = Self::of_tree(tree, fields, Depth::Value);
            match present {
                None => node,
                Some(present) => Node::Optional {
                    present,
                    node: Box::new(node),
                },
            }
        };
        match schema.shape() {
            Shape::Plain(value) => Self::of_tree(value, fields, Depth::Value),
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
            Shape::Row(tree) => Self::of_tree(tree, fields, Depth::Row),
        }
    }

    /// A row as the object that its columns' names spell: what a line of JSON holds.
    pub(crate) fn of_object(schema: &Schema) -> Self {
        Self::of_tree(&Tree::from(schema), schema.fields(), Depth::Row)
    }

    fn of_tree(tree: &Tree, fields: &[Field], depth: Depth) -> Self {
        let listed = |tree: &Tree| tree.columns().iter().all(|at| fields[*at].listed);
        let flat = |tree: &Tree| matches!(tree, Tree::Column(_)) && listed(tree);
        let is_list = depth == Depth::Value
            && match tree {
                Tree::Column(_) => false,
                Tree::Tuple(_) => listed(tree),
                Tree::Record(parts) => parts.iter().all(|(_, part)| flat(part)),
            };
        if is_list {
            let item = Self::of_tree(tree, fields, Depth::Item);
            return Node::List(Box::new(item));
        }
        let below = match depth {
            Depth::Row | Depth::Value => Depth::Value,
            Depth::Item => Depth::Item,
        };
        match tree {
            Tree::Column(at) if depth == Depth::Item => Node::Item(*at),
            Tree::Column(at) => Node::Column(*at),
            Tree::Tuple(parts) => {
                let parts = parts.iter();
                Node::Tuple(
                    parts
                        .map(|part| Self::of_place(part, fields, below))
                        .collect(),
                )
            }
            Tree::Record(parts) => {
                let parts = parts.iter();
                let parts =
                    parts.map(|(name, part)| (name.clone(), Self::of_tree(part, fields, below)));
                Node::Record(parts.collect())
            }
        }
    }

    /// A place in a tuple: what a join put out may be a side there that is absent.
    fn of_place(tree: &Tree, fields: &[Field], depth: Depth) -> Self {
        match tree.optional() {
            Some((present, rest)) if fields[present].kind == Kind::Boolean => Node::Optional {
                present,
                node: Box::new(Self::of_tree(&rest, fields, depth)),
            },
            _ => Self::of_tree(tree, fields, depth),
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
