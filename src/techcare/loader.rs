//! `migrate --loader seaorm`: rows of TechCare's own tables through the entities, `find().stream()` on one side and
//! `insert_many` on the other. Several times slower than the engines' bulk paths; it is there to hold them against.

use entity::{SqlAlchemyText, diagnostic, maintenance_plan, role, user};
use futures::TryStreamExt;
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction,
    DbBackend, DbErr, EntityTrait, IdenStatic, IntoActiveModel, Iterable, PrimaryKeyToColumn,
    TransactionTrait, Value,
};

use super::columns::{self, Kind};
use super::failure::failed;
use crate::model::batch::DEFAULT_BATCH_BYTES;
use crate::model::error::{ErrorKind, Result};

/// Copies one of TechCare's tables within one transaction of the target and returns the rows written; `None`,
/// with nothing done, if it is not one of them or if either side's columns are not those of the entity.
///
/// The table has its own name on both sides, so `to` has to be a connection whose namespace is the staging place;
/// where staging is a name prefix this loader cannot be used. `on_rows` hears of rows and bytes after each
/// statement. Rows are read outside the pipeline's snapshot: its proof tells if they were not the same.
pub async fn copy_table(
    table: &str,
    from: &DatabaseConnection,
    to: &DatabaseConnection,
    batch_rows: usize,
    on_rows: impl Fn(u64, u64) + Send + Sync,
) -> Result<Option<u64>> {
    match table {
        "roles" => copy::<role::Entity>(from, to, batch_rows, &on_rows).await,
        "users" => copy::<user::Entity>(from, to, batch_rows, &on_rows).await,
        "diagnostics" => copy::<diagnostic::Entity>(from, to, batch_rows, &on_rows).await,
        "maintenance_plans" => copy::<maintenance_plan::Entity>(from, to, batch_rows, &on_rows).await,
        _ => Ok(None),
    }
}

async fn copy<E>(
    from: &DatabaseConnection,
    to: &DatabaseConnection,
    batch_rows: usize,
    on_rows: &(impl Fn(u64, u64) + Send + Sync),
) -> Result<Option<u64>>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel>,
    E::ActiveModel: ActiveModelTrait<Entity = E> + Send,
{
    let table = E::default().table_name().to_owned();
    if !fits::<E>(from, &table).await? || !fits::<E>(to, &table).await? {
        return Ok(None);
    }
    let writing = |e| failed(ErrorKind::Write, format!("writing table {table}"), &e);
    let transaction = to.begin().await.map_err(writing)?;
    prepare(&transaction).await.map_err(writing)?;

    let reading = |e, key: Option<&String>| {
        let place = key.map_or(String::new(), |key| format!(" after {key}"));
        failed(ErrorKind::Read, format!("reading table {table}{place}"), &e)
    };
    let mut batch = Batch::<E> { rows: Vec::new(), bytes: 0, first: None };
    let most_rows = batch_rows.min(placeholders(to) / E::Column::iter().count()).max(1);
    let mut key = None;
    let mut written = 0;
    let mut stream = E::find().stream(from).await.map_err(|e| reading(e, None))?;
    loop {
        let next = stream.try_next().await.map_err(|e| reading(e, key.as_ref()))?;
        let done = next.is_none();
        if let Some(model) = next {
            key = batch.push(model);
        }
        if !batch.rows.is_empty()
            && (done || batch.rows.len() == most_rows || batch.bytes >= DEFAULT_BATCH_BYTES)
        {
            let bytes = batch.bytes;
            let rows = batch.insert(&transaction, &table, key.as_ref()).await?;
            written += rows;
            on_rows(rows, bytes.try_into().unwrap_or(u64::MAX));
        }
        if done {
            break;
        }
    }
    drop(stream);
    transaction.commit().await.map_err(writing)?;
    Ok(Some(written))
}

/// Rows of one INSERT.
struct Batch<E: EntityTrait> {
    rows: Vec<E::ActiveModel>,
    bytes: usize,
    first: Option<String>,
}

impl<E> Batch<E>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel>,
    E::ActiveModel: ActiveModelTrait<Entity = E> + Send,
{
    /// Takes a row and returns its key.
    fn push(&mut self, model: E::Model) -> Option<String> {
        // Every field set, or the target would fill in a default or hand out a key.
        let row = model.into_active_model().reset_all();
        self.bytes += E::Column::iter().map(|column| size(&row.get(column))).sum::<usize>();
        let key = E::PrimaryKey::iter().next().map(PrimaryKeyToColumn::into_column);
        let key = key.and_then(|column| match row.get(column) {
            ActiveValue::Set(Value::BigInt(Some(key))) => Some(format!("{}={key}", column.as_str())),
            _ => None,
        });
        if self.rows.is_empty() {
            self.first.clone_from(&key);
        }
        self.rows.push(row);
        key
    }

    /// Writes all rows and starts anew.
    async fn insert(&mut self, to: &DatabaseTransaction, table: &str, last: Option<&String>) -> Result<u64> {
        self.bytes = 0;
        let insert = E::insert_many(std::mem::take(&mut self.rows));
        insert.exec_without_returning(&SqlAlchemyText(to)).await.map_err(|e| {
            let range =
                self.first.as_ref().zip(last).map(|(first, last)| format!(", rows {first} to {last}"));
            failed(ErrorKind::Write, format!("writing table {table}{}", range.unwrap_or_default()), &e)
        })
    }
}

/// Bytes of a value as far as they vary.
fn size(value: &ActiveValue<Value>) -> usize {
    match value {
        ActiveValue::Set(Value::String(Some(text))) => text.len(),
        _ => size_of::<i64>(),
    }
}

/// Most placeholders of one statement.
fn placeholders(db: &DatabaseConnection) -> usize {
    match db.get_database_backend() {
        DbBackend::Sqlite => 32_766,
        _ => 65_535,
    }
}

/// MySQL: a key of 0 stays 0 instead of being handed out anew, and a value that does not fit is an error.
async fn prepare(to: &DatabaseTransaction) -> std::result::Result<(), DbErr> {
    if to.get_database_backend() == DbBackend::MySql {
        let strict = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO')";
        to.execute_unprepared(strict).await?;
    }
    Ok(())
}

/// Whether a table has exactly the columns of the entity, in whatever order, of types that its fields read.
async fn fits<E: EntityTrait>(db: &DatabaseConnection, table: &str) -> Result<bool> {
    let found = columns::of(db, table).await;
    let found =
        found.map_err(|e| failed(ErrorKind::Read, format!("reading the columns of table {table}"), &e))?;
    let same = |column: E::Column| {
        let wanted = Kind::wanted(column.def().get_column_type());
        found.iter().any(|(name, kind)| name == column.as_str() && kind.serves(wanted))
    };
    Ok(found.len() == E::Column::iter().count() && E::Column::iter().all(same))
}
