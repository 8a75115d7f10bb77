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
    assert!(number(&usage["cpu"], "tasks") > 2_000_000, "{usage:#}");
}
