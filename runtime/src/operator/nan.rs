//! One NaN: what has a sign or a payload comes from processors and plugins, and would be ordered by it.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, cast::AsArray, types::Float64Type};

/// The column with every NaN the same one, which is above all numbers.
pub(super) fn one_nan(column: &ArrayRef) -> ArrayRef {
    let Some(floats) = column.as_primitive_opt::<Float64Type>() else {
        return column.clone();
    };
    let is_other = |f: &f64| f.is_nan() && f.to_bits() != f64::NAN.to_bits();
    if !floats.values().iter().any(is_other) {
        return column.clone();
    }
    let one: Float64Array = floats.unary(|f| if f.is_nan() { f64::NAN } else { f });
    Arc::new(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_has_one_form_and_nothing_else_changes() {
        let given = vec![Some(-f64::NAN), None, Some(f64::NAN), Some(-0.0), Some(1.5)];
        let column: ArrayRef = Arc::new(Float64Array::from(given));
        let one = one_nan(&column);
        let one = one.as_primitive::<Float64Type>();
        let bits: Vec<_> = one.iter().map(|f| f.map(f64::to_bits)).collect();
        let expected = [Some(f64::NAN), None, Some(f64::NAN), Some(-0.0), Some(1.5)];
        assert_eq!(bits, expected.map(|f| f.map(f64::to_bits)));
    }
}
