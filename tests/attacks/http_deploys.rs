//! More deploys, and larger ones, than anybody can want.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;

use super::victim::Victim;
use crate::{guests, sandbox::loading::endless, serve::endless as topology};

const PATH: &str = "/v1/namespaces/attacker/topologies";

/// So many deploys, eight at a time, each with the body of its number; how often each code came.
fn deploys(
    victim: &mut Victim,
    most: usize,
    body: impl Fn(usize) -> String + Sync,
) -> Vec<(u16, usize)> {
    let token = victim.served.token(&["--namespace", "attacker"]);
    let next = AtomicUsize::new(0);
    let codes = Mutex::new(std::collections::BTreeMap::new());
    let served = &victim.served;
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= most {
                        return;
                    }
                    let (code, _) = served.http("POST", PATH, &token, &body(number));
                    *codes.lock().unwrap().entry(code).or_insert(0) += 1;
                }
            });
        }
    });
    codes.into_inner().unwrap().into_iter().collect()
}

fn count(codes: &[(u16, usize)], wanted: u16) -> usize {
    codes
        .iter()
        .find(|(code, _)| *code == wanted)
        .map_or(0, |(_, count)| *count)
}

#[test]
fn ten_thousand_deploys_are_a_few() {
    let mut victim = Victim::start("[limits]\nchanges-per-minute = 20\n");
    victim.feed(1_000);
    let codes = deploys(&mut victim, 10_000, |number| {
        let name = format!("t{number}");
        json!({ "topology": topology(&name).replace("rate = 1000", "rate = 1") }).to_string()
    });
    let (done, refused) = (count(&codes, 201), count(&codes, 429));
    assert_eq!(done + refused, 10_000, "{codes:?}");
    // Those of the first moment, and one for each three seconds.
    assert!((20..200).contains(&done), "{codes:?}");
    // Nobody writes down each one that was refused.
    let audit = victim.served.audit();
    assert!(
        audit.lines().count() <= done + 10,
        "{}",
        audit.lines().count()
    );
    victim.is_unharmed();
}

#[test]
fn a_component_that_takes_long_to_compile_is_given_up() {
    let limits = "[limits]\ncompile-time = \"1s\"\ncompile-memory = 1073741824\n";
    let mut victim = Victim::start(limits);
    let bomb = endless(100);
    let body = |number: usize| {
        // Each is another one.
        let mut bytes = bomb.clone();
        bytes.extend([0, 2, 1, u8::try_from(number).unwrap()]);
        let topology = "name = \"bomb\"\nbatch-interval = \"1s\"\n\
            [source.it]\ntype = \"generator\"\nrate = 1\nwords = 2\n\
            [operator.o]\ninput = \"it\"\nmap = \"f\"\n[sink.out]\ninput = \"o\"\ntype = \"null\"\n";
        let bytes = BASE64_STANDARD.encode(bytes);
        json!({ "topology": topology, "plugins": [{ "bytes": bytes }] }).to_string()
    };
    victim.feed(1_000);
    let codes = deploys(&mut victim, 4, body);
    assert_eq!(codes, [(422, 4)]);
    victim.is_unharmed();
    // A module would have to be made a component of: whoever uploads does that.
    let victim = Victim::start(limits);
    let token = victim.served.token(&["--namespace", "attacker"]);
    let module = BASE64_STANDARD.encode(b"\0asm\x01\0\0\0");
    let text = "name = \"m\"\nbatch-interval = \"1s\"\n[source.it]\ntype = \"generator\"\nrate = 1\n\
        [operator.o]\ninput = \"it\"\nmap = \"f\"\n[sink.out]\ninput = \"o\"\ntype = \"null\"\n";
    let body = json!({ "topology": text, "plugins": [{ "bytes": module }] }).to_string();
    let (code, answer) = victim.served.http("POST", PATH, &token, &body);
    assert!(code == 422 && answer.contains("core module"), "{answer}");
}

/// Nests until 10 MB are full.
fn nested(open: &str, close: &str) -> String {
    let depth = 10_000_000 / (open.len() + close.len());
    format!("{}{}", open.repeat(depth), close.repeat(depth))
}

#[test]
fn what_is_nested_without_end_is_refused() {
    let mut victim = Victim::start("");
    victim.feed(1_000);
    let head = "name = \"n\"\nbatch-interval = \"1s\"\n";
    // As much as is read at all.
    let many = 200_000;
    let texts = [
        format!("{head}x = {}", nested("[", "]")),
        format!("{head}x = {}", "[".repeat(1_000_000)),
        format!("{head}x = {}1{}", "{a=".repeat(many), "}".repeat(many)),
        format!("{head}x{} = 1\n", ".a".repeat(many)),
        format!("{head}[x{}]\n", ".a".repeat(many)),
        format!("{head}[[x{}]]\n", ".a".repeat(many)),
        format!(
            "{head}[source.q]\ntype = \"queue\"\nschema = \"{}\"\n",
            "[".repeat(many)
        ),
        format!("{head}x = \"{}\n", "\\".repeat(many)),
        format!("{head}{}", "[a]\n".repeat(many)),
        format!("{head}{}", "?\n".repeat(many)),
    ];
    let topologies = texts.map(|text| json!({ "topology": text }).to_string());
    let bodies = [
        nested("[", "]"),
        nested("{\"a\":", "}"),
        format!("{{\"topology\": \"\", \"plugins\": {}}}", nested("[", "]")),
        format!("{{\"topology\": {}}}", nested("[", "]")),
        "\"".to_owned() + &"\\u0000".repeat(many),
        "[".repeat(10_000_000),
    ];
    let token = victim.served.token(&["--namespace", "attacker"]);
    for body in bodies.iter().chain(&topologies) {
        let (code, answer) = victim.served.http("POST", PATH, &token, body);
        assert!(
            code == 400 || code == 422,
            "{code} {}: {:.200}",
            &body[..80.min(body.len())],
            answer
        );
    }
    let (code, _) = victim.served.http(
        "PUT",
        "/v1/namespaces/attacker/secrets/x",
        &token,
        &bodies[0],
    );
    assert_eq!(code, 413);
    victim.is_unharmed();
}

/// Names that a plugin says are no names of the machine.
#[test]
fn a_file_that_is_no_plugin_is_refused() {
    let mut victim = Victim::start("");
    let token = victim.served.token(&["--namespace", "attacker"]);
    let component = std::fs::read(guests::plugin("word-count")).unwrap();
    let text = "name = \"m\"\nbatch-interval = \"1s\"\n[source.it]\ntype = \"generator\"\nrate = 1\nwords = 2\n\
        [operator.o]\ninput = \"it\"\nflat-map = \"split\"\n[sink.out]\ninput = \"o\"\ntype = \"null\"\n";
    for bytes in [
        &b""[..],
        b"\0",
        &component[..component.len() / 2],
        &[0; 1_000],
    ] {
        let bytes = BASE64_STANDARD.encode(bytes);
        let body = json!({ "topology": text, "plugins": [{ "bytes": bytes }] }).to_string();
        let (code, answer) = victim.served.http("POST", PATH, &token, &body);
        assert_eq!(code, 422, "{answer}");
        victim.served.tells_no_path(&answer);
    }
    let bytes = BASE64_STANDARD.encode(&component);
    let twice = json!([{ "bytes": bytes }, { "bytes": bytes }]);
    for plugins in [twice, json!([{ "name": "../x", "bytes": bytes }])] {
        let body = json!({ "topology": text, "plugins": plugins }).to_string();
        let (code, answer) = victim.served.http("POST", PATH, &token, &body);
        assert_eq!(code, 422, "{answer}");
    }
    victim.is_unharmed();
}
