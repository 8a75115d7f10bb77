//! The command `rsrt`.

use std::process::ExitCode;

/// Many threads make and drop columns of a megabyte; the system's allocator gives them back to the
/// kernel each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    rsrt::cli::main()
}
