//! The files that a topology reads and that can go with it to another machine.

use std::path::{Component, Path};

use super::{Manifest, SourceEntry};
use crate::topology::SourceKind;

/// A file that a topology reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// Below the topology's directory; its names joined by `/`.
    pub path: String,
    /// Who reads it, for people.
    pub reader: String,
}

impl Manifest {
    /// The files below the topology's directory that it reads: of `file` and `queue` sources, with
    /// reference data and initial states; each once. What a `directory` source reads comes later.
    pub fn files(&self) -> Vec<NamedFile> {
        let sources = self.sources.iter().filter_map(source_file);
        let operators = self.operators.iter().flat_map(|operator| {
            let references = operator.references.iter().flatten();
            let references = references.map(|(_, data)| data);
            let data = references.chain(&operator.initial);
            data.filter_map(|data| {
                Some(NamedFile {
                    path: below(&data.path)?,
                    reader: format!("operator {}", operator.name.value),
                })
            })
        });
        let mut files: Vec<NamedFile> = Vec::new();
        for file in sources.chain(operators) {
            if files.iter().all(|known| known.path != file.path) {
                files.push(file);
            }
        }
        files
    }
}

fn source_file(source: &SourceEntry) -> Option<NamedFile> {
    let path = match source.kind.as_ref()? {
        SourceKind::File { path, .. }
        | SourceKind::Queue {
            path: Some(path), ..
        } => path.path(),
        SourceKind::Queue { path: None, .. }
        | SourceKind::Directory { .. }
        | SourceKind::Socket { .. }
        | SourceKind::Receiver { .. }
        | SourceKind::Generator(_) => return None,
    };
    Some(NamedFile {
        path: below(path)?,
        reader: format!("source {}", source.name.value),
    })
}

/// A path of plain names, joined by `/`; none if it leads elsewhere.
fn below(path: &Path) -> Option<String> {
    let mut names = Vec::new();
    for step in path.components() {
        match step {
            Component::CurDir => {}
            Component::Normal(name) => names.push(name.to_str()?),
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (!names.is_empty()).then(|| names.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_plain_names_can_go_elsewhere() {
        for (path, expected) in [
            ("a.csv", Some("a.csv")),
            ("./a//b/./c.csv", Some("a/b/c.csv")),
            ("../a", None),
            ("a/../b", None),
            ("/a", None),
            (".", None),
        ] {
            assert_eq!(below(Path::new(path)).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn what_sources_and_operators_read_is_named_once() {
        let text = "[source.a]\ntype = \"file\"\npath = \"in.txt\"\n\
            [source.b]\ntype = \"queue\"\nschema = \"int64\"\npath = \"q.json\"\n\
            [source.c]\ntype = \"file\"\npath = \"/srv/in.txt\"\n\
            [source.d]\ntype = \"directory\"\npath = \"in\"\n\
            [operator.o]\ninput = \"a\"\nmap = \"f\"\n\
            reference = { x = \"in.txt\", y = { path = \"sub/y.csv\" } }\n";
        let files = Manifest::parse("t.toml", text).unwrap().files();
        let files: Vec<_> = files.iter().map(|f| (&*f.path, &*f.reader)).collect();
        assert_eq!(
            files,
            [
                ("in.txt", "source a"),
                ("q.json", "source b"),
                ("sub/y.csv", "operator o")
            ]
        );
    }
}
