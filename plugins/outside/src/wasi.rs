//! The part of WASI 0.2 that this plugin imports, with the interfaces' own names and types.

#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::cast_possible_truncation,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]

wit_bindgen::generate!({
    inline: "
        package rsrt:outside;

        world outside {
            import wasi:cli/environment@0.2.0;
            import wasi:cli/exit@0.2.0;
            import wasi:cli/stdout@0.2.0;
            import wasi:cli/stderr@0.2.0;
            import wasi:clocks/wall-clock@0.2.0;
            import wasi:clocks/monotonic-clock@0.2.0;
            import wasi:clocks/timezone@0.2.0;
            import wasi:random/random@0.2.0;
            import wasi:random/insecure-seed@0.2.0;
            import wasi:filesystem/preopens@0.2.0;
            import wasi:sockets/tcp-create-socket@0.2.0;
        }

        package wasi:cli@0.2.0 {
            interface environment {
                get-environment: func() -> list<tuple<string, string>>;
                get-arguments: func() -> list<string>;
            }
            interface exit {
                exit: func(status: result);
            }
            interface stdout {
                use wasi:io/streams@0.2.0.{output-stream};
                get-stdout: func() -> output-stream;
            }
            interface stderr {
                use wasi:io/streams@0.2.0.{output-stream};
                get-stderr: func() -> output-stream;
            }
        }

        package wasi:io@0.2.0 {
            interface error {
                resource error {
                    to-debug-string: func() -> string;
                }
            }
            interface poll {
                resource pollable {
                    ready: func() -> bool;
                    block: func();
                }
                poll: func(in: list<borrow<pollable>>) -> list<u32>;
            }
            interface streams {
                use error.{error};
                use poll.{pollable};
                variant stream-error {
                    last-operation-failed(error),
                    closed,
                }
                resource input-stream {
                    blocking-read: func(len: u64) -> result<list<u8>, stream-error>;
                    subscribe: func() -> pollable;
                }
                resource output-stream {
                    blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
                }
            }
        }

        package wasi:clocks@0.2.0 {
            interface wall-clock {
                record datetime {
                    seconds: u64,
                    nanoseconds: u32,
                }
                now: func() -> datetime;
            }
            interface monotonic-clock {
                use wasi:io/poll@0.2.0.{pollable};
                now: func() -> u64;
                subscribe-duration: func(when: u64) -> pollable;
            }
            interface timezone {
                use wall-clock.{datetime};
                utc-offset: func(when: datetime) -> s32;
            }
        }

        package wasi:random@0.2.0 {
            interface random {
                get-random-bytes: func(len: u64) -> list<u8>;
                get-random-u64: func() -> u64;
            }
            interface insecure-seed {
                insecure-seed: func() -> tuple<u64, u64>;
            }
        }

        package wasi:filesystem@0.2.0 {
            interface types {
                use wasi:io/streams@0.2.0.{input-stream, output-stream};
                flags descriptor-flags {
                    read,
                    write,
                    file-integrity-sync,
                    data-integrity-sync,
                    requested-write-sync,
                    mutate-directory,
                }
                flags path-flags {
                    symlink-follow,
                }
                flags open-flags {
                    create,
                    directory,
                    exclusive,
                    truncate,
                }
                enum descriptor-type {
                    unknown,
                    block-device,
                    character-device,
                    directory,
                    fifo,
                    symbolic-link,
                    regular-file,
                    socket,
                }
                record directory-entry {
                    %type: descriptor-type,
                    name: string,
                }
                enum error-code {
                    access,
                    would-block,
                    already,
                    bad-descriptor,
                    busy,
                    deadlock,
                    quota,
                    exist,
                    file-too-large,
                    illegal-byte-sequence,
                    in-progress,
                    interrupted,
                    invalid,
                    io,
                    is-directory,
                    loop,
                    too-many-links,
                    message-size,
                    name-too-long,
                    no-device,
                    no-entry,
                    no-lock,
                    insufficient-memory,
                    insufficient-space,
                    not-directory,
                    not-empty,
                    not-recoverable,
                    unsupported,
                    no-tty,
                    no-such-device,
                    overflow,
                    not-permitted,
                    pipe,
                    read-only,
                    invalid-seek,
                    text-file-busy,
                    cross-device,
                }
                resource descriptor {
                    read-via-stream: func(offset: u64) -> result<input-stream, error-code>;
                    append-via-stream: func() -> result<output-stream, error-code>;
                    read-directory: func() -> result<directory-entry-stream, error-code>;
                    open-at: func(path-flags: path-flags, path: string, open-flags: open-flags, %flags: descriptor-flags) -> result<descriptor, error-code>;
                    rename-at: func(old-path: string, new-descriptor: borrow<descriptor>, new-path: string) -> result<_, error-code>;
                    unlink-file-at: func(path: string) -> result<_, error-code>;
                }
                resource directory-entry-stream {
                    read-directory-entry: func() -> result<option<directory-entry>, error-code>;
                }
            }
            interface preopens {
                use types.{descriptor};
                get-directories: func() -> list<tuple<descriptor, string>>;
            }
        }

        package wasi:sockets@0.2.0 {
            interface network {
                enum error-code {
                    unknown,
                    access-denied,
                    not-supported,
                    invalid-argument,
                    out-of-memory,
                    timeout,
                    concurrency-conflict,
                    not-in-progress,
                    would-block,
                    invalid-state,
                    new-socket-limit,
                    address-not-bindable,
                    address-in-use,
                    remote-unreachable,
                    connection-refused,
                    connection-reset,
                    connection-aborted,
                    datagram-too-large,
                    name-unresolvable,
                    temporary-resolver-failure,
                    permanent-resolver-failure,
                }
                enum ip-address-family {
                    ipv4,
                    ipv6,
                }
            }
            interface tcp {
                resource tcp-socket {
                    is-listening: func() -> bool;
                }
            }
            interface tcp-create-socket {
                use network.{error-code, ip-address-family};
                use tcp.{tcp-socket};
                create-tcp-socket: func(address-family: ip-address-family) -> result<tcp-socket, error-code>;
            }
        }
    ",
    world: "rsrt:outside/outside",
    generate_all,
    runtime_path: "::rsrt::abi::rt",
    bitflags_path: "wit_bindgen::rt::bitflags",
});

pub use wasi::*;
