//! A whole number of 64 bits, whichever width its column has. SQLite puts 64 bits into every INTEGER, while sqlx
//! reads a PostgreSQL `integer` as nothing but `i32`: with this type one entity serves them all, exactly.

use sea_orm::sea_query::{ArrayType, ColumnType, Nullable, ValueType, ValueTypeErr};
use sea_orm::{ColIdx, DbErr, IntoActiveValue, QueryResult, TryFromU64, TryGetError, TryGetable, Value};

/// A whole number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Integer(
    /// Its value.
    pub i64,
);

impl From<i64> for Integer {
    fn from(value: i64) -> Self {
        Self(value)
    }
}

impl From<Integer> for Value {
    fn from(value: Integer) -> Self {
        Self::BigInt(Some(value.0))
    }
}

impl TryGetable for Integer {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        // PostgreSQL's `integer` is the usual case there; asking for it first spares an error for each value.
        if row.try_as_pg_row().is_some()
            && let Ok(narrow) = Option::<i32>::try_get_by(row, index)
        {
            let missing = || TryGetError::Null(format!("{index:?}"));
            return narrow.map(|value| Self(i64::from(value))).ok_or_else(missing);
        }
        i64::try_get_by(row, index).map(Self)
    }
}

impl TryFromU64 for Integer {
    fn try_from_u64(value: u64) -> Result<Self, DbErr> {
        i64::try_from_u64(value).map(Self)
    }
}

impl ValueType for Integer {
    fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
        match value {
            Value::BigInt(Some(value)) => Ok(Self(value)),
            Value::Int(Some(value)) => Ok(Self(i64::from(value))),
            _ => Err(ValueTypeErr),
        }
    }

    fn type_name() -> String {
        "Integer".to_owned()
    }

    fn array_type() -> ArrayType {
        ArrayType::BigInt
    }

    fn column_type() -> ColumnType {
        ColumnType::BigInteger
    }
}

impl Nullable for Integer {
    fn null() -> Value {
        Value::BigInt(None)
    }
}

impl IntoActiveValue<Integer> for Integer {
    fn into_active_value(self) -> sea_orm::ActiveValue<Integer> {
        sea_orm::ActiveValue::Set(self)
    }
}
