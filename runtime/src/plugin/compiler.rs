//! Compiling a component, in a child process that may not use more than its share.
//!
//! A small component can be written to take minutes and gigabytes to compile. So the work happens
//! in a child, which lowers its own limits before it reads a byte, and is dropped with its memory.

use std::{
    io::{self, Read as _, Write as _},
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::{Resource, Rlimit, nice, setrlimit};

use super::{Engine, EngineOptions};

/// How components are compiled.
#[derive(Debug, Clone)]
pub enum Compiler {
    /// In this process, without limits: for plugins that are trusted, and for tests.
    InProcess,
    /// In a child.
    Child {
        /// The `rsrt` binary: started as `rsrt compile-component`, it reads a component from
        /// standard input and writes code to standard output ([`compile_child`]).
        program: PathBuf,
        /// What the child may use.
        limits: CompileLimits,
    },
}

/// What compiling one component may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// CPU time, all threads together; whole seconds.
    pub cpu_time: Duration,
    /// Address space in bytes.
    pub memory: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            cpu_time: Duration::from_mins(1),
            memory: 4 << 30,
        }
    }
}

/// The name of the hidden subcommand.
pub(crate) const SUBCOMMAND: &str = "compile-component";

/// How much a child steps back behind other processes.
const NICER: i32 = 10;

/// Bytes of code that a child may return.
const MOST_CODE: u64 = 1 << 30;

impl Compiler {
    /// Compiled code of a component; the error is one paragraph for people.
    pub(super) fn compile(&self, engine: &Engine, component: &[u8]) -> Result<Vec<u8>, String> {
        match self {
            Compiler::InProcess => precompile(engine.wasmtime(), component),
            Compiler::Child { program, limits } => {
                in_child(program, *limits, engine.options(), component)
            }
        }
    }
}

fn precompile(engine: &wasmtime::Engine, component: &[u8]) -> Result<Vec<u8>, String> {
    engine
        .precompile_component(component)
        .map_err(|error| format!("{error:#}"))
}

fn in_child(
    program: &PathBuf,
    limits: CompileLimits,
    options: EngineOptions,
    component: &[u8],
) -> Result<Vec<u8>, String> {
    let trouble = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    let mut child = Command::new(program)
        .arg(SUBCOMMAND)
        .args(["--cpu-seconds", &limits.cpu_time.as_secs().to_string()])
        .args(["--memory", &limits.memory.to_string()])
        .args(options.fuel.then_some("--fuel"))
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(trouble("the process that compiles plugins did not start"))?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (mut code, mut message) = (Vec::new(), String::new());
    // Three pipes, three readers or writers: none can fill up and hold the others.
    let piped = std::thread::scope(|scope| {
        scope.spawn(move || stdin.map(|mut pipe| pipe.write_all(component)));
        scope.spawn(|| stderr.map(|pipe| pipe.take(10_000).read_to_string(&mut message)));
        stdout.map_or(Ok(0), |pipe| pipe.take(MOST_CODE).read_to_end(&mut code))
    });
    let status = child.wait().map_err(trouble("waiting for the compiler"))?;
    piped.map_err(trouble("reading compiled code"))?;
    if status.success() {
        return Ok(code);
    }
    let message = message.trim();
    let exhausted = message.contains("memory allocation") || message.contains("allocate memory");
    match (status.code(), message) {
        (Some(1), why) if !why.is_empty() && !exhausted => Err(why.to_owned()),
        _ => Err(format!(
            "it takes more than {} s of CPU or {} MiB of memory to compile ({status})",
            limits.cpu_time.as_secs(),
            limits.memory >> 20
        )),
    }
}

/// What the child does: limits itself, then compiles standard input to standard output.
///
/// # Errors
/// One paragraph for people, to be printed before exiting with 1.
pub fn compile_child(limits: CompileLimits, options: EngineOptions) -> Result<(), String> {
    let limit = |resource, most: u64| {
        let both = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, both).map_err(|error| format!("limits cannot be set: {error}"))
    };
    limit(Resource::Cpu, limits.cpu_time.as_secs().max(1))?;
    limit(Resource::As, limits.memory)?;
    limit(Resource::Core, 0)?;
    // What runs already goes first. Who may not be nicer compiles all the same.
    let _ = nice(NICER);
    let mut component = Vec::new();
    io::stdin()
        .lock()
        .read_to_end(&mut component)
        .map_err(|error| format!("the component cannot be read: {error}"))?;
    let engine = Engine::compiling(options).map_err(|error| error.to_string())?;
    let code = precompile(&engine, &component)?;
    io::stdout()
        .lock()
        .write_all(&code)
        .map_err(|error| format!("the code cannot be written: {error}"))
}
