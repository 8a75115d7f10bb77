//! What can be done with two streams.

use super::{
    flow::{Flow, Shape, Stream},
    offers::{MOST, Offer, dealt, partitions, transformed},
    reference::{self, Keeps},
};
use crate::choices::Choices;

impl Flow {
    /// An operator over two streams that have a batch whenever they could (spec 5.1), if there are
    /// such.
    pub(super) fn meet(&self, from: &Stream, choices: &mut Choices<'_>) -> Option<Offer> {
        let is_safe = |stream: &Stream| self.may_fail || stream.is_solid();
        let fits = |other: &&Stream| other.every == from.every && is_safe(other) && is_safe(from);
        let others: Vec<_> = self.streams.iter().filter(fits).cloned().collect();
        if others.is_empty() {
            return None;
        }
        let other = &choices.of(&others);
        let (left, right) = (&from.batches, &other.batches);
        // What the reference looks through row by row.
        let (is_few, are_few) = (other.rows() < 300, from.rows().max(other.rows()) < 300);
        let is_pairs =
            |stream: &Stream| matches!(stream.shape, Shape::Numbers | Shape::Texts | Shape::Floats);
        let are_pairs = is_pairs(from) && is_pairs(other);
        let has_text = |stream: &Stream| matches!(stream.shape, Shape::Texts | Shape::Lines);
        let are_alike = from.shape == other.shape
            && !matches!(from.shape, Shape::Lists | Shape::Gloms | Shape::Other);
        let offer = match choices.below(6) {
            0 | 1 if are_pairs && are_few => {
                let (keeps_left, keeps_right) = (choices.yes(), choices.yes());
                let verb = match (keeps_left, keeps_right) {
                    (false, false) => "join",
                    (true, false) => "left-outer-join",
                    (false, true) => "right-outer-join",
                    (true, true) => "full-outer-join",
                };
                let keeps = Keeps {
                    left: keeps_left,
                    right: keeps_right,
                };
                let verb = format!("{verb} = true{}", partitions(choices));
                Offer::new(
                    from,
                    verb,
                    Shape::Other,
                    reference::join(left, right, keeps),
                )
            }
            2 if are_pairs => {
                let verb = format!("cogroup = true{}", partitions(choices));
                let shape = match (from.shape, other.shape) {
                    (Shape::Texts, Shape::Texts) => Shape::Other, // in the order of arrival
                    _ => Shape::Lists,
                };
                Offer::new(from, verb, shape, reference::cogroup(left, right))
            }
            3 | 4 if has_text(from) && has_text(other) && is_few => {
                let function = match from.shape == Shape::Texts && choices.yes() {
                    true => "text:not-from",
                    false => "text:without",
                };
                // The side wants one text, and of a pair that is the value.
                let left_out = match other.shape {
                    Shape::Texts => reference::values(right),
                    _ => right.clone(),
                };
                let (shape, batches) = transformed(from, function, &left_out);
                let verb = format!("transform-with = \"{function}\"{}", dealt(shape, choices));
                Offer::new(from, verb, shape, batches)
            }
            5 if are_alike && other.rows() < MOST => {
                let union = reference::union(left, right);
                Offer::new(from, "union = true", from.shape, union)
            }
            _ => return None,
        };
        let inputs = vec![from.name.clone(), other.name.clone()];
        Some(Offer { inputs, ..offer })
    }
}
