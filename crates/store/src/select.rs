//! [`Select`]: SELECT statements put together from static fragments.

use crate::{Db, Error, FromRow, Param};

/// A SELECT with optional filters. Fragments are static text with `?` placeholders, which are numbered as they are
/// put together; values only ever travel as parameters.
#[derive(Clone, Debug)]
pub struct Select<'a> {
    /// `SELECT .. FROM .. WHERE ..` with what scopes the list: the environment, the organization.
    base: &'static str,
    base_params: Vec<Param<'a>>,
    /// Filters, each beginning with ` AND `, with `?` placeholders.
    filters: String,
    filter_params: Vec<Param<'a>>,
    order: &'static str,
}

impl<'a> Select<'a> {
    /// Begins with a SELECT that ends in its WHERE clause. Everything that scopes the list belongs here, since cursors
    /// of [`Select::page`] are looked up among these rows only.
    pub fn new(base: &'static str, params: impl IntoIterator<Item = Param<'a>>) -> Self {
        Select {
            base,
            base_params: params.into_iter().collect(),
            filters: String::new(),
            filter_params: Vec::new(),
            order: "",
        }
    }

    /// Adds a condition.
    #[must_use]
    pub fn and(mut self, condition: &'static str, params: impl IntoIterator<Item = Param<'a>>) -> Self {
        self.filters.push_str(" AND ");
        self.filters.push_str(condition);
        self.filter_params.extend(params);
        self
    }

    /// Adds a condition with one placeholder if there is a value for it.
    #[must_use]
    pub fn and_if(self, condition: &'static str, value: Option<impl Into<Param<'a>>>) -> Self {
        match value {
            Some(value) => self.and(condition, [value.into()]),
            None => self,
        }
    }

    /// Adds `column IN (..)`; no values match no row.
    #[must_use]
    pub fn and_in(mut self, column: &'static str, values: impl IntoIterator<Item: Into<Param<'a>>>) -> Self {
        let mut values: Vec<Param<'a>> = values.into_iter().map(Into::into).collect();
        let Some(last) = values.last().cloned() else {
            self.filters.push_str(" AND 1 = 0");
            return self;
        };
        // Filled up to a power of two, so that the number of distinct texts to prepare stays small.
        values.resize(values.len().next_power_of_two(), last);
        self.filters.push_str(" AND ");
        self.filters.push_str(column);
        self.filters.push_str(" IN (?");
        self.filters.push_str(&", ?".repeat(values.len() - 1));
        self.filters.push(')');
        self.filter_params.extend(values);
        self
    }

    /// The order of [`Select::all`] and [`Select::scan`], such as `o.name, o.id`.
    #[must_use]
    pub fn order(mut self, columns: &'static str) -> Self {
        self.order = columns;
        self
    }

    /// All rows.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn all<T: FromRow>(self, db: &Db) -> Result<Vec<T>, Error> {
        let (sql, params) = self.finish()?;
        db.read_text(&sql, &params).await
    }

    /// All rows of what may take long; see [`Db::scan`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn scan<T: FromRow + Send + 'static>(self, db: &Db) -> Result<Vec<T>, Error> {
        let (sql, params) = self.finish()?;
        db.scan_text(&sql, &params).await
    }

    fn finish(self) -> Result<(String, Vec<Param<'a>>), Error> {
        let order = self.order;
        let (mut sql, params) = self.filtered();
        if !order.is_empty() {
            sql.push_str(" ORDER BY ");
            sql.push_str(order);
        }
        Ok((number(&sql, params.len())?, params))
    }

    /// The statement with all filters, still with `?` placeholders.
    pub(crate) fn filtered(self) -> (String, Vec<Param<'a>>) {
        let mut params = self.base_params;
        params.extend(self.filter_params);
        (format!("{}{}", self.base, self.filters), params)
    }

    /// The statement without filters and with other columns, still with `?` placeholders.
    pub(crate) fn base_with(&self, columns: &str) -> Result<(String, Vec<Param<'a>>), Error> {
        let from = top_level_from(self.base)
            .and_then(|at| self.base.get(at..))
            .ok_or_else(|| Error::other("a SELECT without FROM"))?;
        let skipped = placeholders(self.base) - placeholders(from);
        let params = self.base_params.iter().skip(skipped).cloned().collect();
        Ok((format!("SELECT {columns} {from}"), params))
    }
}

/// The pattern for `LOWER(column) LIKE ? ESCAPE '\\'` that finds `text` anywhere, in either case of ASCII letters. Both
/// engines fold only those: the columns have the "C" collation on PostgreSQL.
#[must_use]
pub fn contains(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for letter in text.chars() {
        if matches!(letter, '\\' | '%' | '_') {
            pattern.push('\\');
        }
        pattern.push(letter.to_ascii_lowercase());
    }
    pattern.push('%');
    pattern
}

/// The bytes of `sql` outside of quotes, with their places and the depth of parentheses.
fn code(sql: &str) -> impl Iterator<Item = (usize, u8, usize)> {
    let mut quote = None;
    let mut depth = 0_usize;
    sql.bytes().enumerate().filter_map(move |(at, byte)| {
        match (quote, byte) {
            (Some(open), _) => {
                if byte == open {
                    quote = None;
                }
                return None;
            }
            (None, b'\'' | b'"') => {
                quote = Some(byte);
                return None;
            }
            (None, b'(') => depth += 1,
            (None, b')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        Some((at, byte, depth))
    })
}

fn placeholders(sql: &str) -> usize {
    code(sql).filter(|(_, byte, _)| *byte == b'?').count()
}

/// Where the FROM of the statement itself begins.
fn top_level_from(sql: &str) -> Option<usize> {
    code(sql).find_map(|(at, byte, depth)| {
        let word = sql.get(at..at + 5)?;
        let begins = at > 0
            && sql.as_bytes().get(at - 1).is_some_and(u8::is_ascii_whitespace)
            && word.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("FROM"))
            && word.as_bytes().last().is_some_and(u8::is_ascii_whitespace);
        (begins && depth == 0 && matches!(byte, b'F' | b'f')).then_some(at)
    })
}

/// Numbers the `?` placeholders `$1..$n`.
pub(crate) fn number(sql: &str, params: usize) -> Result<String, Error> {
    use std::fmt::Write;
    let mut numbered = String::with_capacity(sql.len() + params * 2);
    let mut copied = 0;
    let mut count = 0;
    for (at, byte, _) in code(sql) {
        if byte == b'?' {
            count += 1;
            numbered.push_str(sql.get(copied..at).unwrap_or_default());
            // Writing to a String does not fail.
            let _ = write!(numbered, "${count}");
            copied = at + 1;
        }
    }
    numbered.push_str(sql.get(copied..).unwrap_or_default());
    if count != params {
        return Err(Error::other(format!("{count} placeholders, {params} values")));
    }
    Ok(numbered)
}
