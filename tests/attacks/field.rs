//! One tenant does its worst; another one, the victim, must not notice: its records are all there,
//! its batches keep their interval, and it is charged for nothing but its own work.
//!
//! How long batches took is printed, not asserted: other tests run beside these.

use std::net::TcpListener;

use rsrt::clock::{Clock as _, SystemClock};
use serde_json::Value;

use crate::serve::Served;

/// Milliseconds between the victim's batches, and its records in each.
const INTERVAL: u64 = 100;
const RECORDS: u64 = 200;

/// A server with an attacker and a victim.
pub(super) struct Field {
    pub(super) served: Served,
    pub(super) admin: String,
    pub(super) clock: SystemClock,
    /// A receiver that comes here every two seconds: whoever waits for it needs no CPU time.
    pace: TcpListener,
}

/// What became of a victim.
#[derive(Debug)]
pub(super) struct Fate {
    batches: u64,
    records: u64,
    /// Microseconds of CPU time for each batch.
    cpu: u64,
    /// Microseconds that 99 of 100 batches took.
    p99: u64,
    longest: u64,
    /// Milliseconds that the grid was behind the clock at the end.
    behind: i64,
}

impl Field {
    pub(super) fn new(config: &str) -> Self {
        let served = Served::with_local(&["pacer", "attacker"], config);
        let pace = TcpListener::bind("127.0.0.1:0").unwrap();
        let admin = served.token(&["--admin"]);
        let field = Self {
            served,
            admin,
            clock: SystemClock::new(),
            pace,
        };
        let pacer = format!(
            "name = \"pacer\"\nbatch-interval = \"1s\"\n\
             [source.lines]\ntype = \"socket\"\naddress = \"{}\"\nformat = \"text\"\n\
             [sink.out]\ninput = \"lines\"\ntype = \"null\"\n",
            field.pace.local_addr().unwrap()
        );
        field.deploy("pacer", &pacer, None);
        field.pace();
        field
    }

    pub(super) fn deploy(&self, namespace: &str, topology: &str, plugin: Option<&str>) {
        let folder = &self.served.folder;
        folder.write("topo.toml", topology.as_bytes());
        let plugin = plugin.map(crate::guests::plugin);
        let mut arguments = vec!["deploy"];
        arguments.extend(plugin.as_ref().map(|path| path.to_str().unwrap()));
        arguments.extend(["-t", "topo.toml", "--namespace", namespace]);
        self.served.rsrt(&self.admin, &arguments).says(0, &[]);
    }

    /// Two seconds pass.
    pub(super) fn pace(&self) {
        self.pace.accept().unwrap();
    }

    /// A victim of this name lives for some seconds.
    pub(super) fn victim(&self, name: &str) -> Fate {
        let topology = format!(
            "name = \"{name}\"\nbatch-interval = \"{INTERVAL}ms\"\n\
             [source.numbers]\ntype = \"generator\"\nrate = {}\nwords = 3\n\
             [operator.same]\ninput = \"numbers\"\nmap = \"echo\"\n\
             [sink.out]\ninput = \"same\"\ntype = \"null\"\n",
            RECORDS * 1_000 / INTERVAL
        );
        self.deploy("victim", &topology, Some("faulty"));
        for _ in 0..3 {
            self.pace();
        }
        let path = format!("/v1/namespaces/victim/topologies/{name}");
        let (_, text) = self.served.http("GET", &path, &self.admin, "");
        let now = self.clock.wall_millis();
        let status: Value = serde_json::from_str(&text).unwrap();
        let usage = self.usage("victim");
        let topologies = usage["topologies"].as_array().unwrap();
        let own = topologies.iter().find(|one| one["name"] == name).unwrap();
        assert_eq!(status["phase"], "running", "{status}");
        assert_eq!(status["failed-batches"], 0, "{status}");
        let batches = status["batches"].as_u64().unwrap();
        let work = ["tasks", "batches"].map(|work| own["cpu"][work].as_u64().unwrap());
        Fate {
            batches,
            records: status["records"].as_u64().unwrap(),
            cpu: work.iter().sum::<u64>() / batches.max(1),
            p99: own["latency"]["p99"].as_u64().unwrap(),
            longest: own["latency"]["longest"].as_u64().unwrap(),
            behind: now - status["last-batch"].as_i64().unwrap(),
        }
    }

    /// What a namespace has used.
    pub(super) fn usage(&self, namespace: &str) -> Value {
        let path = format!("/v1/namespaces/{namespace}/usage");
        let (code, text) = self.served.http("GET", &path, &self.admin, "");
        assert_eq!(code, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Two victims: one that is alone, and one that lives while the attack is on.
    pub(super) fn compare(&self, attack: impl FnOnce()) {
        let alone = self.victim("alone");
        self.stop("victim", "alone");
        attack();
        let attacked = self.victim("attacked");
        for (name, fate) in [("alone", &alone), ("under attack", &attacked)] {
            let Fate {
                batches,
                records,
                cpu,
                p99,
                longest,
                behind,
            } = fate;
            eprintln!(
                "{name}: {batches} batches, {records} records, {cpu} us of CPU each, p99 {p99} us, longest {longest} us, {behind} ms behind"
            );
        }
        for fate in [&alone, &attacked] {
            assert!(fate.batches > 20, "{fate:?}");
            assert_eq!(fate.records, fate.batches * RECORDS, "{fate:?}");
            // No tick is ever skipped, so a grid that is near the clock has kept its interval.
            assert!(fate.behind < 2_000, "{fate:?}");
        }
        // Caches that others fill cost time, too; what others use is several times as much.
        assert!(
            attacked.cpu < alone.cpu * 3 / 2 + 500,
            "it is charged for others: {alone:?} {attacked:?}"
        );
    }

    pub(super) fn stop(&self, namespace: &str, name: &str) {
        let stop = ["stop", name, "--namespace", namespace];
        self.served.rsrt(&self.admin, &stop).says(0, &[]);
    }
}

pub(super) fn number(of: &Value, key: &str) -> u64 {
    of[key]
        .as_u64()
        .unwrap_or_else(|| panic!("no {key} in {of}"))
}
