//! Functions that log without end.

use rsrt::clock::Clock as _;

use super::field::{Field, number};

const LINES: u64 = 20;

#[test]
fn a_log_flood() {
    let field = Field::new(&format!(
        "[namespace.attacker.quota]\nlog-lines = {LINES}\n"
    ));
    let began = field.clock.monotonic();
    field.compare(|| {
        for name in ["flood-1", "flood-2"] {
            let topology = format!(
                "name = \"{name}\"\nbatch-interval = \"50ms\"\n\
                 [limits]\nlog-lines = 1000000\n\
                 [source.numbers]\ntype = \"generator\"\nrate = 200\nwords = 2\n\
                 [operator.flood]\ninput = \"numbers\"\nmap = \"floods-the-log\"\n\
                 [sink.out]\ninput = \"flood\"\ntype = \"null\"\n"
            );
            field.deploy("attacker", &topology, Some("faulty"));
        }
    });
    let usage = field.usage("attacker");
    let log = field.served.log();
    let seconds = field.clock.monotonic().saturating_sub(began).as_secs() + 1;
    let lines = log.lines().filter(|line| line.contains("operator flood"));
    let lines = lines.count() as u64;
    // Those of a second may be saved up; the lines that say that lines were dropped count, too.
    let most = LINES * (seconds + 1) + 1;
    assert!(lines > 0 && lines <= most, "{lines} lines, at most {most}");
    assert!(number(&usage, "log-lines-dropped") > 1_000, "{usage:#}");
}
