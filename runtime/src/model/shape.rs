//! What a row looks like, as its columns' names spell it.
//!
//! A dot in a name goes one level down and a number is a place in a tuple. So `key.0, key.1, value`
//! is the row `((a, b), v)`, and `user, amount` is a record with two fields.

use super::Field;

/// What is left of a column's name below some node, and the column's index.
type Path<'a> = (Vec<&'a str>, usize);

/// The columns of a schema as a tree; leaves are column indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    /// A column.
    Column(usize),
    /// Parts that stand in order: children named 0, 1, 2, ... .
    Tuple(Vec<Tree>),
    /// Parts with names.
    Record(Vec<(String, Tree)>),
}

impl Tree {
    /// The tree that these columns' names spell.
    pub fn of(fields: &[Field]) -> Self {
        let paths: Vec<Path> = fields
            .iter()
            .enumerate()
            .map(|(index, field)| (field.name.split('.').collect(), index))
            .collect();
        Self::build(&paths)
    }

    fn build(paths: &[Path]) -> Self {
        if let [(path, index)] = paths
            && path.is_empty()
        {
            return Tree::Column(*index);
        }
        let mut parts: Vec<(&str, Vec<Path>)> = Vec::new();
        for (path, index) in paths {
            let Some((head, rest)) = path.split_first() else {
                continue; // a schema refuses names that are both a column and a group
            };
            let rest = (rest.to_vec(), *index);
            match parts.iter_mut().find(|(name, _)| name == head) {
                Some((_, members)) => members.push(rest),
                None => parts.push((head, vec![rest])),
            }
        }
        let named = |(name, p): &(&str, Vec<_>)| ((*name).to_owned(), Self::build(p));
        Self::of_parts(parts.iter().map(named).collect())
    }

    /// A tuple if the names are places in order, else a record.
    fn of_parts(parts: Vec<(String, Tree)>) -> Self {
        let mut names = parts.iter().enumerate();
        if names.all(|(at, (name, _))| *name == at.to_string()) {
            Tree::Tuple(parts.into_iter().map(|(_, part)| part).collect())
        } else {
            Tree::Record(parts)
        }
    }

    /// The column `present`, which says whether the rest is there, and that rest: what lies under
    /// `value` if nothing else does. None if there is no such column.
    pub fn optional(&self) -> Option<(usize, Tree)> {
        let Tree::Record(parts) = self else {
            return None;
        };
        let present = parts.iter().find_map(|(name, tree)| match tree {
            Tree::Column(present) if name == "present" => Some(*present),
            _ => None,
        })?;
        let rest = parts.iter().filter(|(name, _)| name != "present");
        let rest: Vec<_> = rest.cloned().collect();
        Some(match rest.as_slice() {
            [(name, value)] if name == "value" => (present, value.clone()),
            _ => (present, Tree::of_parts(rest)),
        })
    }

    /// The columns under this node, in order.
    pub fn columns(&self) -> Vec<usize> {
        match self {
            Tree::Column(index) => vec![*index],
            Tree::Tuple(parts) => parts.iter().flat_map(Tree::columns).collect(),
            Tree::Record(parts) => parts.iter().flat_map(|(_, p)| p.columns()).collect(),
        }
    }
}

/// What kind of stream a schema makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Everything lies under `value`: a row is that value.
    Plain(Tree),
    /// `key` and `value`: a row is (key, value).
    Pair {
        /// Under `key`.
        key: Tree,
        /// Under `value`.
        value: Tree,
    },
    /// `key`, `left` and `right`: what joins and cogroup put out, (key, (left, right)).
    Joined {
        /// Under `key`.
        key: Tree,
        /// Under `left`, without `left.present`.
        left: Tree,
        /// Says whether the left side is there; none if it always is.
        left_present: Option<usize>,
        /// Under `right`, without `right.present`.
        right: Tree,
        /// Says whether the right side is there; none if it always is.
        right_present: Option<usize>,
    },
    /// Any other names: a row is a record (or a tuple, if they are numbers).
    Row(Tree),
}

impl Shape {
    /// The shape that these columns' names spell.
    pub fn of(fields: &[Field]) -> Self {
        let tree = Tree::of(fields);
        let Tree::Record(parts) = &tree else {
            return Shape::Row(tree);
        };
        let named = |at: usize, name: &str| parts.get(at).is_some_and(|(n, _)| n == name);
        match parts.as_slice() {
            [(_, value)] if named(0, "value") => Shape::Plain(value.clone()),
            [(_, key), (_, value)] if named(0, "key") && named(1, "value") => Shape::Pair {
                key: key.clone(),
                value: value.clone(),
            },
            [(_, key), (_, left), (_, right)]
                if named(0, "key") && named(1, "left") && named(2, "right") =>
            {
                let (left, left_present) = side(left);
                let (right, right_present) = side(right);
                Shape::Joined {
                    key: key.clone(),
                    left,
                    left_present,
                    right,
                    right_present,
                }
            }
            _ => Shape::Row(tree),
        }
    }

    /// The key columns, if the shape has any.
    pub fn key_columns(&self) -> Option<Vec<usize>> {
        match self {
            Shape::Pair { key, .. } | Shape::Joined { key, .. } => Some(key.columns()),
            Shape::Plain(_) | Shape::Row(_) => None,
        }
    }
}

/// Splits `left.present` off a side of a join. `left.value` is then the scalar `left` would be.
fn side(tree: &Tree) -> (Tree, Option<usize>) {
    match tree.optional() {
        Some((present, rest)) => (rest, Some(present)),
        None => (tree.clone(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Kind;

    fn shape(names: &[&str]) -> Shape {
        let fields: Vec<_> = names.iter().map(|n| Field::new(*n, Kind::Utf8)).collect();
        Shape::of(&fields)
    }

    #[test]
    fn names_spell_the_shape() {
        use Tree::{Column, Record, Tuple};
        assert_eq!(shape(&["value"]), Shape::Plain(Column(0)));
        assert_eq!(
            shape(&["value.0", "value.1"]),
            Shape::Plain(Tuple(vec![Column(0), Column(1)]))
        );
        assert_eq!(
            shape(&["key.0", "key.1", "value"]),
            Shape::Pair {
                key: Tuple(vec![Column(0), Column(1)]),
                value: Column(2)
            }
        );
        assert_eq!(
            shape(&["user", "amount"]),
            Shape::Row(Record(vec![
                ("user".into(), Column(0)),
                ("amount".into(), Column(1))
            ]))
        );
        assert_eq!(
            shape(&["key", "left", "right.value", "right.present"]),
            Shape::Joined {
                key: Column(0),
                left: Column(1),
                left_present: None,
                right: Column(2),
                right_present: Some(3),
            }
        );
        assert_eq!(
            shape(&["key", "left", "right.present", "right.0", "right.1"]),
            Shape::Joined {
                key: Column(0),
                left: Column(1),
                left_present: None,
                right: Tuple(vec![Column(3), Column(4)]),
                right_present: Some(2),
            }
        );
        assert_eq!(
            shape(&["value", "key"]),
            Shape::Row(Record(vec![
                ("value".into(), Column(0)),
                ("key".into(), Column(1))
            ]))
        );
    }
}
