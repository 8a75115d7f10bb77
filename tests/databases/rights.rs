//! What the server allows.

use rsrt::sink::Sink;
use serde_json::json;

use super::{AT, counts, refused, server::Database, sink, spec};

#[test]
fn whoever_may_not_make_tables_can_use_those_that_are_there() {
    let Some(database) = Database::new() else {
        return;
    };
    // Users are of the whole server.
    let user = format!("clerk_{}", std::process::id());
    database.query(&format!("CREATE USER {user}; CREATE SCHEMA shop"));
    let batch = counts(&[json!([["a", 1]])]);
    let make = || sink(&database.url_of(&user), spec(&batch, "shop.words")).with_uid(Some("u"));

    database.query(&format!("GRANT USAGE ON SCHEMA shop TO {user}"));
    let error = refused(&mut make(), &batch);
    let (_, table) = error.split_once("or make the table yourself: ").unwrap();
    assert!(
        error.contains("permission denied for schema shop"),
        "{error}"
    );
    database.query(table);
    database.query(&format!("GRANT INSERT ON shop.words TO {user}"));

    let error = refused(&mut make(), &batch);
    let (head, table) = error.split_once("or make the table yourself: ").unwrap();
    assert!(
        head.contains("cannot make `rsrt_batches` beside table shop.words"),
        "{head}"
    );
    database.query(table);
    database.query(&format!(
        "GRANT SELECT, INSERT, DELETE ON shop.rsrt_batches TO {user}"
    ));

    let mut sink = make();
    sink.forget_before(AT);
    sink.write(AT, &batch).unwrap();
    assert_eq!(database.count("shop.words"), 1);
    assert_eq!(database.count("shop.rsrt_batches"), 1);
    drop(sink);
    database.query(&format!("DROP OWNED BY {user}; DROP USER {user}"));
}

#[test]
fn who_is_not_let_in_is_told_at_once() {
    let Some(database) = Database::new() else {
        return;
    };
    let batch = counts(&[json!([["a", 1]])]);
    let error = refused(
        &mut sink(&database.url_of("nobody_here"), spec(&batch, "words")),
        &batch,
    );
    assert!(
        error.ends_with(
            "role \"nobody_here\" does not exist; correct user, password or database of `url`"
        ),
        "{error}"
    );
    let url = format!("{}_not_there", database.url());
    let error = refused(&mut sink(&url, spec(&batch, "words")), &batch);
    assert!(
        error.contains("_not_there\" does not exist; correct"),
        "{error}"
    );
    let error = refused(
        &mut sink(&database.url(), spec(&batch, "missing.words")),
        &batch,
    );
    assert!(
        error.ends_with("schema \"missing\" does not exist; make the schema, or correct `table`"),
        "{error}"
    );
}
