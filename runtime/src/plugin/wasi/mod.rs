//! WASI 0.2: what programs of other languages expect of an operating system, for plugins that
//! import it. Every known interface is linked, to an empty world; [`Grants`] put something into it.
//!
//! It is written by hand rather than taken from `wasmtime-wasi`, which waits on a tokio runtime of
//! its own and sleeps by the machine's clock: a thread of the pool would be blocked, and a result
//! could depend on when it was computed. Only the functions that a component imports are defined;
//! those that this host does not have end the call and say which it was.
//!
//! **Invariant:** without grants everything here depends on the task's name alone.

mod cli;
mod clocks;
mod files;
mod grants;
mod poll;
mod random;
mod refusal;
mod sockets;
mod streams;
mod world;

use wasmtime::{
    StoreContextMut,
    component::{Component, Linker, LinkerInstance, Resource, ResourceType, types::ComponentItem},
};

use super::host::Host;

pub use grants::{Access, Grants, NoDirectory};
pub(super) use refusal::Refusal;
pub(super) use world::World;

/// The interfaces of WASI 0.2 that are known, by package.
const INTERFACES: [(&str, &[&str]); 6] = [
    (
        "cli",
        &[
            "environment",
            "exit",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
        ],
    ),
    ("io", &["error", "poll", "streams"]),
    ("clocks", &["wall-clock", "monotonic-clock", "timezone"]),
    ("random", &["random", "insecure", "insecure-seed"]),
    ("filesystem", &["types", "preopens"]),
    (
        "sockets",
        &[
            "network",
            "instance-network",
            "ip-name-lookup",
            "tcp",
            "tcp-create-socket",
            "udp",
            "udp-create-socket",
        ],
    ),
];

/// What a function of the world is called with.
type Store<'a> = StoreContextMut<'a, Host>;

/// A resource that is only ever refused, such as a socket.
#[derive(Debug, Clone, Copy)]
struct Absent;

/// An import is of WASI 0.2, so that it is linked: to nothing, unless a topology grants more.
pub fn is_wasi(import: &str) -> bool {
    known(import).is_some()
}

/// The package and the interface of a name like `wasi:io/poll@0.2.3`.
fn known(import: &str) -> Option<(&str, &str)> {
    let (name, version) = import.strip_prefix("wasi:")?.split_once('@')?;
    let (package, interface) = name.split_once('/')?;
    let (_, interfaces) = INTERFACES.iter().find(|(known, _)| *known == package)?;
    let is_0_2 = version == "0.2" || version.starts_with("0.2.");
    (is_0_2 && interfaces.contains(&interface)).then_some((package, interface))
}

/// Links what the component imports of WASI; false if that is nothing.
pub(super) fn link(linker: &mut Linker<Host>, component: &Component) -> wasmtime::Result<bool> {
    let engine = component.engine().clone();
    let mut found = false;
    for (import, item) in component.component_type().imports(&engine) {
        let Some((package, interface)) = known(import) else {
            continue;
        };
        found = true;
        // Of anything else of this name the linker will say that it has the wrong type.
        let ComponentItem::ComponentInstance(instance) = item.ty else {
            continue;
        };
        let mut linker = linker.instance(import)?;
        for (name, item) in instance.exports(&engine) {
            match item.ty {
                ComponentItem::ComponentFunc(_)
                    if !define(&mut linker, package, interface, name)? =>
                {
                    let refusal = Refusal::NotGranted(format!("{import}#{name}"));
                    linker.func_new(name, move |_, _, _, _| Err(refusal.clone().into()))?;
                }
                ComponentItem::Resource(_) => define_resource(&mut linker, name)?,
                _ => {}
            }
        }
    }
    Ok(found)
}

fn define(
    linker: &mut LinkerInstance<'_, Host>,
    package: &str,
    interface: &str,
    name: &str,
) -> wasmtime::Result<bool> {
    match package {
        "cli" => cli::define(linker, name),
        "io" if interface == "poll" => poll::define(linker, name),
        "io" => streams::define(linker, name),
        "clocks" => clocks::define(linker, interface, name),
        "random" => random::define(linker, name),
        "filesystem" => files::define(linker, name),
        "sockets" => sockets::define(linker, name),
        _ => Ok(false),
    }
}

/// An interface that uses a resource of another one has it under the same name.
fn define_resource(linker: &mut LinkerInstance<'_, Host>, name: &str) -> wasmtime::Result<()> {
    match name {
        "pollable" => resource::<poll::Pollable>(linker, name),
        "error" => resource::<streams::Failure>(linker, name),
        "input-stream" => resource::<streams::InputStream>(linker, name),
        "output-stream" => resource::<streams::OutputStream>(linker, name),
        "descriptor" => resource::<files::Descriptor>(linker, name),
        "directory-entry-stream" => resource::<files::Listing>(linker, name),
        _ => resource::<Absent>(linker, name),
    }
}

fn resource<T: Send + 'static>(
    linker: &mut LinkerInstance<'_, Host>,
    name: &str,
) -> wasmtime::Result<()> {
    let dropped = |mut store: Store<'_>, handle| {
        let table = &mut world(&mut store)?.table;
        table.delete(Resource::<T>::new_own(handle))?;
        Ok(())
    };
    linker.resource(name, ResourceType::host::<T>(), dropped)
}

/// The world of an instance: there is one whenever something of it is linked.
fn world<'a>(store: &'a mut Store<'_>) -> wasmtime::Result<&'a mut World> {
    let world = store.data_mut().world.as_deref_mut();
    world.ok_or_else(|| wasmtime::Error::msg("the plugin has no world"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_are_six_packages_of_any_0_2() {
        for name in ["wasi:cli/environment@0.2.0", "wasi:sockets/tcp@0.2.12"] {
            assert!(is_wasi(name), "{name}");
        }
        for name in [
            "wasi:cli/environment@0.3.0",
            "wasi:cli/environment@0.20.0",
            "wasi:cli/environment",
            "wasi:cli/run@0.2.0",
            "wasi:http/types@0.2.0",
            "acme:cli/environment@0.2.0",
        ] {
            assert!(!is_wasi(name), "{name}");
        }
    }
}
