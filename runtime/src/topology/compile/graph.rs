//! The order in which operators run, and the circles that have none.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::topology::{
    NodeId, OperatorId, StreamRef,
    manifest::OperatorEntry,
    problem::{ProblemKind, Problems},
};

/// Operators by their place of definition, each after those it reads from and otherwise as they
/// are defined. Operators on or after a circle come last; each circle is reported once.
pub(crate) fn order(
    operators: &[OperatorEntry],
    inputs: &[Vec<Option<StreamRef>>],
    problems: &mut Problems,
) -> Vec<usize> {
    let parents: Vec<Vec<(usize, usize)>> = inputs.iter().map(|i| operators_in(i)).collect();
    let mut children = vec![Vec::new(); operators.len()];
    let mut waits_for = vec![0_usize; operators.len()];
    for (at, parents) in parents.iter().enumerate() {
        waits_for[at] = parents.len();
        for (parent, _) in parents {
            children[*parent].push(at);
        }
    }
    let ready = (0..operators.len()).filter(|at| waits_for[*at] == 0);
    let mut ready: BinaryHeap<_> = ready.map(Reverse).collect();
    let mut order = Vec::with_capacity(operators.len());
    while let Some(Reverse(at)) = ready.pop() {
        order.push(at);
        for child in &children[at] {
            waits_for[*child] -= 1;
            if waits_for[*child] == 0 {
                ready.push(Reverse(*child));
            }
        }
    }
    if order.len() < operators.len() {
        report_cycles(operators, &parents, &waits_for, problems);
        order.extend((0..operators.len()).filter(|at| waits_for[*at] > 0));
    }
    order
}

/// The operators among a node's inputs, each with its place in the list of inputs.
fn operators_in(inputs: &[Option<StreamRef>]) -> Vec<(usize, usize)> {
    let inputs = inputs.iter().enumerate();
    let operators = inputs.filter_map(|(input, stream)| match stream.as_ref()?.node {
        NodeId::Operator(OperatorId(at)) => Some((at, input)),
        NodeId::Source(_) => None,
    });
    operators.collect()
}

/// Every operator that waits has a parent that waits; following one such parent each, every walk
/// ends in a circle.
fn report_cycles(
    operators: &[OperatorEntry],
    parents: &[Vec<(usize, usize)>],
    waits_for: &[usize],
    problems: &mut Problems,
) {
    let waiting_parent = |at: usize| {
        let mut parents = parents[at].iter();
        parents.find(|(parent, _)| waits_for[*parent] > 0).copied()
    };
    let mut walked_by = vec![None; operators.len()];
    for start in (0..operators.len()).filter(|at| waits_for[*at] > 0) {
        let mut path = Vec::new();
        let mut at = start;
        while walked_by[at].is_none() {
            walked_by[at] = Some(start);
            path.push(at);
            let Some((parent, _)) = waiting_parent(at) else {
                break;
            };
            at = parent;
        }
        // Another walk's circle has been reported by that walk.
        let circle = path.iter().position(|on_path| *on_path == at);
        if let (Some(from), Some(_)) = (circle, waiting_parent(at)) {
            let mut circle = path.split_off(from);
            circle.reverse(); // as rows flow, not as inputs are followed
            report_cycle(operators, &circle, waiting_parent, problems);
        }
    }
}

fn report_cycle(
    operators: &[OperatorEntry],
    circle: &[usize],
    waiting_parent: impl Fn(usize) -> Option<(usize, usize)>,
    problems: &mut Problems,
) {
    let first_defined = circle.iter().enumerate().min_by_key(|(_, at)| **at);
    let Some((rotation, &first)) = first_defined else {
        return;
    };
    let mut circle = circle.to_vec();
    circle.rotate_left(rotation);
    circle.push(first);
    let names = circle.iter().map(|at| operators[*at].name.value.as_str());
    let path = names.collect::<Vec<_>>().join(" -> ");
    let input = waiting_parent(first).and_then(|(_, input)| operators[first].inputs.get(input));
    let at = input.map_or(operators[first].name.at, |input| input.at);
    let problem = problems.report(ProblemKind::Cycle { path }, at);
    problem.help("what an operator needs of its own past is state, not an input");
}
