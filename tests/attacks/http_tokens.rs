//! Guessing tokens.

use super::victim::Victim;
use crate::serve::ask;

/// Attempts of an address in a minute.
const MOST: usize = 20;

#[test]
fn who_guesses_is_not_looked_at_and_everybody_else_is() {
    let mut victim = Victim::start("");
    victim.feed(1_000);
    let guess = |address: &str, token: &str| {
        let mut stream = victim.served.connect_from(address);
        ask(
            &mut stream,
            ("GET", "/v1/namespaces/victim/topologies", token),
            b"",
        )
    };
    let token = victim.token.clone();
    let (id, secret) = token.rsplit_once('_').unwrap();
    let wrong = |number: usize| format!("{id}_{number:0>width$}", width = secret.len());
    for number in 0..MOST {
        assert_eq!(guess("127.0.0.2", &wrong(number)).0, 401);
    }
    for number in 0..MOST {
        let (code, answer) = guess("127.0.0.2", &wrong(number));
        assert!(
            code == 429 && answer.contains("try again in"),
            "{code} {answer}"
        );
    }
    // Not even the right one is found out now from there.
    assert_eq!(guess("127.0.0.2", &token).0, 429);
    // It is good elsewhere, and others are good there.
    assert_eq!(guess("127.0.0.1", &token).0, 200);
    let other = victim.served.token(&["--namespace", "victim"]);
    assert_eq!(guess("127.0.0.2", &other).0, 200);
    // To guess ids is no better: what is answered does not tell which there are.
    let unknown = |number: usize| format!("rsrt_{number:012x}_{secret}");
    let codes: Vec<u16> = (0..2 * MOST)
        .map(|n| guess("127.0.0.3", &unknown(n)).0)
        .collect();
    assert_eq!(codes[..MOST], [401; MOST]);
    assert_eq!(codes[MOST..], [429; MOST]);
    assert_eq!(
        guess("127.0.0.3", "rsrt_x_y"),
        guess("127.0.0.3", &unknown(1))
    );
    assert_eq!(guess("127.0.0.3", &token).0, 200);
    // Without a token nothing is guessed.
    assert_eq!(guess("127.0.0.3", "").0, 401);
    victim.is_unharmed();
}
