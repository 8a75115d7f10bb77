//! What can be done with a stream, with arguments as chosen: as TOML, and by the reference.

use serde_json::{Value, json};

use super::{
    flow::{Flow, Shape, Stream},
    reference::{self, Aging, Batches, Reducer, Stays, Window},
};
use crate::choices::Choices;

/// Keys and texts of sources and files.
pub(super) const KEYS: [&str; 5] = ["a", "b", "c", "d", ""];
pub(super) const TEXTS: [&str; 6] = ["up", "down", "up down", " up", "", "logout"];

/// Streams with a larger batch are not read: windows of windows grow.
pub(super) const MOST: usize = 30_000;

/// What an operator could be: its keys in TOML, and what comes out.
pub(super) struct Offer {
    pub(super) inputs: Vec<String>,
    pub(super) verb: String,
    pub(super) shape: Shape,
    pub(super) every: usize,
    pub(super) batches: Batches,
    /// The name, shape and batches of its second output.
    pub(super) second: Option<(&'static str, Shape, Batches)>,
    /// Some batch of it fails.
    pub(super) fails: bool,
}

impl Offer {
    /// With the slide of its input.
    pub(super) fn new(from: &Stream, verb: impl Into<String>, shape: Shape, rows: Batches) -> Self {
        Self {
            inputs: vec![from.name.clone()],
            verb: verb.into(),
            shape,
            every: from.every,
            batches: rows,
            second: None,
            fails: false,
        }
    }

    /// The same; none: batches of it fail, and what comes out is not known.
    fn unless_it_fails(
        from: &Stream,
        verb: impl Into<String>,
        shape: Shape,
        rows: Option<Batches>,
    ) -> Self {
        let fails = rows.is_none();
        let rows = rows.unwrap_or_else(|| vec![None; from.batches.len()]);
        Self {
            fails,
            ..Self::new(from, verb, shape, rows)
        }
    }

    fn every(self, every: usize) -> Self {
        Self { every, ..self }
    }
}

/// A function, what it does, and what comes out.
type Offered = (&'static str, Reducer, Shape);

const COUNT_BY_KEY: Offered = ("std:count", Reducer::Count, Shape::Numbers);
const COUNT: Offered = ("std:count", Reducer::Count, Shape::Plain);

impl Flow {
    /// Adds an operator: the first of several attempts at one that fits.
    pub(super) fn grow(&mut self, mut choices: Choices<'_>) {
        for _ in 0..6 {
            let from = match choices.yes() {
                true => self.streams[self.streams.len() - 1].clone(),
                false => choices.of(&self.streams),
            };
            let watched = choices.yes();
            let offer = match choices.below(8) {
                _ if from.rows() > MOST => None,
                0 => whole(&from, &mut choices),
                1 | 2 => self.meet(&from, &mut choices),
                3 | 4 => by_key(&from, &mut choices),
                _ => self.own(&from, &mut choices),
            };
            if let Some(offer) = offer.filter(|offer| self.may_fail || !offer.fails) {
                let at = self.streams.len();
                self.add(offer, watched);
                let made = self.streams[at].clone();
                if self.may_fail && has_texts(&made) && choices.yes() {
                    self.add(brittle(&made), watched);
                }
                return;
            }
        }
    }

    /// What fits only rows like these.
    fn own(&mut self, from: &Stream, choices: &mut Choices<'_>) -> Option<Offer> {
        match from.shape {
            Shape::Numbers => match choices.below(4) {
                0 => Some(self.update_state(from, choices)),
                1 => {
                    let seen = reference::seen(&from.batches);
                    Some(Offer::new(from, "filter = \"seen\"", from.shape, seen))
                }
                _ => by_key(from, choices),
            },
            Shape::Texts => self.texts(from, choices),
            Shape::Lines => self.lines(from, choices),
            Shape::Sums => {
                let means = reference::mean_values(&from.batches);
                let verb = "map-values = \"text:mean\"";
                // Whose sums would not be exact.
                Some(Offer::new(from, verb, Shape::Other, means))
            }
            _ => by_key(from, choices),
        }
    }

    fn update_state(&mut self, from: &Stream, choices: &mut Choices<'_>) -> Offer {
        let (name, function) = match from.shape {
            Shape::Texts => ("text:quiet", reference::quiet as fn(&_, _) -> _),
            _ => ("running", reference::running as _),
        };
        let mut verb = format!("update-state-by-key = \"{name}\"{}", partitions(choices));
        let mut initial = Vec::new();
        if choices.yes() {
            initial = pairs(choices, |choices| json!(choices.below(9)));
            verb += &self.initial(&initial);
        }
        let states = reference::update_state(&from.batches, from.every, function, &initial);
        Offer::new(from, verb, Shape::Numbers, states)
    }

    fn map_with_state(&mut self, from: &Stream, choices: &mut Choices<'_>) -> Offer {
        let timeout = (choices.below(4) > 0).then(|| 1 + choices.below(4));
        let checkpoint = from.every * (1 + choices.below(3));
        let aging = Aging {
            slide: from.every,
            timeout,
            checkpoint,
        };
        let mut keys = format!("\ncheckpoint-interval = \"{checkpoint}s\"");
        keys.extend(timeout.map(|timeout| format!("\ntimeout = \"{timeout}s\"")));
        keys += &partitions(choices);
        let (is_session, has_initial) = (choices.yes(), choices.yes());
        let page = |choices: &mut Choices<'_>| choices.of(&TEXTS);
        let initial = match (has_initial, is_session) {
            (false, _) => Vec::new(),
            (true, false) => pairs(choices, |choices| json!(page(choices))),
            (true, true) => pairs(choices, |choices| {
                json!([choices.below(9), page(choices), page(choices)])
            }),
        };
        if has_initial {
            keys += &self.initial(&initial);
        }
        let of = |function| reference::map_with_state(&from.batches, function, aging, &initial);
        let (verb, passed, open) = match is_session {
            true => ("\"sessions:session\"", Shape::Other, Shape::Other),
            false => ("\"text:changes\"", Shape::Lines, Shape::Texts),
        };
        let (rows, snapshots) = match is_session {
            true => of(reference::session),
            false => of(reference::changes),
        };
        let verb = format!("map-with-state = {verb}{keys}");
        Offer {
            second: Some(("snapshots", open, snapshots)),
            ..Offer::new(from, verb, passed, rows)
        }
    }

    /// The line that names a file with these states.
    fn initial(&mut self, states: &[Value]) -> String {
        let lines: Vec<_> = states.iter().map(Value::to_string).collect();
        format!("\ninitial = \"{}\"", self.add_file(&lines, "json"))
    }

    fn texts(&mut self, from: &Stream, choices: &mut Choices<'_>) -> Option<Offer> {
        let input = &from.batches;
        let offer = |verb: &str, shape, batches| Some(Offer::new(from, verb, shape, batches));
        match choices.below(11) {
            0 | 1 => Some(self.map_with_state(from, choices)),
            9 | 10 => Some(self.update_state(from, choices)),
            2 => {
                let batches = reference::map_values(input, str::to_uppercase);
                offer("map-values = \"text:uppercase\"", Shape::Texts, batches)
            }
            3 => {
                let batches = reference::map_values(input, |text| text.trim().to_owned());
                offer("map-values = \"text:trim\"", Shape::Texts, batches)
            }
            4 => {
                let (cut, rejected) = reference::cut_values(input);
                let verb = "map-values = \"text:cut\"\nsettings = { field = 2, separator = \" \" }";
                Some(Offer {
                    second: Some(("rejected", Shape::Other, rejected)),
                    ..Offer::new(from, verb, Shape::Texts, cut)
                })
            }
            5 => {
                let batches = reference::split_values(input);
                offer("flat-map-values = \"split\"", Shape::Other, batches)
            }
            6 => {
                let batches = reference::split(&reference::values(input));
                offer("flat-map = \"split\"", Shape::Numbers, batches)
            }
            7 => self.transform(from, "text:not-from", choices),
            _ => self.transform(from, "text:without", choices),
        }
    }

    fn lines(&mut self, from: &Stream, choices: &mut Choices<'_>) -> Option<Offer> {
        match choices.below(3) {
            0 => {
                let batches = reference::map(&from.batches, str::to_uppercase);
                let verb = "map = \"text:uppercase\"";
                Some(Offer::new(from, verb, Shape::Lines, batches))
            }
            1 => {
                let batches = reference::split(&from.batches);
                let verb = "flat-map = \"split\"";
                Some(Offer::new(from, verb, Shape::Numbers, batches))
            }
            _ => self.transform(from, "text:without", choices),
        }
    }

    /// A `transform` with what to leave out in a file, if each batch is there (spec 5.1).
    fn transform(
        &mut self,
        from: &Stream,
        function: &'static str,
        choices: &mut Choices<'_>,
    ) -> Option<Offer> {
        if !from.is_solid() && !self.may_fail {
            return None;
        }
        let (side, words) = match function {
            "text:not-from" => ("senders", &KEYS[..]),
            _ => ("unwanted", &TEXTS[..]),
        };
        let lines = (0..choices.below(3)).map(|_| choices.of(words).to_owned());
        let lines: Vec<String> = lines.collect();
        let left_out: Vec<Value> = lines.iter().map(|line| json!(line)).collect();
        let left_out = vec![Some(left_out); from.batches.len()];
        let (shape, batches) = transformed(from, function, &left_out);
        let file = self.add_file(&lines, "txt");
        let verb = format!(
            "transform = \"{function}\"\nreference = {{ {side} = \"{file}\" }}{}",
            dealt(shape, choices)
        );
        Some(Offer::new(from, verb, shape, batches))
    }
}

fn has_texts(stream: &Stream) -> bool {
    matches!(stream.shape, Shape::Texts | Shape::Lines)
}

/// All of a stream of texts, unless one of them is more than the function can bear.
fn brittle(from: &Stream) -> Offer {
    let verb = match from.shape {
        Shape::Lines => "map = \"faulty:panics-at-bang\"",
        _ => "map-values = \"faulty:panics-at-bang\"",
    };
    Offer::new(from, verb, from.shape, from.batches.clone())
}

/// What these functions leave of a stream.
pub(super) fn transformed(from: &Stream, function: &str, left_out: &Batches) -> (Shape, Batches) {
    let input = &from.batches;
    match (function, from.shape) {
        ("text:not-from", _) => (Shape::Texts, reference::not_from(input, left_out)),
        (_, Shape::Texts) => {
            let values = reference::values(input);
            (Shape::Lines, reference::without(&values, left_out))
        }
        _ => (Shape::Lines, reference::without(input, left_out)),
    }
}

/// A few pairs; some of the same key.
fn pairs(choices: &mut Choices<'_>, value: impl Fn(&mut Choices<'_>) -> Value) -> Vec<Value> {
    let pairs = (0..choices.below(4)).map(|_| json!([choices.of(&KEYS), value(choices)]));
    pairs.collect()
}

/// Nothing, or the line that says how many partitions come out.
pub(super) fn partitions(choices: &mut Choices<'_>) -> String {
    match choices.below(5) {
        0 | 1 => String::new(),
        n => format!("\npartitions = {}", n - 1),
    }
}

/// The same of a transform, whose rows are dealt out in turn: those of a key lose their order.
pub(super) fn dealt(shape: Shape, choices: &mut Choices<'_>) -> String {
    match shape {
        Shape::Texts => String::new(),
        _ => partitions(choices),
    }
}

/// A window over a stream, and the lines that say so.
fn window(from: &Stream, is_tight: bool, choices: &mut Choices<'_>) -> (Window, String) {
    let length = from.every * (1 + choices.below(4));
    let slide = from.every * (1 + choices.below(3));
    let slide = if is_tight { slide.min(length) } else { slide };
    let keys = match slide > from.every || choices.yes() {
        true => format!("\nlength = \"{length}s\"\nslide = \"{slide}s\""),
        false => format!("\nlength = \"{length}s\""),
    };
    (Window { length, slide }, keys)
}

/// What takes out of a sum or count what leaves.
fn inverse(choices: &mut Choices<'_>) -> String {
    let inverse = choices.of(&["true", "\"std:subtract\"", "\"subtract\""]);
    format!("\ninverse = {inverse}")
}

/// What can be done with rows as such.
fn whole(from: &Stream, choices: &mut Choices<'_>) -> Option<Offer> {
    let input = &from.batches;
    let (wide, wide_keys) = window(from, false, choices);
    let (tight, tight_keys) = window(from, true, choices);
    // How many lists there are the reference does not know.
    let is_countable = from.shape != Shape::Gloms;
    let (function, reducer, shape) = choices.of(whole_reducers(from.shape));
    match choices.below(5) {
        0 => {
            let batches = reference::window(input, wide);
            let verb = format!("window = true{wide_keys}");
            Some(Offer::new(from, verb, from.shape, batches).every(wide.slide))
        }
        1 if is_countable => {
            let batches = reference::count_by_window(input, tight);
            let verb = format!("count-by-window = true{tight_keys}");
            Some(Offer::new(from, verb, Shape::Plain, batches).every(tight.slide))
        }
        2 if is_countable => {
            let batches = reference::reduce_by_window(input, wide, reducer);
            let verb = format!("reduce-by-window = \"{function}\"{wide_keys}");
            Some(Offer::new(from, verb, shape, batches).every(wide.slide))
        }
        3 if is_countable && matches!(reducer, Reducer::Sum | Reducer::Count) => {
            let batches = reference::reduce_by_window_inverse(input, tight, reducer);
            let verb = format!(
                "reduce-by-window = \"{function}\"{tight_keys}{}",
                inverse(choices)
            );
            Some(Offer::unless_it_fails(from, verb, shape, batches).every(tight.slide))
        }
        4 if !matches!(from.shape, Shape::Lists | Shape::Gloms | Shape::Other) => {
            Some(Offer::new(from, "glom = true", Shape::Gloms, input.clone()))
        }
        _ => None,
    }
}

/// What all rows of a window can be reduced with.
fn whole_reducers(shape: Shape) -> &'static [Offered] {
    match shape {
        Shape::Plain => &[
            ("std:sum", Reducer::Sum, Shape::Plain),
            ("sum", Reducer::Sum, Shape::Plain),
            ("std:min", Reducer::Min, Shape::Plain),
            ("std:max", Reducer::Max, Shape::Plain),
            COUNT,
        ],
        Shape::Lines => &[
            ("std:min", Reducer::Min, Shape::Lines),
            ("std:max", Reducer::Max, Shape::Lines),
            COUNT,
        ],
        _ => &[COUNT],
    }
}

/// What values of one key can be reduced with.
fn reducers(shape: Shape) -> &'static [Offered] {
    match shape {
        Shape::Numbers => &[
            ("std:sum", Reducer::Sum, Shape::Numbers),
            ("sum", Reducer::Sum, Shape::Numbers),
            ("std:min", Reducer::Min, Shape::Numbers),
            ("std:max", Reducer::Max, Shape::Numbers),
            COUNT_BY_KEY,
        ],
        Shape::Texts => &[
            ("std:first", Reducer::First, Shape::Texts),
            ("std:last", Reducer::Last, Shape::Texts),
            ("std:min", Reducer::Min, Shape::Texts),
            ("std:max", Reducer::Max, Shape::Texts),
            ("text:longest", Reducer::Longest, Shape::Texts),
            COUNT_BY_KEY,
        ],
        Shape::Floats => &[
            ("text:sum-and-count", Reducer::SumAndCount, Shape::Sums),
            COUNT_BY_KEY,
        ],
        Shape::Sums => &[
            ("text:add-sums", Reducer::AddSums, Shape::Sums),
            COUNT_BY_KEY,
        ],
        _ => &[],
    }
}

/// What can be done with the values of each key.
fn by_key(from: &Stream, choices: &mut Choices<'_>) -> Option<Offer> {
    let offered = reducers(from.shape);
    if offered.is_empty() {
        return None;
    }
    let (function, reducer, shape) = choices.of(offered);
    let input = &from.batches;
    let (wide, wide_keys) = window(from, false, choices);
    let (tight, tight_keys) = window(from, true, choices);
    let partitions = partitions(choices);
    let is_flat = from.shape != Shape::Sums;
    let lists = match from.shape {
        Shape::Texts => Shape::Other, // whose items come in the order of arrival
        _ => Shape::Lists,
    };
    match choices.below(9) {
        0 => {
            let verb = format!("reduce-by-key = \"{function}\"{partitions}");
            let batches = reference::reduce_by_key(input, reducer);
            Some(Offer::new(from, verb, shape, batches))
        }
        1 | 2 => {
            let side = choices.of(&["", "\nmap-side = true", "\nmap-side = false"]);
            let verb = format!("combine-by-key = \"{function}\"{side}{partitions}");
            let batches = reference::reduce_by_key(input, reducer);
            Some(Offer::new(from, verb, shape, batches))
        }
        3 if reducer != Reducer::SumAndCount => {
            let verb = format!("reduce-by-key-and-window = \"{function}\"{wide_keys}{partitions}");
            let batches = reference::reduce_by_key_and_window(input, wide, reducer);
            Some(Offer::new(from, verb, shape, batches).every(wide.slide))
        }
        4 | 5 if matches!(reducer, Reducer::Sum | Reducer::Count) => {
            let (stays, filter) =
                choices.of(&[(Stays::All, ""), (Stays::Seen, "\nfilter = \"seen\"")]);
            let verb = format!(
                "reduce-by-key-and-window = \"{function}\"{tight_keys}{filter}{}{partitions}",
                inverse(choices)
            );
            let batches = reference::inverse(input, tight, reducer, stays);
            Some(Offer::unless_it_fails(from, verb, shape, batches).every(tight.slide))
        }
        6 if is_flat => {
            let verb = format!("group-by-key = true{partitions}");
            let batches = reference::group_by_key(input);
            Some(Offer::new(from, verb, lists, batches))
        }
        7 if is_flat => {
            let verb = format!("group-by-key-and-window = true{wide_keys}{partitions}");
            let batches = reference::group_by_key_and_window(input, wide);
            Some(Offer::new(from, verb, lists, batches).every(wide.slide))
        }
        8 if is_flat => {
            let verb = format!("count-by-value-and-window = true{tight_keys}{partitions}");
            let batches = reference::count_by_value_and_window(input, tight);
            Some(Offer::new(from, verb, Shape::Other, batches).every(tight.slide))
        }
        _ => None,
    }
}
