//! Lines such as `sensor,milliseconds,value` as records.

use rsrt::prelude::*;

/// What a sensor measured.
#[derive(Record, Debug, PartialEq)]
pub(crate) struct Reading<'a> {
    sensor: &'a str,
    at: Timestamp,
    /// None: the sensor had no value.
    value: Option<f64>,
}

/// `sensor,milliseconds since 1970,value` as a record; the value may be empty. Other lines are
/// rejected.
#[rsrt::map]
pub(crate) fn reading(line: &str) -> Result<Reading<'_>, Reject> {
    let mut fields = line.split(',').map(str::trim);
    let mut next = |name| fields.next().ok_or_else(|| reject(format!("no {name}")));
    let (sensor, at, value) = (next("sensor")?, next("time")?, next("value")?);
    if let Some(more) = fields.next() {
        return Err(reject(format!("more than three fields: {more:?}")));
    }
    let at = at
        .parse()
        .map_err(|e| reject(format!("time {at:?}: {e}")))?;
    let value = match value {
        "" => None,
        value => Some(
            value
                .parse()
                .map_err(|e| reject(format!("value {value:?}: {e}")))?,
        ),
    };
    Ok(Reading {
        sensor,
        at: Timestamp(at),
        value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_a_record() {
        let kitchen = |value| Reading {
            sensor: "kitchen",
            at: Timestamp(1_000),
            value,
        };
        assert_eq!(reading("kitchen, 1000, 21.5"), Ok(kitchen(Some(21.5))));
        assert_eq!(reading("kitchen,1000,"), Ok(kitchen(None)));
    }

    #[test]
    fn other_lines_are_rejected_with_a_reason() {
        for (line, reason) in [
            ("kitchen", "no time"),
            ("kitchen,1000", "no value"),
            (
                "kitchen,noon,1",
                "time \"noon\": invalid digit found in string",
            ),
            ("kitchen,1000,warm", "value \"warm\": invalid float literal"),
            ("kitchen,1000,1,2", "more than three fields: \"2\""),
        ] {
            assert_eq!(reading(line), Err(reject(reason)), "{line}");
        }
    }
}
