//! Where things are, and building the host and the plugins.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::command::{Failed, execute};

/// Every test but those in documentation.
pub(crate) const TESTS: [&str; 5] = ["test", "--workspace", "--lib", "--bins", "--tests"];

/// This repository.
pub(crate) struct Repository {
    /// Its top level.
    pub(crate) root: PathBuf,
    /// Cargo's target directory.
    pub(crate) target: PathBuf,
}

impl Repository {
    /// Found from what cargo says when it runs this program, `<target>/debug/xtask`. Where it was
    /// built may be another checkout, if several share a target directory.
    pub(crate) fn find() -> Result<Self, Failed> {
        let package = env::var_os("CARGO_MANIFEST_DIR")
            .ok_or("CARGO_MANIFEST_DIR is not set: run this with `cargo xtask`")?;
        let root = fs::canonicalize(Path::new(&package).join("../.."))?;
        let program = env::current_exe()?;
        let target = program
            .ancestors()
            .nth(2)
            .ok_or("this program lies outside of a target directory")?;
        Ok(Self {
            root,
            target: target.to_owned(),
        })
    }

    /// Cargo, at the top level, filling this target directory.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = Command::new("cargo");
        cargo
            .args(arguments)
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target);
        cargo
    }

    /// The host, compiled for speed.
    pub(crate) fn release_host(&self) -> Result<Host, Failed> {
        let arguments = ["build", "--release", "--package", "rsrt", "--bin", "rsrt"];
        execute(&mut self.cargo(&arguments))?;
        Ok(self.host("release"))
    }

    /// All tests, compiled, and the host with them: by itself it would be compiled once more, as
    /// tests turn on features of its dependencies.
    pub(crate) fn test_host(&self) -> Result<Host, Failed> {
        execute(self.cargo(&TESTS).arg("--no-run"))?;
        Ok(self.host("debug"))
    }

    /// The host with points at which it can be told to die. It lies by itself, so that the usual
    /// one stays what tests and examples start.
    pub(crate) fn failing_host(&self) -> Result<FailingHost, Failed> {
        let usual = ["build", "--package", "rsrt", "--bin", "rsrt"];
        let failing = ["--example", "crash", "--features", "failpoints"];
        execute(&mut self.cargo(&[&usual[..], &failing].concat()))?;
        let folder = self.target.join("failpoints");
        fs::create_dir_all(&folder)?;
        let (program, helper) = (folder.join("rsrt"), folder.join("crash"));
        fs::copy(self.target.join("debug/rsrt"), &program)?;
        fs::copy(self.target.join("debug/examples/crash"), &helper)?;
        execute(&mut self.cargo(&usual))?;
        let host = Host {
            program,
            root: self.root.clone(),
            guests: self.target.join("guests"),
        };
        Ok(FailingHost { host, helper })
    }

    fn host(&self, folder: &str) -> Host {
        Host {
            program: self.target.join(folder).join("rsrt"),
            root: self.root.clone(),
            guests: self.target.join("guests"),
        }
    }

    /// Where the component of a plugin goes.
    pub(crate) fn component(&self, plugin: &str) -> PathBuf {
        self.target.join("plugins").join(format!("{plugin}.wasm"))
    }

    /// Builds `plugins/<plugin>`; installs a compiler for it if there is none.
    pub(crate) fn build_plugin(&self, host: &Host, plugin: &str) -> Result<PathBuf, Failed> {
        let component = self.component(plugin);
        host.build(&Path::new("plugins").join(plugin), &component, &[])?;
        Ok(component)
    }

    /// Names of the folders in a folder, sorted.
    pub(crate) fn folders(&self, folder: &str) -> Result<Vec<String>, Failed> {
        let folder = self.root.join(folder);
        let mut names = Vec::new();
        for entry in fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// A folder in the target directory, made empty.
    pub(crate) fn fresh_folder(&self, name: &str) -> Result<PathBuf, Failed> {
        let folder = self.target.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}

/// What is killed.
pub(crate) struct FailingHost {
    /// With points at which it dies.
    pub(crate) host: Host,
    /// A program with a receiver of its own, which dies there too, and looks into tables.
    pub(crate) helper: PathBuf,
}

/// The program `rsrt`, built.
pub(crate) struct Host {
    pub(crate) program: PathBuf,
    root: PathBuf,
    guests: PathBuf,
}

impl Host {
    /// `rsrt`, started at the top level; the guests it compiles share a target directory.
    pub(crate) fn command(&self) -> Command {
        let mut rsrt = Command::new(&self.program);
        rsrt.current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.guests);
        rsrt
    }

    /// Makes a component of the crate in `folder`, with these environment variables.
    pub(crate) fn build(
        &self,
        folder: &Path,
        component: &Path,
        variables: &[(&str, &str)],
    ) -> Result<(), Failed> {
        if let Some(parent) = component.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut rsrt = self.command();
        rsrt.arg("build").arg(folder).arg("-o").arg(component);
        execute(rsrt.arg("--install").envs(variables.iter().copied()))?;
        if component.is_file() {
            Ok(())
        } else {
            Err(Failed(format!(
                "rsrt build left no {}",
                component.display()
            )))
        }
    }
}
