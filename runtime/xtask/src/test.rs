//! `cargo xtask test`: everything that is checked, in the order in which it fails fastest.
//!
//! A step that fails ends it, with its output just above. What did not run is said at the end,
//! with the reason.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{self, Command},
};

use crate::{
    command::{Failed, answers, execute, execute_to},
    crash,
    repository::{Host, Repository, TESTS},
};

/// What to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// What needs this machine only.
    Usual,
    /// Also Debian's compiler, and an S3 server from PyPI.
    All,
}

/// From PyPI.
const S3_SERVER: [&str; 3] = ["moto[s3]==5.2.5", "flask", "flask-cors"];

/// Examples, and the plugin that each is started with.
const EXAMPLES: [(&str, &str); 6] = [
    ("click-sessions", "sessions"),
    ("network-word-count", "word-count"),
    ("spam-filter", "text-tools"),
    ("stateful-word-count", "word-count"),
    ("windowed-top-k", "word-count"),
    ("word-count", "word-count"),
];

pub(crate) fn run(scope: Scope) -> Result<(), Failed> {
    let mut steps = Steps {
        repository: Repository::find()?,
        ran: Vec::new(),
        not_run: Vec::new(),
    };
    let result = steps.all(scope);
    steps.summary(&result);
    result
}

/// The server, where Debian puts it or where the shell finds it.
fn has_postgres() -> bool {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut versions = versions.filter_map(Result::ok);
    answers("postgres", &["--version"])
        || versions.any(|version| version.path().join("bin/postgres").exists())
}

struct Steps {
    repository: Repository,
    ran: Vec<String>,
    not_run: Vec<(String, &'static str)>,
}

impl Steps {
    fn all(&mut self, scope: Scope) -> Result<(), Failed> {
        self.cargo("formatting", &["fmt", "--all", "--check"])?;
        self.cargo(
            "clippy",
            &["clippy", "--workspace", "--all-targets", "--", "-Dwarnings"],
        )?;
        let host = self.repository.test_host()?;
        self.plugins(&host)?;
        if scope == Scope::All {
            self.s3_server();
        }
        self.workspace_tests()?;
        self.cargo("doc tests", &["test", "--workspace", "--doc"])?;
        self.docs()?;
        self.examples(&host)?;
        self.new_project(&host)?;
        self.crashes()?;
        match scope {
            Scope::Usual => {
                self.leave_out("Debian's compiler", "only with --all");
            }
            Scope::All => {
                self.debian(&host)?;
            }
        }
        Ok(())
    }

    fn cargo(&mut self, name: &str, arguments: &[&str]) -> Result<(), Failed> {
        execute(&mut self.repository.cargo(arguments))?;
        self.ran(name);
        Ok(())
    }

    fn plugins(&mut self, host: &Host) -> Result<(), Failed> {
        let mut built = Vec::new();
        for plugin in self.repository.folders("plugins")? {
            self.repository.build_plugin(host, &plugin)?;
            built.push(plugin);
        }
        self.ran(format!("plugins built: {}", built.join(", ")));
        Ok(())
    }

    /// Of the host, this program, the SDK and the plugins; the latter two natively.
    fn workspace_tests(&mut self) -> Result<(), Failed> {
        let nextest = answers("cargo", &["nextest", "--version"]);
        if !has_postgres() {
            self.leave_out("tests against PostgreSQL", "its programs are not there");
        }
        if !self.has_s3_server() {
            self.leave_out(
                "tests against an S3 server",
                "there is no moto_server; --all gets it from PyPI",
            );
        }
        let (name, arguments): (_, &[&str]) = if nextest {
            ("tests (nextest)", &["nextest", "run", "--workspace"])
        } else {
            ("tests", &TESTS)
        };
        // Their result lines are what a reader of a build log looks for: standard output.
        execute_to(&mut self.repository.cargo(arguments))?;
        self.ran(name);
        Ok(())
    }

    /// In the target directory, where the tests look for it, or where the shell finds it.
    fn has_s3_server(&self) -> bool {
        answers("moto_server", &["--help"]) || self.s3_folder().join("bin/moto_server").exists()
    }

    fn s3_folder(&self) -> PathBuf {
        self.repository.target.join("s3-server")
    }

    /// Gets an S3 server that knows conditional writes. Without it its tests are left out.
    fn s3_server(&self) {
        if self.has_s3_server() {
            return;
        }
        let folder = self.s3_folder();
        let made = execute(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        let got = made.and_then(|()| {
            let mut pip = Command::new(folder.join("bin/python"));
            execute(
                pip.args(["-m", "pip", "install", "--quiet"])
                    .args(S3_SERVER),
            )
        });
        if got.is_err() {
            // Half of it would count as all.
            let _ = fs::remove_dir_all(&folder);
        }
    }

    fn docs(&mut self) -> Result<(), Failed> {
        // Private items are documented, so links to them lead somewhere.
        const FLAGS: &str = "-Dwarnings -Arustdoc::private-intra-doc-links";
        let arguments = [
            "doc",
            "--workspace",
            "--no-deps",
            "--document-private-items",
        ];
        execute(self.repository.cargo(&arguments).env("RUSTDOCFLAGS", FLAGS))?;
        self.ran("documentation");
        Ok(())
    }

    /// Golden cases of every example.
    fn examples(&mut self, host: &Host) -> Result<(), Failed> {
        for name in self.repository.folders("examples")? {
            let Some((_, plugin)) = EXAMPLES.iter().find(|(example, _)| *example == name) else {
                return Err(Failed(format!(
                    "examples/{name} is not tested: say in {} which plugin it is started with",
                    file!()
                )));
            };
            let example = self.repository.root.join("examples").join(&name);
            cases(
                host,
                &example,
                self.repository.component(plugin).as_os_str(),
            )?;
            self.ran(format!("example {name}"));
        }
        Ok(())
    }

    fn crashes(&mut self) -> Result<(), Failed> {
        crash::run(&[])?;
        self.ran("crashes");
        Ok(())
    }

    /// What `rsrt new` writes compiles and passes its own tests, away from this repository.
    fn new_project(&mut self, host: &Host) -> Result<(), Failed> {
        let folder = env::temp_dir().join(format!("rsrt-new-{}", process::id()));
        fs::create_dir_all(&folder)?;
        let project = folder.join("room-heat");
        execute(
            host.command()
                .arg("new")
                .arg("room-heat")
                .current_dir(&folder),
        )?;
        execute(
            Command::new("cargo")
                .args(["test", "--offline"])
                .current_dir(&project),
        )?;
        execute(host.command().arg("build").current_dir(&project))?;
        cases(host, &project, OsStr::new("room-heat.wasm"))?;
        execute(
            host.command()
                .args(["run", "room-heat.wasm", "--topology", "topo.toml"])
                .current_dir(&project),
        )?;
        fs::remove_dir_all(&folder)?;
        self.ran("a project of rsrt new");
        Ok(())
    }

    /// The other way to compile guests: the same plugin, the same results.
    fn debian(&mut self, host: &Host) -> Result<(), Failed> {
        const NAME: &str = "Debian's compiler";
        if !answers("apt-get", &["--version"]) {
            self.leave_out(NAME, "this is not Debian");
            return Ok(());
        }
        let component = self
            .repository
            .target
            .join("plugins-debian/word-count.wasm");
        let (name, way) = ("RSRT_GUEST_TOOLCHAIN", "debian");
        host.build(Path::new("plugins/word-count"), &component, &[(name, way)])?;
        let example = self.repository.root.join("examples/word-count");
        cases(host, &example, component.as_os_str())?;
        self.ran(NAME);
        Ok(())
    }

    fn ran(&mut self, name: impl Into<String>) {
        self.ran.push(name.into());
    }

    fn leave_out(&mut self, name: &str, why: &'static str) {
        self.not_run.push((name.to_owned(), why));
    }

    fn summary(&self, result: &Result<(), Failed>) {
        println!("\nsummary");
        for name in &self.ran {
            println!("  ok       {name}");
        }
        for (name, why) in &self.not_run {
            println!("  not run  {name}: {why}");
        }
        if let Err(Failed(why)) = result {
            println!("  FAILED   {why}\n  not run  what comes after it");
        }
    }
}

/// `rsrt test` in a folder with `topo.toml` and `cases.json`.
fn cases(host: &Host, folder: &Path, plugin: &OsStr) -> Result<(), Failed> {
    execute(
        host.command()
            .args(["test", "topo.toml", "--cases", "cases.json", "--plugin"])
            .arg(plugin)
            .current_dir(folder),
    )
}
