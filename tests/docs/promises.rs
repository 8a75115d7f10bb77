//! Each promise of `RELIABILITY.md` is held by tests that are there.

use std::fs;

use super::root;

#[test]
fn every_test_that_holds_a_promise_is_there() {
    let page = fs::read_to_string(root().join("runtime/RELIABILITY.md")).unwrap();
    let mut found = 0;
    for word in page.split('`').skip(1).step_by(2) {
        let Some((file, name)) = word.split_once(".rs::") else {
            continue;
        };
        let path = root().join(format!("{file}.rs"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{word}: {error}"));
        let is_there = text.contains(&format!("fn {name}("));
        assert!(is_there, "{file}.rs has no test {name}");
        found += 1;
    }
    assert!(found >= 30, "only {found} tests are named");
}
