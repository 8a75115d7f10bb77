//! Functions that take all the memory there is.

use super::field::{Field, number};

const TOTAL: u64 = 96 << 20;

#[test]
fn a_memory_bomb() {
    let field = Field::new(&format!(
        "[namespace.attacker.quota]\nmemory-total = {TOTAL}\n"
    ));
    field.compare(|| {
        for name in ["bomb-1", "bomb-2"] {
            let topology = format!(
                "name = \"{name}\"\nbatch-interval = \"1s\"\non-failed-batch = \"continue\"\n\
                 [source.numbers]\ntype = \"generator\"\nrate = 1000\nwords = 2\n\
                 [operator.eat]\ninput = \"numbers\"\nmap = \"eats-memory\"\n\
                 [sink.out]\ninput = \"eat\"\ntype = \"null\"\n"
            );
            field.deploy("attacker", &topology, Some("faulty"));
        }
    });
    let usage = field.usage("attacker");
    let peak = number(&usage, "memory-peak");
    // Four instances of 64 MiB each would be more than it may have.
    assert!(peak > 48 << 20 && peak <= TOTAL, "{usage:#}");
    assert!(number(&usage, "instance-peak") > 32 << 20, "{usage:#}");
    let eat = |one: &serde_json::Value| {
        let parts = one["nodes"].as_array().unwrap();
        let eat = parts.iter().find(|part| part["name"] == "eat").unwrap();
        number(eat, "instance-peak")
    };
    let topologies = usage["topologies"].as_array().unwrap();
    assert!(topologies.iter().all(|one| eat(one) > 1 << 20), "{usage:#}");
    let mut whys = Vec::new();
    for name in ["bomb-1", "bomb-2"] {
        field.stop("attacker", name);
        let path = format!("/v1/namespaces/attacker/topologies/{name}");
        let (_, status) = field.served.http("GET", &path, &field.admin, "");
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        assert!(number(&status, "failed-batches") > 0, "{status}");
        whys.push(status["last-error"].to_string());
    }
    let memory = |why: &String| why.contains("memory");
    assert!(whys.iter().all(memory), "{whys:?}");
    // What is over is given back.
    let quotas = field.usage("attacker")["quotas"].clone();
    let quotas = quotas.as_array().unwrap().iter();
    let total = quotas
        .into_iter()
        .find(|one| one["quota"] == "memory-total");
    assert_eq!(number(total.unwrap(), "used"), 0);
}
