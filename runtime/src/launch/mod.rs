//! From a topology's text and its plugins' bytes to a stream that can run. What a command line and
//! a server have in common; it knows neither.

mod clock_mode;
mod durable;
mod error;
mod grant;
mod launcher;
mod load;
mod loaders;

pub use clock_mode::Waits;
pub use durable::{open, pending, place};
pub use error::{LaunchError, report};
pub use grant::granted;
pub use launcher::{Launched, Launcher, Options, Outputs, Purpose, next};
pub use load::{Loaded, NamedBytes, State, Supply, Terms, assemble, check_initial};
pub use loaders::{Loaders, component, load_bytes};
