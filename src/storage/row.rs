/// Declares a struct whose fields are columns of the same names; `..name: Other` takes in the columns of another one.
///
/// What `sqlx::FromRow` derives, for the three kinds of columns that there are (and those with NULL). The derive costs
/// every cold build a second copy of both drivers, SQLite's own C code included, for the macro to link.
macro_rules! row {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $(..$inner:ident: $columns:ty,)*
            $($(#[$doc:meta])* $seen:vis $field:ident: $kind:ty,)*
        }
    ) => {
        $(#[$meta])*
        $vis struct $name {
            $($inner: $columns,)*
            $($(#[$doc])* $seen $field: $kind,)*
        }

        impl<'r, R> sqlx::FromRow<'r, R> for $name
        where
            R: sqlx::Row,
            &'static str: sqlx::ColumnIndex<R>,
            i64: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
            String: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
            Vec<u8>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
        {
            fn from_row(row: &'r R) -> sqlx::Result<Self> {
                Ok(Self {
                    $($inner: sqlx::FromRow::from_row(row)?,)*
                    $($field: row.try_get(stringify!($field))?,)*
                })
            }
        }
    };
}

pub(super) use row;
