//! One life of a process: started, and killed or ended.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
};

use super::{Random, pause};
use crate::command::Failed;

/// Between two looks whether a process has ended.
const STEP: u64 = 2;

/// When a process is killed.
#[derive(Debug)]
pub(super) enum Moment {
    /// After so many milliseconds.
    After(u64),
    /// When it comes to this point, after so many passes; after so many milliseconds if it does not.
    Point(&'static str, u64, u64),
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Killed {
        at_point: bool,
    },
    /// It was done before anybody killed it.
    Done,
}

/// How long a process takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// Until it begins with its work.
    pub(super) start: u64,
    /// All of it.
    pub(super) whole: u64,
}

impl Moment {
    pub(super) fn choose(random: &mut Random, span: Span, points: &[&'static str]) -> Self {
        let middle = span.start + random.below(span.whole.saturating_sub(span.start).max(100) / 3);
        if random.below(2) == 0 {
            return Self::After(span.start / 2 + random.below(middle));
        }
        let point = points[usize::try_from(random.below(points.len() as u64)).unwrap_or(0)];
        // Half of the way it dies anyway, so that no flow comes to its end unharmed.
        let half = span.start + span.whole.saturating_sub(span.start) / 2;
        Self::Point(point, random.below(14), half)
    }
}

/// Starts it in its folder; what it says goes to a file there.
pub(super) fn start(command: &mut Command, place: &Path) -> Result<Child, Failed> {
    let words = File::create(place.join("said.txt"))?;
    let child = command.current_dir(place).stdin(Stdio::null());
    Ok(child.stdout(words.try_clone()?).stderr(words).spawn()?)
}

/// Lets it live until then.
pub(super) fn until(moment: &Moment, command: &mut Command, place: &Path) -> Result<End, Failed> {
    let (millis, is_point) = match moment {
        Moment::After(millis) => (*millis, false),
        Moment::Point(point, passes, at_most) => {
            command.env("FAILPOINTS", format!("{point}={passes}*off->return"));
            (*at_most, true)
        }
    };
    let mut child = start(command, place)?;
    let mut passed = 0;
    while passed < millis {
        if let Some(status) = child.try_wait()? {
            return match status.code() {
                None if is_point => Ok(End::Killed { at_point: true }),
                Some(0) => Ok(End::Done),
                _ => Err(failed(status, place)),
            };
        }
        pause(STEP);
        passed += STEP;
    }
    child.kill()?;
    match child.wait()?.code() {
        None => Ok(End::Killed { at_point: false }),
        Some(0) => Ok(End::Done),
        Some(_) => Err(Failed(said(place))),
    }
}

/// Waits until it has ended well; answers with how long that took.
pub(super) fn to_the_end(mut child: Child, place: &Path) -> Result<u64, Failed> {
    let mut passed = 0;
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(passed),
            Some(status) => return Err(failed(status, place)),
            None => {
                pause(STEP);
                passed += STEP;
            }
        }
    }
}

/// Asks it to stop gracefully.
pub(super) fn ask_to_stop(child: &Child) -> Result<(), Failed> {
    let asked = Command::new("kill").arg(child.id().to_string()).status()?;
    match asked.success() {
        true => Ok(()),
        false => Err(Failed("the process cannot be asked to stop".to_owned())),
    }
}

fn failed(status: ExitStatus, place: &Path) -> Failed {
    Failed(format!("the run failed ({status}): {}", said(place)))
}

fn said(place: &Path) -> String {
    fs::read_to_string(place.join("said.txt")).unwrap_or_default()
}
