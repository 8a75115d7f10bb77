//! Functions of one row, of a partition, of a batch; and what is checked at load.

use super::*;

#[test]
fn a_flat_map_tells_where_rows_came_from_and_takes_back_rejected_ones() {
    set("min-length", "1");
    let out = process("words", batch::<&str>(["a b", "c d! e", "", "f"]));
    let expected = counted(&[("a", 1), ("b", 1), ("f", 1)]);
    assert_eq!(rows::<(String, i64)>(&out.rows), expected);
    assert_eq!(out.origins, Some(indexes(&[0, 0, 3])));
    let [rejected] = &out.rejected[..] else {
        panic!("{:?}", out.rejected)
    };
    assert_eq!((rejected.row, &*rejected.reason), (1, "\"d!\" is too loud"));
}

#[test]
fn a_fused_function_combines_across_chunks_in_order_of_arrival() {
    set("stop", "x");
    let out = process("words+sum", batch::<&str>(["b a b", "a new! b x"]));
    assert_eq!(out.rows.rows, 0);
    assert_eq!(out.rows.columns.len(), 2);
    assert_eq!(out.rejected.len(), 1);
    process("words+sum", batch::<&str>(["c b"]));
    let all = finish("words+sum").unwrap();
    let expected = counted(&[("b", 3), ("a", 1), ("c", 1)]);
    assert_eq!(rows::<(String, i64)>(&all), expected);
    assert!(finish("words+sum").is_none());
}

#[test]
fn a_fused_function_says_what_it_stands_for() {
    let fusions = ["words+sum", "words+std-sum"].map(|name| described(name).fusion.unwrap());
    assert_eq!((&*fusions[0].first, &*fusions[0].combine), ("words", "sum"));
    assert_eq!(
        (&*fusions[1].first, &*fusions[1].combine),
        ("words", "std:sum")
    );
    assert_eq!(
        described("words").doc,
        "Words of a line, one at a time.\nLines with a `!` are rejected."
    );
}

#[test]
fn maps_and_filters_reject_rows() {
    let out = process("half", batch::<i64>([2, 3, 4]));
    assert_eq!(rows::<i64>(&out.rows), [1, 2]);
    assert_eq!(&*out.rejected[0].reason, "3 is odd");
    let input = batch::<i64>([2, 3, -1, 4]);
    let out = <P as filter::Guest>::select("even".into(), input).unwrap();
    assert_eq!(out.keep, [0b1001]);
    assert_eq!((out.rejected[0].row, out.rejected.len()), (2, 1));
}

#[test]
fn a_partition_keeps_what_it_needs_between_chunks() {
    set("separator", "+");
    let first = process("pairs", batch::<&str>(["a"]));
    assert_eq!(first.rows.rows, 0);
    let second = process("pairs", batch::<&str>(["b", "c"]));
    assert_eq!(rows::<String>(&second.rows), ["a+b"]);
    assert_eq!(rows::<String>(&finish("pairs").unwrap()), ["c"]);
    assert!(finish("pairs").is_none());
}

#[test]
fn a_transform_sees_its_side_first_and_finishes_in_pieces() {
    let side = batch::<(&str, i64)>([("ann", 1), ("bob", 2)]);
    assert_eq!(described("known").sides[0].name, "names");
    <P as transform::Guest>::feed("known".into(), 0, side).unwrap();
    let out = process("known", batch::<&str>(["bob", "eve"]));
    assert_eq!(rows::<(String, i64)>(&out.rows), counted(&[("bob", 2)]));
    assert_eq!(&*out.rejected[0].reason, "unknown name");
    let pieces: Vec<u32> = std::iter::from_fn(|| finish("known"))
        .map(|b| b.rows)
        .collect();
    assert_eq!(pieces, [4096, 904]);
}

#[test]
fn a_sink_function_rejects_rows_and_can_fail_at_the_end() {
    let accept = |rows| <P as foreach::Guest>::accept("out".into(), batch::<i64>(rows));
    let finish = || <P as foreach::Guest>::finish("out".into());
    let rejected = accept([1, 13]).unwrap();
    assert_eq!((rejected[0].row, &*rejected[0].reason), (1, "unlucky"));
    assert!(finish().is_ok());
    accept([2, 3]).unwrap();
    assert_eq!(finish().unwrap_err().message, "too many");
}

#[test]
fn settings_are_checked_before_anything_runs() {
    let resolve = |name: &str, settings: &[(&str, &str)]| {
        let setting = |(name, value): &(&str, &str)| Setting {
            name: (*name).into(),
            value: (*value).into(),
        };
        let settings = settings.iter().map(setting).collect();
        <P as resolution::Guest>::resolve(name.into(), settings, Vec::new())
            .map(|schema| schema.len())
    };
    assert_eq!(
        resolve("words", &[("min-length", "3"), ("stop", "a")]),
        Ok(2)
    );
    assert_eq!(
        resolve("words+sum", &[("min-length", "x")]),
        Err("setting `min-length` is \"x\": invalid digit found in string".into())
    );
    assert_eq!(
        resolve("words", &[("max", "3")]),
        Err("unknown setting `max`: the function takes min-length, stop".into())
    );
    assert_eq!(
        resolve("sum", &[("max", "3")]),
        Err("unknown setting `max`: the function takes none".into())
    );
    assert_eq!(resolve("running", &[]), Ok(1));
    assert_eq!(resolve("even", &[]), Ok(0));
    assert_eq!(
        resolve("none", &[]),
        Err(format!("plugin {} has no such function: none", P::NAME))
    );
}
