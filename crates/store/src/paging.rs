//! Pages of a list, by keyset: stable while rows come and go, and as fast at the end as at the beginning.

use crate::select::number;
use crate::{Db, Error, FromRow, Param, Select};

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    Asc,
    /// Newest first; `after` leads to older items.
    #[default]
    Desc,
    /// Newest first with the cursors the other way round: `before` leads to older items, `after` to newer ones.
    Normal,
}

/// Which page of a list is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// The most items to return.
    pub limit: u32,
    /// The order of the items.
    pub order: Order,
    /// The id of an item; the page holds those directly before it.
    pub before: Option<String>,
    /// The id of an item; the page holds those that follow it.
    pub after: Option<String>,
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in the order asked for.
    pub data: Vec<T>,
    /// The cursor to ask for the page before with, if there is one.
    pub before: Option<String>,
    /// The cursor to ask for the page after with, if there is one.
    pub after: Option<String>,
}

/// An item that knows the id its cursor is made of.
pub trait Keyed {
    /// The value of the keyset's `id` column.
    fn key(&self) -> String;
}

/// The columns a list is ordered by. An index must cover them, after what the base SELECT compares for equality.
#[derive(Clone, Copy, Debug)]
pub enum Keyset {
    /// A time and, among equal times, the id.
    Created {
        /// A NOT NULL BIGINT column.
        created: &'static str,
        /// A unique TEXT column.
        id: &'static str,
    },
    /// A position of its own; rows without one are left out.
    Position {
        /// A unique BIGINT column.
        position: &'static str,
        /// A unique TEXT column, which cursors name.
        id: &'static str,
    },
}

impl<'a> Select<'a> {
    /// One page of the list. A cursor is looked up among the rows of the base SELECT, without the filters: it stays
    /// valid when its row stops to match one, and it never reaches a row outside of the scope.
    ///
    /// # Errors
    /// [`Error::UnknownCursor`] when a cursor names no row; see [`Error`] for the others.
    pub async fn page<T: FromRow + Keyed>(
        self,
        db: &Db,
        keyset: Keyset,
        request: &PageRequest,
    ) -> Result<Page<T>, Error> {
        let (before, after) = match request.order {
            Order::Asc | Order::Desc => (&request.before, &request.after),
            Order::Normal => (&request.after, &request.before),
        };
        let before = self.cursor(db, keyset, before.as_deref()).await?;
        let after = self.cursor(db, keyset, after.as_deref()).await?;
        // With `before` alone the items nearest to it are wanted: read backwards, then turned round.
        let backwards = before.is_some() && after.is_none();
        let followed = before.is_some();
        let preceded = after.is_some();

        let ascending = request.order == Order::Asc;
        let (mut sql, mut params) = self.filtered();
        if let Keyset::Position { position, .. } = keyset {
            sql.push_str(&format!(" AND {position} IS NOT NULL"));
        }
        for (cursor, greater) in [(after, ascending), (before, !ascending)] {
            if let Some(cursor) = cursor {
                sql.push_str(" AND ");
                sql.push_str(&keyset.compare(if greater { '>' } else { '<' }));
                params.extend(cursor);
            }
        }
        sql.push_str(&keyset.order(ascending != backwards));
        sql.push_str(" LIMIT ?");
        params.push(Param::Int(i64::from(request.limit) + 1));

        let sql = number(&sql, params.len())?;
        let mut data: Vec<T> = db.read_text(&sql, &params).await?;
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let more = data.len() > limit;
        data.truncate(limit);
        if backwards {
            data.reverse();
        }
        let (precedes, follows) = if backwards { (more, true) } else { (preceded, more || followed) };
        let first = data.first().filter(|_| precedes).map(Keyed::key);
        let last = data.last().filter(|_| follows).map(Keyed::key);
        Ok(match request.order {
            Order::Asc | Order::Desc => Page { data, before: first, after: last },
            Order::Normal => Page { data, before: last, after: first },
        })
    }

    /// The keyset values of the row that a cursor names.
    async fn cursor(
        &self,
        db: &Db,
        keyset: Keyset,
        id: Option<&str>,
    ) -> Result<Option<Vec<Param<'a>>>, Error> {
        let Some(id) = id else { return Ok(None) };
        let (column, id_column) = keyset.columns();
        let (mut sql, mut params) = self.base_with(&format!("{column}, {id_column}"))?;
        sql.push_str(&format!(" AND {id_column} = ?"));
        params.push(Param::Text(id.to_owned().into()));
        let sql = number(&sql, params.len())?;
        let rows: Vec<(Option<i64>, String)> = db.read_text(&sql, &params).await?;
        let Some((Some(value), id)) = rows.into_iter().next() else { return Err(Error::UnknownCursor) };
        Ok(Some(match keyset {
            Keyset::Created { .. } => vec![Param::Int(value), Param::from(id)],
            Keyset::Position { .. } => vec![Param::Int(value)],
        }))
    }
}

impl Keyset {
    fn columns(self) -> (&'static str, &'static str) {
        match self {
            Keyset::Created { created, id } => (created, id),
            Keyset::Position { position, id } => (position, id),
        }
    }

    fn compare(self, operator: char) -> String {
        match self {
            Keyset::Created { created, id } => format!("({created}, {id}) {operator} (?, ?)"),
            Keyset::Position { position, .. } => format!("{position} {operator} ?"),
        }
    }

    fn order(self, ascending: bool) -> String {
        let way = if ascending { "ASC" } else { "DESC" };
        match self {
            Keyset::Created { created, id } => format!(" ORDER BY {created} {way}, {id} {way}"),
            Keyset::Position { position, .. } => format!(" ORDER BY {position} {way}"),
        }
    }
}
