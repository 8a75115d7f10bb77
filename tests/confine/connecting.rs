//! A confined source connects where it may, by the address that its name resolved to.

use std::{io::Write, net::TcpListener, num::NonZeroUsize, sync::Arc};

use rsrt::{
    clock::ManualClock,
    confine::Confinement,
    model::BatchTime,
    source::{SourceSetup, open_source},
    topology::confine,
};

use super::{Yard, read};

/// What a source of this address gets, or why it gets nothing.
fn received(address: &str, allowed: &[&str]) -> Result<Vec<String>, String> {
    let yard = Yard::new();
    let text = format!(
        "[source.a]\ntype = \"socket\"\naddress = \"{address}\"\nconnect-attempts = 1\n[sink.o]\ninput = \"a\"\ntype = \"null\""
    );
    let allowed = allowed.iter().map(|text| text.parse().unwrap());
    let confinement = Confinement::nothing().addresses(allowed);
    let topology = confine(yard.compiled(&text), &yard.path("data"), &confinement);
    let topology = topology.map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let clock = Arc::new(ManualClock::at(0));
    let setup = SourceSetup {
        clock: &*clock,
        runtime: runtime.handle(),
        interval: topology.batch_interval,
        parallelism: NonZeroUsize::MIN,
        logs: None,
        account: None,
    };
    let mut source = open_source(&topology.sources[0], setup).unwrap();
    for batch in 1.. {
        assert!(batch < 100_000_000, "nothing came");
        let claim = source.claim(BatchTime::from_millis(batch * 1_000));
        let rows = read(claim.map_err(|error| error.to_string())?)?;
        if !rows.is_empty() {
            return Ok(rows);
        }
        std::thread::yield_now();
    }
    Ok(Vec::new())
}

#[test]
fn a_source_connects_to_what_is_allowed_and_to_nothing_else() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().write_all(b"hello\n");
        }
    });
    let here = format!("127.0.0.1:{port}");
    let name = format!("localhost:{port}");
    let mapped = format!("[::ffff:127.0.0.1]:{port}");
    for (address, allowed) in [
        (&here, here.as_str()),
        (&name, "localhost:*"),
        (&name, "127.0.0.0/8:*"),
        (&mapped, "127.0.0.0/8:*"),
    ] {
        assert_eq!(
            received(address, &[allowed]).unwrap(),
            ["hello"],
            "{address} {allowed}"
        );
    }
    for (address, allowed, why) in [
        // What the text alone tells.
        (&here, "*:*", "source `a`, `address`: 127.0.0.1"),
        (&mapped, "*:*", "is not allowed"),
        (&name, "elsewhere:*", "is not allowed"),
        // What the name leads to.
        (&name, "*:*", "leads only to addresses"),
        (&name, "10.0.0.0/8:*", "leads only to addresses"),
    ] {
        let error = received(address, &[allowed]).unwrap_err();
        assert!(error.contains(why), "{address} {allowed}: {error}");
    }
}
