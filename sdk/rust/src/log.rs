//! Lines to the topology's log. Natively, in tests, they go to stderr.

pub use crate::abi::host::Level;

/// Logs a line. The macros [`debug!`](crate::debug), [`info!`](crate::info), [`warn!`](crate::warn)
/// and [`error!`](crate::error) read better.
pub fn log(level: Level, message: &str) {
    if cfg!(target_arch = "wasm32") {
        crate::abi::host::log(level, message);
    } else {
        let level = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        eprintln!("{level}: {message}");
    }
}

/// Logs a line for whoever looks for a fault in this plugin.
#[macro_export]
macro_rules! debug { ($($line:tt)+) => { $crate::log::log($crate::log::Level::Debug, &::std::format!($($line)+)) } }
/// Logs a line that people may like to know.
#[macro_export]
macro_rules! info { ($($line:tt)+) => { $crate::log::log($crate::log::Level::Info, &::std::format!($($line)+)) } }
/// Logs a line that people should look at.
#[macro_export]
macro_rules! warn { ($($line:tt)+) => { $crate::log::log($crate::log::Level::Warn, &::std::format!($($line)+)) } }
/// Logs a line about something that went wrong.
#[macro_export]
macro_rules! error { ($($line:tt)+) => { $crate::log::log($crate::log::Level::Error, &::std::format!($($line)+)) } }
