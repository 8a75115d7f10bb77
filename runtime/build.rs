//! Lists the files of the Rust SDK, so that `rsrt new` can unpack them beside a plugin.

use std::{
    env,
    error::Error,
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk/rust");
    let mut files = Vec::new();
    list(&sdk, &mut files).map_err(|error| format!("{}: {error}", sdk.display()))?;
    files.sort();

    let mut source = "&[\n".to_owned();
    for file in &files {
        let name = file.strip_prefix(&sdk)?.display().to_string();
        let path = fs::canonicalize(file)?.display().to_string();
        writeln!(source, "    ({name:?}, include_bytes!({path:?})),")?;
    }
    source.push_str("]\n");
    let out = env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR for build scripts")?;
    fs::write(PathBuf::from(out).join("sdk_sources.rs"), source)?;
    Ok(())
}

/// Sources only: no build results, no tests.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if entry.file_type()?.is_dir() {
            if name != "target" && name != "tests" {
                list(&path, files)?;
            }
        } else if path
            .extension()
            .is_some_and(|e| e == "rs" || e == "toml" || e == "md")
        {
            println!("cargo::rerun-if-changed={}", path.display());
            files.push(path);
        }
    }
    Ok(())
}
