//! A stream of batches, by as many processes as it takes.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::{Child, Command},
};

use super::{
    Random,
    batches::{
        Batches, Look, add_table, agree, are_all_there_once, are_prefixes, compare, files,
        numbered, received,
    },
    feed::Feed,
    flow::{Fed, Flow, LINES, Table},
    life::{self, End, Moment, Span},
    pause,
};
use crate::{command::Failed, repository::FailingHost};

/// Where every flow may die.
const POINTS: [&str; 20] = [
    "disk-append-before",
    "disk-append-after",
    "disk-sync-before",
    "disk-sync-after",
    "disk-rename-before",
    "disk-rename-after",
    "disk-remove-before",
    "disk-remove-after",
    "disk-names-before",
    "disk-names-after",
    "disk-cut-before",
    "disk-cut-after",
    "file-sync-before",
    "file-sync-after",
    "file-rename-before",
    "file-rename-after",
    "file-names-before",
    "file-names-after",
    "sinks-before",
    "sinks-after",
];

/// How long the last life may take to bring what is missing, in milliseconds.
const PATIENCE: u64 = 30_000;

/// How to run a flow.
pub(super) struct Stream<'a> {
    pub(super) flow: &'a Flow,
    pub(super) host: &'a FailingHost,
    pub(super) plugin: Option<PathBuf>,
    /// Of the server.
    pub(super) url: Option<String>,
    /// Holds it; one stream after the other.
    pub(super) folder: PathBuf,
}

/// Of an undisturbed run.
pub(super) struct Expected {
    /// Those of virtual time, numbered.
    batches: Batches,
    span: Span,
}

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) crashes: u64,
    at_points: u64,
    streams: u64,
    /// Batches that were in place, over all looks.
    batches: u64,
    partial: u64,
    /// Lines that no block held when a process died.
    unlogged: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: &Self) {
        self.crashes += other.crashes;
        self.at_points += other.at_points;
        self.streams += other.streams;
        self.batches += other.batches;
        self.partial += other.partial;
        self.unlogged += other.unlogged;
    }

    fn look(&mut self, look: Look) {
        self.batches += look.batches;
        self.partial += u64::from(look.partial);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            crashes,
            at_points,
            streams,
            batches,
            partial,
            unlogged,
        } = self;
        write!(
            f,
            "{crashes:>4} crashes ({at_points} at points) of {streams} streams; {batches} batches compared, \
             {partial} times the newest in part; 0 lost, 0 twice"
        )?;
        match unlogged {
            0 => Ok(()),
            _ => write!(f, "; {unlogged} lines sent that no block held"),
        }
    }
}

impl Stream<'_> {
    fn command(&self, place: &Path, feed: Option<&Feed>) -> Command {
        if self.flow.fed == Fed::Acknowledged {
            let mut helper = Command::new(&self.host.helper);
            helper.args(["receive", feed.map_or("", |feed| &feed.address)]);
            return helper;
        }
        let mut rsrt = self.host.host.command();
        rsrt.args(["run", "--quiet", "--topology"]);
        rsrt.arg(place.join("topo.toml")).args(&self.plugin);
        rsrt
    }

    /// An empty folder with the topology and its input.
    fn prepare(&self, place: &Path, feed: Option<&Feed>) -> Result<(), Failed> {
        fs::create_dir_all(place)?;
        let mut values = Vec::new();
        values.extend(feed.map(|feed| ("address", feed.address.clone())));
        values.extend(self.url.clone().map(|url| ("url", url)));
        values.push(("table", table_of(place)));
        fs::write(place.join("topo.toml"), self.flow.topology(&values))?;
        if self.flow.is_virtual() {
            fs::write(place.join("in.txt"), self.flow.file())?;
        }
        if self.flow.table == Some(Table::Postgres) {
            // The table of the topology, and one column that says in which order rows came.
            let table = table_of(place);
            self.ask(place, &format!(
                "DROP TABLE IF EXISTS {table}; CREATE TABLE {table} (n bigserial, key text, value bigint)"
            ))?;
        }
        Ok(())
    }

    /// Asks the database of the flow.
    fn ask(&self, place: &Path, query: &str) -> Result<Vec<String>, Failed> {
        let mut helper = Command::new(&self.host.helper);
        match self.flow.table {
            None => return Ok(Vec::new()),
            Some(Table::Sqlite) => helper.arg("sqlite").arg(place.join("out.db")),
            Some(Table::Postgres) => {
                let url = self.url.as_deref().unwrap_or_default();
                helper.args(["postgres", url])
            }
        };
        let output = helper.arg(query).output()?;
        if !output.status.success() {
            return Err(Failed(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        let rows = String::from_utf8(output.stdout)?;
        Ok(rows.lines().map(str::to_owned).collect())
    }

    fn rows(&self, place: &Path) -> Result<Vec<String>, Failed> {
        let (table, order) = match self.flow.table {
            Some(Table::Sqlite) => ("totals".to_owned(), "rowid"),
            _ => (table_of(place), "n"),
        };
        self.ask(
            place,
            &format!("SELECT key, value FROM {table} ORDER BY {order}"),
        )
    }

    /// Runs it once without harm.
    pub(super) fn undisturbed(&self) -> Result<Expected, Failed> {
        let place = self.folder.join("undisturbed");
        if !self.flow.is_virtual() {
            // By the wall clock no two runs are alike: what must hold is worked out from the lines.
            let mut tally = Tally::default();
            let span = Span {
                start: 400,
                whole: 1_600,
            };
            let batches = Batches::new();
            let expected = Expected { batches, span };
            self.live_at(&place, &expected, &mut Random(1), 0, &mut tally)?;
            return Ok(expected);
        }
        self.prepare(&place, None)?;
        let run = || {
            life::to_the_end(
                life::start(&mut self.command(&place, None), &place)?,
                &place,
            )
        };
        let whole = run()?;
        let mut batches = numbered(files(&place)?);
        let rows = self.rows(&place)?;
        let twins = batches.clone();
        add_table(&mut batches, &twins, &rows)?;
        if self.flow.table.is_some() && rows.is_empty() {
            return Err(Failed("the table is empty".to_owned()));
        }
        let last = batches.keys().map(|(_, number)| *number).max();
        if last.is_none_or(|last| last < 20) {
            return Err(Failed(format!("the last batch is {last:?}")));
        }
        // Again it has nothing to do but start.
        let start = run()?;
        let span = Span { start, whole };
        Ok(Expected { batches, span })
    }

    /// Runs it with up to so many deaths, then to its end.
    pub(super) fn live(
        &self,
        expected: &Expected,
        random: &mut Random,
        deaths: u64,
        tally: &mut Tally,
    ) -> Result<(), Failed> {
        let place = self.folder.join("killed");
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
        self.live_at(&place, expected, random, deaths, tally)?;
        tally.streams += 1;
        Ok(())
    }

    fn live_at(
        &self,
        place: &Path,
        expected: &Expected,
        random: &mut Random,
        deaths: u64,
        tally: &mut Tally,
    ) -> Result<(), Failed> {
        fs::create_dir_all(place)?;
        let feed = match self.flow.is_virtual() {
            true => None,
            false => Some(Feed::start(self.flow.fed, place)?),
        };
        let feed = feed.as_ref();
        self.prepare(place, feed)?;
        let points = [&POINTS, self.flow.points].concat();
        let mut before = Batches::new();
        for death in 0..deaths {
            if let Some(feed) = feed {
                // Some for each life, and some for the last one.
                let lines = LINES as u64 * (death + 1) / (deaths + 1);
                feed.allow(usize::try_from(lines)?);
            }
            let moment = Moment::choose(random, expected.span, &points);
            let end = life::until(&moment, &mut self.command(place, feed), place);
            let look = self.look(place, expected, &mut before);
            let (end, look) = (
                end?,
                look.map_err(|Failed(why)| format!("{moment:?}: {why}"))?,
            );
            tally.look(look);
            let End::Killed { at_point } = end else {
                break;
            };
            tally.crashes += 1;
            tally.at_points += u64::from(at_point);
        }
        if let Some(feed) = feed {
            feed.allow(LINES);
        }
        // A stop that comes while batches are made again leaves what was received to the next run.
        for _ in 0..3 {
            let child = life::start(&mut self.command(place, feed), place)?;
            self.end(child, place)?;
            if self.is_whole(place)? {
                break;
            }
        }
        let look = self.look(place, expected, &mut before)?;
        tally.look(look);
        if let Some(feed) = feed {
            let numbers = received(&before)?;
            match self.flow.fed {
                Fed::Socket => tally.unlogged += are_prefixes(&numbers, &feed.connections())?,
                _ => are_all_there_once(&numbers)?,
            }
        } else if before != expected.batches {
            return Err(Failed("some batches are lost".to_owned()));
        }
        match look.partial {
            true => Err(Failed("the newest batch is there in part".to_owned())),
            false => Ok(()),
        }
    }

    /// Waits for the end; of what does not end by itself, until the last line has come.
    fn end(&self, mut child: Child, place: &Path) -> Result<(), Failed> {
        if matches!(self.flow.fed, Fed::Directory | Fed::Socket) {
            let mut waited = 0;
            while !self.is_whole(place)? {
                if child.try_wait()?.is_some() || waited > PATIENCE {
                    child.kill()?;
                    child.wait()?;
                    return Err(Failed("the last line does not come".to_owned()));
                }
                pause(20);
                waited += 20;
            }
            life::ask_to_stop(&child)?;
        }
        life::to_the_end(child, place).map(|_| ())
    }

    /// The last line is there, where lines come by themselves.
    fn is_whole(&self, place: &Path) -> Result<bool, Failed> {
        Ok(self.flow.is_virtual() || received(&files(place)?)?.last() == Some(&(LINES - 1)))
    }

    /// Looks at what is in place, and remembers it.
    fn look(
        &self,
        place: &Path,
        expected: &Expected,
        before: &mut Batches,
    ) -> Result<Look, Failed> {
        let mut found = files(place)?;
        let look = match self.flow.is_virtual() {
            true => {
                found = numbered(found);
                add_table(&mut found, &expected.batches, &self.rows(place)?)?;
                compare(&found, &expected.batches)?
            }
            false => agree(&found, before)?,
        };
        *before = found;
        Ok(look)
    }
}

/// A name of its own for each place.
fn table_of(place: &Path) -> String {
    let name = place.file_name().unwrap_or_default();
    format!("totals_{}", name.to_string_lossy())
}
