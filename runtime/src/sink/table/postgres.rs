//! A PostgreSQL server.

mod advice;
mod dial;

use std::{
    future::{Future, poll_fn},
    io::{self, Cursor},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use futures_util::SinkExt;
use tokio::{runtime::Runtime, time};
use tokio_postgres::{Client, Connection, Error, NoTls, Socket, tls::NoTlsStream, types::Type};

use super::{Database, Failed, Identity, Put, Size, TableSpec, Transaction, copy, sql};
use crate::{
    crash_points::reached,
    format::{Cells, WrongColumns},
    model::{Batch, Kind},
    sink::TableProblem,
    topology::PostgresUrl,
};

/// How long it may take until the server says hello.
const CONNECT: Duration = Duration::from_secs(10);
/// How long it may take until it has let us in.
const LOGIN: Duration = Duration::from_secs(30);
/// After how long without a word from the other side one asks whether it is there.
const SILENCE: Duration = Duration::from_secs(30);
/// Before the second try; five times that before the third.
const PAUSE: Duration = Duration::from_millis(200);
/// Rows are sent in pieces of about so many bytes.
const PIECE: usize = 64 << 10;

/// Said to each new connection. A commit is to be on the disk when it returns, whatever the server's
/// default; and a server whose client has vanished is to notice and let go of what that one held,
/// for the next try waits for it.
const HELLO: &str = "\
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
SELECT set_config('tcp_keepalives_idle', '30', false), \
set_config('tcp_keepalives_interval', '10', false), \
set_config('tcp_keepalives_count', '3', false)";

/// Whoever makes tables holds this lock: two that make the same one at once would fail.
const MAKING: &str = "SELECT pg_advisory_xact_lock(8247329911036)";

/// A table of a server.
pub(super) struct Postgres {
    url: PostgresUrl,
    spec: TableSpec,
    /// Moves the connection while a batch is written; made for the first one.
    runtime: Option<Runtime>,
    open: Option<Open>,
}

/// A connection: what asks, and what carries questions and answers.
struct Open {
    client: Client,
    carrier: Carrier,
}

/// None once it has broken: only without it do those who wait for an answer wait no longer.
type Carrier = Option<Pin<Box<Connection<Socket, NoTlsStream>>>>;

/// What a step towards a written batch ran into.
enum Broken {
    Columns(WrongColumns),
    /// While doing this.
    Database(&'static str, Error),
    /// The server took too long to let us in.
    Late,
    /// The URL is a secret, and nobody gave its value.
    NoUrl,
    /// No address of it may be connected to, or its name is not known.
    Refused(io::Error),
}

fn while_it(action: &'static str) -> impl Fn(Error) -> Broken + Copy {
    move |error| Broken::Database(action, error)
}

impl Postgres {
    pub(super) fn new(url: &PostgresUrl, spec: TableSpec) -> Self {
        Self {
            url: url.clone(),
            spec,
            runtime: None,
            open: None,
        }
    }

    async fn put_on(
        &self,
        open: Option<Open>,
        given: &Transaction<'_>,
    ) -> Result<(Open, Put), Broken> {
        let mut open = match open {
            Some(open) => open,
            None => self.connect(given.identity.is_some()).await?,
        };
        let put = self.transact(&mut open.client, given);
        let put = carried(&mut open.carrier, put).await?;
        Ok((open, put))
    }

    /// Connects, and makes the tables.
    async fn connect(&self, with_identities: bool) -> Result<Open, Broken> {
        let config = time::timeout(LOGIN, dial::config(&self.url)).await;
        let config = config.map_err(|_| Broken::Late)?;
        let mut config = config.map_err(Broken::Refused)?.ok_or(Broken::NoUrl)?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE);
        }
        if config.get_keepalives_interval().is_none() {
            config.keepalives_idle(SILENCE);
            config.keepalives_interval(SILENCE / 3);
            config.keepalives_retries(3);
        }
        if config.get_application_name().is_none() {
            config.application_name("rsrt");
        }
        let connected = time::timeout(LOGIN, config.connect(NoTls)).await;
        let (mut client, connection) = connected
            .map_err(|_| Broken::Late)?
            .map_err(while_it("reach"))?;
        let mut carrier = Some(Box::pin(connection));
        let prepared = self.prepare(&mut client, with_identities);
        carried(&mut carrier, prepared).await?;
        Ok(Open { client, carrier })
    }

    async fn prepare(&self, client: &mut Client, with_identities: bool) -> Result<(), Broken> {
        client
            .batch_execute(HELLO)
            .await
            .map_err(while_it("reach"))?;
        let table = &self.spec.table;
        if self.spec.create {
            let make = sql::create_table(&self.spec, column_type);
            self.make(client, &sql::table(table), &make)
                .await
                .map_err(while_it("make"))?;
        }
        if with_identities {
            let make = sql::create_identities(table);
            self.make(client, &sql::identities(table), &make)
                .await
                .map_err(while_it(advice::MAKE_IDENTITIES))?;
        }
        Ok(())
    }

    /// Makes a table if it is not there: for one that is, no right to make tables is needed.
    async fn make(&self, client: &mut Client, name: &str, make: &str) -> Result<(), Error> {
        let is_there = "SELECT to_regclass($1) IS NOT NULL";
        let is_there = client
            .query_typed_one(is_there, &[(&name, Type::TEXT)])
            .await?;
        if is_there.try_get(0)? {
            return Ok(());
        }
        let transaction = client.transaction().await?;
        transaction.batch_execute(MAKING).await?;
        transaction.batch_execute(make).await?;
        transaction.commit().await
    }

    async fn transact(&self, client: &mut Client, given: &Transaction<'_>) -> Result<Put, Broken> {
        let insert = while_it("insert into");
        reached("postgres-begin-before");
        let transaction = client.transaction().await.map_err(insert)?;
        reached("postgres-begin-after");
        if let Some(identity) = &given.identity {
            let noted = self.note(&transaction, identity).await;
            if let Some(size) = noted.map_err(while_it("note the batch beside"))? {
                transaction.rollback().await.map_err(insert)?;
                return Ok(Put::Known(size));
            }
        }
        self.insert(&transaction, given.batch).await?;
        reached("postgres-commit-before");
        let committed = transaction.commit().await;
        reached("postgres-commit-after");
        committed.map_err(while_it("commit to"))?;
        Ok(Put::Inserted)
    }

    /// Writes the identity, or answers with the one that is there.
    async fn note(
        &self,
        transaction: &tokio_postgres::Transaction<'_>,
        identity: &Identity<'_>,
    ) -> Result<Option<Size>, Error> {
        let table = &self.spec.table;
        let Size { partitions, rows } = identity.size;
        let time = identity.time.as_millis();
        let (uid, sink) = ((&identity.uid, Type::TEXT), (&identity.sink, Type::TEXT));
        if let Some(before) = identity.forget {
            let before = before.as_millis();
            transaction
                .query_typed(
                    &sql::delete_identities(table),
                    &[
                        (uid.0, uid.1.clone()),
                        (sink.0, sink.1.clone()),
                        (&before, Type::INT8),
                    ],
                )
                .await?;
        }
        let is_new = transaction
            .query_typed(
                &sql::insert_identity(table),
                &[
                    (uid.0, uid.1.clone()),
                    (sink.0, sink.1.clone()),
                    (&time, Type::INT8),
                    (&partitions, Type::INT8),
                    (&rows, Type::INT8),
                ],
            )
            .await?;
        if !is_new.is_empty() {
            return Ok(None);
        }
        let there = transaction
            .query_typed(
                &sql::select_identity(table),
                &[(uid.0, uid.1), (sink.0, sink.1), (&time, Type::INT8)],
            )
            .await?;
        let Some(there) = there.first() else {
            // It was there a moment ago: someone removed it, and the batch was written.
            return Ok(Some(identity.size));
        };
        Ok(Some(Size {
            partitions: there.try_get(0)?,
            rows: there.try_get(1)?,
        }))
    }

    async fn insert(
        &self,
        transaction: &tokio_postgres::Transaction<'_>,
        batch: &Batch,
    ) -> Result<(), Broken> {
        let failed = while_it("insert into");
        let statement = sql::copy(&self.spec);
        let sink = transaction.copy_in(&statement).await.map_err(failed)?;
        let mut sink = pin!(sink);
        let mut text = Vec::new();
        for chunk in batch.chunks() {
            let columns = Cells::of(&self.spec.schema, chunk).map_err(Broken::Columns)?;
            for row in 0..chunk.num_rows() {
                copy::write_row(&columns, row, &mut text);
                if text.len() < PIECE {
                    continue;
                }
                let piece = Cursor::new(std::mem::take(&mut text));
                if let Err(error) = sink.feed(piece).await {
                    // The server has heard enough; why, it says at the end.
                    let why = sink.finish().await.err();
                    return Err(failed(why.unwrap_or(error)));
                }
            }
        }
        if !text.is_empty()
            && let Err(error) = sink.feed(Cursor::new(text)).await
        {
            let why = sink.finish().await.err();
            return Err(failed(why.unwrap_or(error)));
        }
        sink.finish().await.map_err(failed)?;
        Ok(())
    }

    fn failed(&self, broken: Broken) -> Failed {
        let (action, why, advice, again) = match broken {
            Broken::Columns(wrong) => return wrong.into(),
            Broken::NoUrl => {
                let why = "its URL is a secret that was given no value".to_owned();
                let advice = "run the topology as `Topology::with_secrets` made it".to_owned();
                ("reach", why, advice, false)
            }
            Broken::Late => {
                let why = format!("the server did not answer within {LOGIN:?}");
                ("reach", why, advice::REACH.to_owned(), true)
            }
            Broken::Refused(error) => {
                let again = error.kind() != io::ErrorKind::PermissionDenied;
                (
                    "reach",
                    self.url.hide(&error.to_string()),
                    advice::REACH.to_owned(),
                    again,
                )
            }
            Broken::Database(action, error) => (
                action,
                self.url.hide(&advice::why(&error)),
                advice::advice(&self.spec, action, &error),
                advice::may_pass(&error),
            ),
        };
        Failed {
            problem: self.problem(action, why, advice).into(),
            again,
        }
    }

    fn problem(&self, action: &'static str, why: String, advice: String) -> TableProblem {
        TableProblem {
            action,
            table: self.spec.table.clone(),
            database: self.url.to_string(),
            why,
            tries: 1,
            advice,
        }
    }
}

impl Database for Postgres {
    fn put(&mut self, transaction: &Transaction<'_>) -> Result<Put, Failed> {
        if let Some((why, advice)) = self.spec.refuses() {
            return Err(self.problem("insert into", why, advice).into());
        }
        let runtime = match self.runtime.take() {
            Some(runtime) => runtime,
            None => tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| {
                    let advice = "free memory and open files".to_owned();
                    self.problem("reach", error.to_string(), advice)
                })?,
        };
        let open = self.open.take();
        let put = runtime.block_on(self.put_on(open, transaction));
        self.runtime = Some(runtime);
        let (open, put) = put.map_err(|broken| self.failed(broken))?;
        self.open = Some(open);
        Ok(put)
    }

    fn disconnect(&mut self) {
        self.open = None;
    }

    fn wait(&mut self, tries: u32) {
        let pause = PAUSE * 5_u32.saturating_pow(tries.saturating_sub(1));
        if let Some(runtime) = &self.runtime {
            runtime.block_on(async { time::sleep(pause).await });
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.open = None;
        // Plainly dropped, it would wait, and that is forbidden where a runtime runs already.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Does the work while the connection carries what it asks. If the connection breaks, what broke it
/// is the error, not that it is broken.
async fn carried<T>(
    carrier: &mut Carrier,
    work: impl Future<Output = Result<T, Broken>>,
) -> Result<T, Broken> {
    let mut work = pin!(work);
    let mut ended = None;
    let done = poll_fn(|context| {
        if let Some(connection) = carrier
            && let Poll::Ready(end) = connection.as_mut().poll(context)
        {
            *carrier = None;
            ended = end.err();
        }
        work.as_mut().poll(context)
    });
    match (done.await, ended) {
        (Err(Broken::Database(action, error)), Some(cause)) if error.is_closed() => {
            Err(Broken::Database(action, cause))
        }
        (done, _) => done,
    }
}

fn column_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Boolean => "boolean",
        Kind::Int64 => "bigint",
        Kind::Float64 => "double precision",
        Kind::Utf8 => "text",
        Kind::Binary => "bytea",
        Kind::Timestamp => "timestamptz",
    }
}
