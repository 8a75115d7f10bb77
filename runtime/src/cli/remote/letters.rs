//! `rsrt dead-letters` of a deployed topology.

use std::{fmt::Write as _, process::ExitCode};

use serde_json::{Value, json};

use super::{
    Client, Remote, answer,
    client::{path, query},
};
use crate::{
    checkpoint::{ShownLetter, ShownLetters},
    cli::{
        Environment, Failure,
        output::{counted, plain},
    },
    model::TopologyName,
    server::{DroppedLetters, RetriedLetters},
};

/// Dead letters of one operator of a deployed topology, or of all.
pub(in crate::cli) struct Letters<'a> {
    pub(in crate::cli) name: &'a TopologyName,
    pub(in crate::cli) operator: Option<&'a str>,
    pub(in crate::cli) remote: &'a Remote,
}

impl Letters<'_> {
    pub(in crate::cli) fn show(&self, environment: &Environment) -> Result<ExitCode, Failure> {
        let all = self.all(environment)?;
        let json = json!({ "dead-letters": all });
        answer(self.remote.format, &json, || text(&all))
    }

    /// Their rows.
    pub(in crate::cli) fn rows(&self, environment: &Environment) -> Result<Vec<Value>, Failure> {
        let all = self.all(environment)?;
        Ok(all.into_iter().flat_map(|letter| letter.rows).collect())
    }

    pub(in crate::cli) fn forget(&self, environment: &Environment) -> Result<ExitCode, Failure> {
        let client = Client::new(self.remote, environment)?;
        let gone: DroppedLetters = client.delete(&self.path(&[])?)?;
        answer(self.remote.format, &json!(gone), || {
            let letters = counted(gone.dropped, "dead letter", "dead letters");
            format!("{letters} removed\n")
        })
    }

    pub(in crate::cli) fn retry(&self, environment: &Environment) -> Result<ExitCode, Failure> {
        let client = Client::new(self.remote, environment)?;
        let asked: RetriedLetters = client.post(&self.path_of("/retry", &[])?, None)?;
        answer(self.remote.format, &json!(asked), || {
            let letters = counted(asked.retried, "dead letter is", "dead letters are");
            format!("{letters} tried again with the next batches\n")
        })
    }

    fn all(&self, environment: &Environment) -> Result<Vec<ShownLetter>, Failure> {
        let client = Client::new(self.remote, environment)?;
        let (mut all, mut from) = (Vec::new(), Some(0));
        while let Some(at) = from {
            let asked = [("from", at.to_string()), ("limit", "1000".to_owned())];
            let page: ShownLetters = client.get(&self.path(&asked)?)?;
            all.extend(page.dead_letters);
            from = page.next;
        }
        Ok(all)
    }

    fn path(&self, asked: &[(&str, String)]) -> Result<String, Failure> {
        self.path_of("", asked)
    }

    fn path_of(&self, verb: &str, asked: &[(&str, String)]) -> Result<String, Failure> {
        let operator = self.operator.map(|name| ("operator", name));
        let asked = asked.iter().map(|(key, value)| (*key, value.as_str()));
        let asked: Vec<_> = asked.chain(operator).collect();
        let path = path(&[self.name.as_str(), "dead-letters"])?;
        query(&format!("{path}{verb}"), &asked)
    }
}

fn text(all: &[ShownLetter]) -> String {
    let mut text = String::new();
    let mut before = None;
    // To memory.
    for letter in all {
        if before != Some(letter.batch) {
            let _ = writeln!(text, "batch {} ms", letter.batch);
            for from in &letter.sources {
                let _ = writeln!(text, "  from {}: {}", from.source, from.range);
            }
            before = Some(letter.batch);
        }
        let (operator, partition) = (&letter.operator, letter.partition);
        let _ = writeln!(text, "\n  operator {operator}, partition {partition}");
        let _ = writeln!(text, "    {}", plain(&letter.reason));
        for line in &letter.backtrace {
            let _ = writeln!(text, "      {}", plain(line));
        }
        for row in &letter.rows {
            let _ = writeln!(text, "    {}", plain(&row.to_string()));
        }
        text.push('\n');
    }
    let letters = counted(all.len() as u64, "dead letter", "dead letters");
    let _ = writeln!(text, "{letters}");
    text
}
