//! Asks for what lies outside of the sandbox, by WASI 0.2, and tells what it got.
//!
//! Without a grant there is nothing: the clocks show the batch time, random numbers depend on the
//! task, and there are no variables, files or sockets. A topology may grant more.

mod files;
mod wasi;

use wasi::{
    cli::{environment, exit, stderr, stdout},
    clocks::{monotonic_clock, timezone, wall_clock},
    random::{insecure_seed, random},
    sockets::{network::IpAddressFamily, tcp_create_socket::create_tcp_socket},
};

/// What both clocks show, and some random numbers.
#[rsrt::map]
fn tell_all(line: &str) -> String {
    let time = wall_clock::now();
    let (first, second) = insecure_seed::insecure_seed();
    format!(
        "{line} {}.{:09} {} {:x} {:?} {first:x} {second:x}",
        time.seconds,
        time.nanoseconds,
        monotonic_clock::now(),
        random::get_random_u64(),
        random::get_random_bytes(5),
    )
}

/// Sleeps for so many seconds, and tells how many have passed by both clocks.
#[rsrt::map]
fn sleep(seconds: &str) -> String {
    let (wall, before) = (wall_clock::now(), monotonic_clock::now());
    let nanos = seconds.parse().unwrap_or(0) * 1_000_000_000;
    let timer = monotonic_clock::subscribe_duration(nanos);
    let was_ready = timer.ready();
    timer.block();
    let passed = (monotonic_clock::now() - before) / 1_000_000_000;
    let by_wall = wall_clock::now().seconds - wall.seconds;
    format!("{was_ready} {passed} {by_wall}")
}

/// The value of a variable of the environment.
#[rsrt::map]
fn variable(name: &str) -> Option<String> {
    let variables = environment::get_environment().into_iter();
    let mut values = variables.filter_map(|(known, value)| (known == name).then_some(value));
    values.next()
}

/// Writes lines to standard output, and to standard error with a mark.
#[rsrt::map]
fn say(line: &str) -> &str {
    let said = stdout::get_stdout().blocking_write_and_flush(format!("{line}\n").as_bytes());
    let complained = stderr::get_stderr().blocking_write_and_flush(format!("!{line}\n").as_bytes());
    match said.and(complained) {
        Ok(()) => line,
        Err(_) => "nobody listens",
    }
}

/// Asks for a socket.
#[rsrt::map]
fn socket(_: &str) -> String {
    match create_tcp_socket(IpAddressFamily::Ipv4) {
        Ok(_) => "a socket".to_owned(),
        Err(code) => code.name().to_owned(),
    }
}

/// Asks how late it is elsewhere, which this host does not know.
#[rsrt::map]
fn offset(_: &str) -> i64 {
    i64::from(timezone::utc_offset(wall_clock::now()))
}

/// Ends the program.
#[rsrt::map]
fn exit(line: &str) -> &str {
    exit::exit(Ok(()));
    line
}

rsrt::plugin! {
    tell_all, sleep, variable, say, socket, offset, exit,
    files::read, files::list, files::create, files::Keep,
}
