//! Lists: `limit`, `order`, `before`, `after` in; the list envelope out.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use store::{Order, Page, PageRequest};

use super::Params;
use crate::error::FieldError;
use crate::{Error, Result};

const DEFAULT_LIMIT: u32 = 10;
const MAX_LIMIT: u32 = 100;

/// Reads the paging parameters; `default_order` holds when `order` isn't sent.
pub fn page_request(params: &Params, default_order: Order) -> Result<PageRequest> {
    let limit = match params.get("limit")? {
        None => DEFAULT_LIMIT,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=MAX_LIMIT).contains(limit))
            .ok_or_else(|| Error::invalid("limit"))?,
    };
    let order = match params.get("order")? {
        None => default_order,
        Some("asc") => Order::Asc,
        Some("desc") => Order::Desc,
        Some("normal") => Order::Normal,
        Some(_) => return Err(Error::invalid("order")),
    };
    let before = params.get("before")?.map(ToOwned::to_owned);
    let after = params.get("after")?.map(ToOwned::to_owned);
    if before.is_some() && after.is_some() {
        return Err(Error::validation(vec![
            FieldError { code: "exclusive", field: "before".into() },
            FieldError { code: "exclusive", field: "after".into() },
        ]));
    }
    Ok(PageRequest { limit, order, before, after })
}

/// The list envelope.
#[derive(Debug)]
pub struct List<T>(pub Page<T>);

#[derive(Serialize)]
struct ListMetadata<'a> {
    before: Option<&'a str>,
    after: Option<&'a str>,
}

impl<T: Serialize> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_struct("List", 3)?;
        list.serialize_field("object", "list")?;
        list.serialize_field("data", &self.0.data)?;
        let metadata = ListMetadata { before: self.0.before.as_deref(), after: self.0.after.as_deref() };
        list.serialize_field("list_metadata", &metadata)?;
        list.end()
    }
}
