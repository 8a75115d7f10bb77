//! Topologies of one namespace take turns.

use super::Served;

/// Its one function never returns, and may take all the time there is; on all cores.
pub(crate) fn spinning(name: &str) -> String {
    format!(
        "name = \"{name}\"\nbatch-interval = \"20ms\"\n\
         [limits]\ncpu-time = \"1h\"\n\
         [source.numbers]\ntype = \"generator\"\nrate = 1000\nwords = 2\n\
         [operator.spin]\ninput = \"numbers\"\nmap = \"spins\"\n\
         [sink.out]\ninput = \"spin\"\ntype = \"null\"\n"
    )
}

#[test]
fn a_topology_that_spins_leaves_its_own_namespace_its_turns() {
    let served = Served::start();
    let token = served.token(&["--namespace", "a"]);
    let plugin = crate::guests::plugin("faulty");
    let plugin = plugin.to_str().unwrap();
    // More tasks that never end than there are cores.
    for name in ["spins-1", "spins-2"] {
        served.folder.write("spin.toml", spinning(name).as_bytes());
        let deploy = ["deploy", plugin, "-t", "spin.toml"];
        served.rsrt(&token, &deploy).says(0, &[]);
    }
    let spins = |name: &str| served.status(&token, name)["batches"] == 0;
    served.until(&token, "spins-1", |status| status["phase"] == "running");
    served.until(&token, "spins-2", |status| status["phase"] == "running");
    let neighbour = "name = \"neighbour\"\nbatch-interval = \"50ms\"\n\
        [source.numbers]\ntype = \"generator\"\nrate = 20000\nwords = 2\ncount = 20000\n\
        [operator.same]\ninput = \"numbers\"\nmap = \"echo\"\n\
        [sink.out]\ninput = \"same\"\ntype = \"null\"\n";
    served.folder.write("topo.toml", neighbour.as_bytes());
    let deploy = ["deploy", plugin, "-t", "topo.toml"];
    served.rsrt(&token, &deploy).says(0, &[]);
    let ended = served.until(&token, "neighbour", |status| status["phase"] == "finished");
    assert_eq!(ended["records"], 20_000);
    assert!(spins("spins-1") && spins("spins-2"), "they have ended");
}
