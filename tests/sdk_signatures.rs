//! A function that is not what its attribute says is refused at compile time, in words about its
//! signature.

use std::{fs, path::Path, process::Command};

/// A function, and what the compiler says of it.
const WRONG: &[(&str, &str)] = &[
    (
        "#[rsrt::flat_map] fn split(line: &str) {}",
        "`split` is a flat-map: expected `fn(row, &mut Emitter<T>)`, found 1 parameter",
    ),
    (
        "#[rsrt::flat_map] fn split(line: &str, out: &mut Vec<String>) {}",
        "`split` is a flat-map: expected `fn(row, &mut Emitter<T>)`, found `& mut Vec < String >`",
    ),
    (
        "#[rsrt::flat_map] fn split<'a>(line: &'a str, out: &mut Emitter<&'a str>) {}",
        "rows are copied when they are emitted: write `'_`, or nothing, for `'a`",
    ),
    (
        "#[rsrt::flat_map] fn split(line: &str, out: &mut Emitter<&str>) -> usize { 0 }",
        "a function that puts rows out, or takes them, cannot return `usize`",
    ),
    (
        "#[rsrt::flat_map(combine = sum)] fn split(line: &str, out: &mut Emitter<i64>) {}
         #[rsrt::reduce(associative)] fn sum(a: i64, b: i64) -> i64 { a + b }",
        "`combine` needs pairs, and `i64` is none",
    ),
    (
        "#[rsrt::flat_map(combine = last)] fn split(line: &str, out: &mut Emitter<(&str, i64)>) {}
         #[rsrt::reduce] fn last(a: i64, b: i64) -> i64 { b }",
        "`combine` needs a function with #[rsrt::reduce(associative)]",
    ),
    (
        "#[rsrt::flat_map(combined = sum)] fn split(line: &str, out: &mut Emitter<&str>) {}",
        "#[rsrt::flat_map] takes combine; found `combined`",
    ),
    (
        "#[rsrt::map] fn width(line: &str) {}",
        "`width` is a map: expected `fn(row) -> T` or `fn(row) -> Result<T, Reject>`, found no result",
    ),
    (
        "#[rsrt::map] fn width(line: &str) -> usize { line.len() }",
        "`usize` has no columns, so rsrt cannot pass it",
    ),
    (
        "#[rsrt::map] fn width(n: u32) -> i64 { n.into() }",
        "`u32` has no columns, so rsrt cannot pass it",
    ),
    (
        "#[rsrt::map] fn same<T>(row: T) -> T { row }",
        "`same` is generic over `T`, but the columns of a function are of one type",
    ),
    (
        "#[rsrt::map] struct Width;",
        "a map is a plain function: expected `fn`, found `struct`",
    ),
    (
        "#[rsrt::filter] fn long(line: &str) -> i64 { 0 }",
        "`long` is a filter: expected `fn(row) -> bool` or `fn(row) -> Result<bool, Reject>`, found `i64`",
    ),
    (
        "#[rsrt::reduce] fn add(a: i64, b: f64) -> i64 { a }",
        "`add` is a reduce: expected `fn(T, T) -> T` or `fn(key, T, T) -> T`, found `i64` and `f64`",
    ),
    (
        "#[rsrt::aggregate] fn count(values: Vec<i64>) -> i64 { 0 }",
        "`count` is an aggregate: expected `fn(&[T]) -> U` or `fn(key, &[T]) -> U`, found `Vec < i64 >`",
    ),
    (
        "#[rsrt::update_state] fn run(new: &[i64], state: i64) -> Option<i64> { None }",
        "`run` is an update-state: expected `fn(&[T], Option<S>) -> Option<S>`",
    ),
    (
        "#[rsrt::map_with_state] fn see(value: Option<i64>, state: &mut i64) {}",
        "`see` is a map-with-state: expected `fn(Option<T>, &mut State<S>) -> Option<U>`",
    ),
    (
        "#[rsrt::map_with_state] fn see(value: Option<i64>, state: &mut State<&str>) {}",
        "a state is kept, so it cannot borrow",
    ),
    (
        "#[rsrt::migrate] fn old(state: i64) -> i64 { state }",
        "expected #[rsrt::migrate(function = running, since = 1)]",
    ),
    (
        "struct All; #[rsrt::map_partitions] impl All { fn run(&mut self, row: &str) {} }",
        "`All` is a map-partitions: expected a method `fn process(&mut self, row, out: &mut Emitter<T>)`",
    ),
    (
        "#[rsrt::filter] fn long(#[settings] least: i64, line: &str) -> bool { true }",
        "#[settings] are lent: expected `&T`",
    ),
    (
        "#[rsrt::filter] fn long(#[settings] least: &i64, line: &str) -> bool { true }",
        "`i64` does not hold settings",
    ),
    (
        "#[derive(Record)] struct Pair(i64, i64);",
        "#[derive(Record)] is for structs with named fields",
    ),
    (
        "#[rsrt::map] fn lists(n: i64) -> Option<Vec<i64>> { None }",
        "`Option<Vec<i64>>` has no column: only a scalar can be null",
    ),
];

#[test]
fn wrong_signatures_are_refused_in_words_about_signatures() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let root = root.canonicalize().unwrap();
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("src")).unwrap();
    let manifest = format!(
        "[package]\nname = \"wrong\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\
         [dependencies]\nrsrt = {{ package = \"rsrt-sdk\", path = {:?} }}\n[workspace]\n",
        root.join("sdk/rust")
    );
    fs::write(dir.path().join("Cargo.toml"), manifest).unwrap();

    let check = |code: &str| {
        let code = format!("#![allow(warnings)]\nuse rsrt::prelude::*;\n{code}\n");
        fs::write(dir.path().join("src/lib.rs"), code).unwrap();
        let output = Command::new(env!("CARGO"))
            .args(["check", "--offline", "--quiet"])
            .current_dir(dir.path())
            .env("CARGO_TARGET_DIR", dir.path().join("target"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), said)
    };
    let (compiles, said) =
        check("#[rsrt::map] fn same(n: i64) -> i64 { n }\nrsrt::plugin! { same }");
    assert!(compiles, "a right signature is refused:\n{said}");

    let mut failures = Vec::new();
    for (code, expected) in WRONG {
        let (compiles, said) = check(code);
        if compiles || !said.contains(expected) {
            failures.push(format!("expected: {expected}\nsaid:\n{said}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
