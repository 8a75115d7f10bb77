//! What an instance may use, and that it is held to it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rsrt::plugin::{Engine, EngineOptions, InstanceLimits, Plugin, PluginFault, Preempt, Tick};

use super::{FAULTY, PLAIN, assert_works, call, instance, instance_for, limits, registry};
use crate::guests;

#[test]
fn cpu_time_memory_and_output_have_the_limits_that_were_given() {
    let cpu_time = Duration::from_millis(20);
    let (memory, output) = (4 << 20, 10_000);
    let tight = InstanceLimits {
        cpu_time,
        memory,
        output,
        ..limits()
    };
    let fault = |function: &str, lines: &[&str]| {
        let mut called = instance(&FAULTY, &tight).unwrap();
        let fault = call(&mut called, &FAULTY, function, lines).unwrap_err();
        assert!(called.usage().memory_peak <= memory, "{function}");
        fault
    };
    assert_eq!(
        fault("spins", &["a"]),
        PluginFault::OutOfTime { limit: cpu_time }
    );
    assert!(
        matches!(fault("eats-memory", &["a"]), PluginFault::OutOfMemory { limit, .. } if limit == memory)
    );
    let long = "x".repeat(10_000);
    assert_eq!(
        fault("echo", &[&long]),
        PluginFault::OutputTooLarge { limit: output }
    );
    assert_works(&FAULTY);
}

#[test]
fn the_time_is_that_of_all_calls_together() {
    let limits = InstanceLimits {
        cpu_time: Duration::from_millis(30),
        ..limits()
    };
    let mut called = instance(&FAULTY, &limits).unwrap();
    let line = "x".repeat(100_000);
    let many = vec![line.as_str(); 10];
    let fault = (0..1_000_000).find_map(|_| call(&mut called, &FAULTY, "echo", &many).err());
    assert_eq!(
        fault,
        Some(PluginFault::OutOfTime {
            limit: limits.cpu_time
        })
    );
    assert!(called.usage().cpu >= limits.cpu_time);
}

/// The least fuel with which `echo` comes through.
fn least_fuel(plugin: &Plugin, line: &str) -> u64 {
    let passes = |fuel| echo_with(plugin, fuel, line).is_ok();
    let (mut fails, mut enough) = (0, 100_000_000);
    assert!(passes(enough));
    while enough - fails > 1 {
        let middle = u64::midpoint(fails, enough);
        match passes(middle) {
            true => enough = middle,
            false => fails = middle,
        }
    }
    enough
}

fn echo_with(plugin: &Plugin, fuel: u64, line: &str) -> Result<Vec<String>, PluginFault> {
    let limits = InstanceLimits {
        fuel: Some(fuel),
        ..limits()
    };
    let mut called = instance(plugin, &limits)?;
    call(&mut called, plugin, "echo", &[line])
}

#[test]
fn the_same_work_takes_the_same_fuel() {
    let engine = Engine::new(EngineOptions { fuel: true }).unwrap();
    let plugin = guests::load(&engine, "faulty");
    let least = least_fuel(&plugin, "a line");
    assert_eq!(least_fuel(&plugin, "a line"), least);
    assert_eq!(
        echo_with(&plugin, least - 1, "a line"),
        Err(PluginFault::OutOfFuel { limit: least - 1 })
    );
    assert!(least_fuel(&plugin, &"a longer line".repeat(100)) > least);
}

/// Goes on for some ticks, then wants the call to end.
struct AbortAfter(std::sync::atomic::AtomicI32);

impl Preempt for AbortAfter {
    fn tick(&self) -> Tick {
        match self.0.fetch_sub(1, std::sync::atomic::Ordering::Relaxed) > 0 {
            true => Tick::Continue,
            false => Tick::Abort,
        }
    }
}

#[test]
fn a_call_is_aborted_when_the_host_says_so() {
    let mut called = instance_for(&FAULTY, &limits(), Arc::new(AbortAfter(3.into()))).unwrap();
    let fault = call(&mut called, &FAULTY, "spins", &["a"]).unwrap_err();
    assert_eq!(fault, PluginFault::Aborted);
    assert!(!fault.is_deterministic());
    assert_works(&FAULTY);
}

/// So many bytes are left for all instances.
struct Left(AtomicUsize);

impl Preempt for Left {
    fn tick(&self) -> Tick {
        Tick::Continue
    }

    fn grow(&self, from: usize, to: usize) -> bool {
        let order = Ordering::Relaxed;
        let less = |left: usize| left.checked_sub(to - from);
        self.0.fetch_update(order, order, less).is_ok()
    }

    fn shrink(&self, by: usize) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }
}

#[test]
fn memory_that_others_have_is_not_the_functions_fault() {
    const ALL: usize = 3 << 20;
    let left = Arc::new(Left(AtomicUsize::new(ALL)));
    let mut called = instance_for(&FAULTY, &limits(), left.clone()).unwrap();
    let fault = call(&mut called, &FAULTY, "eats-memory", &["a"]).unwrap_err();
    assert!(matches!(fault, PluginFault::NoMemoryLeft { .. }), "{fault}");
    // It may not leave out rows, nor keep them as dead letters: with more memory they pass.
    assert!(!fault.is_deterministic());
    assert!(fault.to_string().contains("`memory-total`"), "{fault}");
    assert!(called.usage().memory_peak <= ALL);
    drop(called);
    assert_eq!(left.0.load(Ordering::Relaxed), ALL, "it is given back");

    left.0.store(0, Ordering::Relaxed);
    let fault = instance_for(&FAULTY, &limits(), left.clone()).err();
    assert!(
        matches!(fault, Some(PluginFault::NoMemoryLeft { .. })),
        "{fault:?}"
    );
    assert_eq!(left.0.load(Ordering::Relaxed), 0);
}

#[test]
fn a_function_is_told_its_task() {
    let mut called = instance(&FAULTY, &limits()).unwrap();
    let rows = call(&mut called, &FAULTY, "tell-task", &["a"]).unwrap();
    assert_eq!(rows, ["a operator 7000 3"]);
}

#[test]
fn a_plugin_that_starts_with_more_memory_than_it_may_have_is_to_blame() {
    let loader = super::loading::loader();
    let plugin = loader.load(&registry("0.1.0", "", r#"(memory (export "memory") 400)"#));
    let fault = instance(&plugin.unwrap(), &limits()).err();
    let limit = limits().memory;
    assert!(
        matches!(fault, Some(PluginFault::OutOfMemory { limit: l, .. }) if l == limit),
        "{fault:?}"
    );
    let plugin = loader.load(&registry("0.1.0", "", PLAIN)).unwrap();
    assert!(instance(&plugin, &limits()).is_ok());
}
