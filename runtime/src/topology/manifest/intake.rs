//! `max-rate`, `initial-rate` and `backpressure` of a receiver.

use toml::de::DeValue;

use super::{
    table::{Table, Value},
    value,
};
use crate::topology::{
    Backpressure, Intake,
    problem::{ProblemKind, Problems, suggest},
};

/// Spec 11.2.
const BACKPRESSURE: Backpressure = Backpressure {
    proportional: 1.0,
    integral: 0.2,
    derived: 0.0,
    min_rate: 100.0,
};

const KEYS: [&str; 4] = ["proportional", "integral", "derived", "min-rate"];

pub(super) fn read(table: &mut Table<'_>, problems: &mut Problems) -> Intake {
    let backpressure = table.take("backpressure");
    Intake {
        max_rate: table.positive("max-rate", problems),
        initial_rate: table.positive("initial-rate", problems),
        backpressure: backpressure.and_then(|value| read_backpressure(&value, problems)),
    }
}

/// `true`, or a table of what differs from the defaults.
fn read_backpressure(value: &Value<'_>, problems: &mut Problems) -> Option<Backpressure> {
    const WANTED: &str = "true, or a table such as { min-rate = 50 }";
    match value.toml {
        DeValue::Boolean(true) => return Some(BACKPRESSURE),
        DeValue::Boolean(false) => return None,
        DeValue::Table(_) => {}
        _ => {
            value.is_not(WANTED, problems);
            return None;
        }
    }
    let mut read = BACKPRESSURE;
    for entry in value::entries(value.table(WANTED, problems)?) {
        let (to, least) = match entry.key {
            "proportional" => (&mut read.proportional, 0.0),
            "integral" => (&mut read.integral, 0.0),
            "derived" => (&mut read.derived, 0.0),
            "min-rate" => (&mut read.min_rate, f64::MIN_POSITIVE),
            other => {
                let (key, of) = (other.to_owned(), "`backpressure`".to_owned());
                let help = suggest(other, "it has", KEYS);
                let problem = problems.report(ProblemKind::UnknownKey { key, of }, entry.key_at);
                problem.help(help);
                continue;
            }
        };
        match number(&entry) {
            None => {
                entry.is_not("a number", problems);
            }
            Some(number) if number.is_finite() && number >= least => *to = number,
            Some(_) if least > 0.0 => {
                entry.is_bad("must be more than 0", problems);
            }
            Some(_) => {
                entry.is_bad("must be 0 or more", problems);
            }
        }
    }
    Some(read)
}

fn number(value: &Value<'_>) -> Option<f64> {
    match value.toml {
        DeValue::Integer(integer) => {
            let integer = value::integer_value(integer)?;
            integer.to_string().parse().ok()
        }
        DeValue::Float(float) => float.as_str().replace('_', "").parse().ok(),
        _ => None,
    }
}
