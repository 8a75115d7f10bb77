//! What lives as long as this instance: parsed settings and what functions keep between chunks.
//!
//! An instance serves one task and is dropped, so nothing here outlives a task.

use std::{
    any::{Any, TypeId},
    cell::RefCell,
};

use crate::{Settings, abi::faults::Fault, row, settings, task};

thread_local! {
    static KEPT: RefCell<Vec<(TypeId, Box<dyn Any>)>> = const { RefCell::new(Vec::new()) };
    #[cfg(not(target_arch = "wasm32"))]
    static TEST_SETTINGS: RefCell<Vec<(String, String)>> = const { RefCell::new(Vec::new()) };
}

/// Marks what function `F` keeps.
struct Kept<F, T> {
    of: std::marker::PhantomData<fn(F)>,
    value: T,
}

/// Runs `call` with what function `F` keeps between calls, made by `start` at first.
///
/// # Errors
/// Those of `start` and `call`.
pub(crate) fn keep<F: 'static, T: 'static, R>(
    start: impl FnOnce() -> Result<T, Fault>,
    call: impl FnOnce(&mut T) -> Result<R, Fault>,
) -> Result<R, Fault> {
    let id = TypeId::of::<Kept<F, T>>();
    let found = KEPT.with_borrow_mut(|kept| {
        let at = kept.iter().position(|(of, _)| *of == id)?;
        kept.swap_remove(at).1.downcast::<Kept<F, T>>().ok()
    });
    let mut kept = match found {
        Some(kept) => kept,
        None => Box::new(Kept {
            of: std::marker::PhantomData::<fn(F)>,
            value: start()?,
        }),
    };
    let result = call(&mut kept.value);
    KEPT.with_borrow_mut(|all| all.push((id, kept)));
    result
}

/// Runs `call` with the settings of the task.
pub(crate) fn settings<F: 'static, S: Settings, R>(
    call: impl FnOnce(&S) -> Result<R, Fault>,
) -> Result<R, Fault> {
    keep::<F, S, R>(read_settings, |settings| call(settings))
}

/// The settings of the task. Asks the host only if there can be any.
pub(crate) fn read_settings<S: Settings>() -> Result<S, Fault> {
    let pairs = if TypeId::of::<S>() == TypeId::of::<()>() {
        Vec::new()
    } else {
        task().settings
    };
    settings::parse(pairs).map_err(row::fault)
}

/// Sets what [`task`] says to this thread's test.
#[cfg(test)]
pub(crate) fn set_test_settings(settings: Vec<(String, String)>) {
    TEST_SETTINGS.set(settings);
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn test_settings() -> Vec<(String, String)> {
    TEST_SETTINGS.with_borrow(Clone::clone)
}
