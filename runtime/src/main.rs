//! The `rsrt` command.

fn main() {}

