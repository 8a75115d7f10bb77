//! A table as a sink.

use rusqlite::Connection;

use super::Folder;

const TOPOLOGY: &str = r#"
name = "clicks"
batch-interval = "1s"
[source.clicks]
type = "queue"
schema = { user = "utf8", "spent.cents" = "int64?" }
path = "clicks.json"
[sink.out]
input = "clicks"
type = "sqlite"
path = "data/out.db"
table = "click log"
"#;

#[test]
fn rows_of_every_batch_are_in_the_table() {
    let clicks = r#"[
        [{"user": "ann", "spent": {"cents": 5}}, {"user": "bob", "spent": {"cents": null}}],
        [],
        [{"user": "ann", "spent": {"cents": 7}}]
    ]"#;
    let folder = Folder::new(&[("topo.toml", TOPOLOGY), ("clicks.json", clicks)]);
    folder.rsrt(&["run", "-t", "topo.toml"]).says(0, &[]);
    let database = Connection::open(folder.path().join("data/out.db")).unwrap();
    let mut rows = database
        .prepare("SELECT \"user\", \"spent.cents\" FROM \"click log\" ORDER BY rowid")
        .unwrap();
    let rows = rows
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    let rows: Vec<(String, Option<i64>)> = rows.map(Result::unwrap).collect();
    let expected = [("ann", Some(5)), ("bob", None), ("ann", Some(7))];
    assert_eq!(rows, expected.map(|(user, cents)| (user.to_owned(), cents)));
}

#[test]
fn a_table_that_does_not_fit_fails_the_batch_and_says_what_to_do() {
    let clicks = r#"[[{"user": "ann", "spent": {"cents": 5}}]]"#;
    let folder = Folder::new(&[("topo.toml", TOPOLOGY), ("clicks.json", clicks)]);
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let database = Connection::open(folder.path().join("data/out.db")).unwrap();
    database
        .execute_batch("CREATE TABLE \"click log\" (\"user\")")
        .unwrap();
    let words = [
        " ms: sink out: cannot insert into table click log of ",
        "the table must have the columns user, spent.cents",
    ];
    folder.rsrt(&["run", "-t", "topo.toml"]).says(1, &words);
}

#[test]
fn a_flow_names_the_table_and_what_is_guaranteed() {
    let folder = Folder::new(&[("topo.toml", TOPOLOGY)]);
    let ended = folder.rsrt(&["check", "topo.toml"]);
    ended.says(0, &[]);
    let line = "table click log of data/out.db, at least once of clicks";
    assert!(ended.stdout.contains(line), "{}", ended.stdout);
}
