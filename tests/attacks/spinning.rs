//! Functions that never return, on every core.

use super::field::{Field, number};

#[test]
fn an_infinite_loop() {
    let field = Field::new("");
    field.compare(|| {
        for name in ["spins-1", "spins-2", "spins-3"] {
            let topology = crate::serve::spinning(name);
            field.deploy("attacker", &topology, Some("faulty"));
        }
    });
    // It pays for what it does while it does it, not when it ends.
    let usage = field.usage("attacker");
    assert!(number(&usage["cpu"], "tasks") > 200_000, "{usage:#}");
}

#[test]
fn cores_are_shared_by_weight_whatever_the_number_of_topologies() {
    let field = Field::new("[namespace.heavy]\nweight = 3\n");
    let spin = |namespace: &str, name: &str| {
        let topology = crate::serve::spinning(name);
        field.deploy(namespace, &topology, Some("faulty"));
    };
    spin("heavy", "one");
    for name in ["one", "two", "three"] {
        spin("light", name);
    }
    // All but what deploying cost: what is used around tasks counts against the share, too.
    let used = || {
        ["heavy", "light"].map(|name| {
            let cpu = field.usage(name)["cpu"].clone();
            number(&cpu, "total") - number(&cpu, "opening")
        })
    };
    let before = used();
    for _ in 0..3 {
        field.pace();
    }
    let after = used();
    let [heavy, light] = [0, 1].map(|at| after[at] - before[at]);
    let share = heavy as f64 / light as f64;
    eprintln!("a weight of 3 has had {share:.2} times as much: {heavy} and {light} us");
    assert!(light > 200_000, "{heavy} {light}");
    assert!((2.0..=4.0).contains(&share), "{heavy} {light}");
}
