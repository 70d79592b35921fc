//! Pages against a plain list that does the same in memory.

use std::collections::HashSet;

use store::{Db, Error, FromRow, Keyed, Keyset, Order, Page, PageRequest, Row, Select, params, transaction};

use crate::harness::{Dice, on_each_engine};

const TABLE: &str = "CREATE TABLE items (
        id TEXT PRIMARY KEY, environment TEXT NOT NULL, created_at BIGINT NOT NULL, colour BIGINT NOT NULL,
        position BIGINT UNIQUE);
    CREATE INDEX items_page ON items (environment, created_at, id)";

const CREATED: Keyset = Keyset::Created { created: "i.created_at", id: "i.id" };
const POSITION: Keyset = Keyset::Position { position: "i.position", id: "i.id" };

#[derive(Clone, Debug, PartialEq)]
struct Item {
    id: String,
    environment: &'static str,
    created_at: i64,
    colour: i64,
    position: Option<i64>,
}

/// What a list shows of an item.
#[derive(Clone, Debug, PartialEq)]
struct Shown(String);

impl FromRow for Shown {
    fn from_row(row: &mut Row<'_>) -> Result<Self, Error> {
        row.next().map(Shown)
    }
}

impl Keyed for Shown {
    fn key(&self) -> String {
        self.0.clone()
    }
}

async fn insert(db: &Db, item: &Item) {
    let inserted: Result<u64, Error> = transaction!(db, |tx| {
        tx.execute(
            "INSERT INTO items (id, environment, created_at, colour, position) VALUES ($1, $2, $3, $4, $5)",
            params![&item.id, item.environment, item.created_at, item.colour, item.position],
        )
        .await
    });
    inserted.unwrap();
}

async fn page(
    db: &Db,
    keyset: Keyset,
    colour: Option<i64>,
    request: &PageRequest,
) -> Result<Page<Shown>, Error> {
    Select::new(
        "SELECT i.id, (SELECT count(*) FROM items WHERE environment <> ?) FROM items i WHERE i.environment = ?",
        ["nobody".into(), "home".into()],
    )
    .and_if("i.colour = ?", colour)
    .page(db, keyset, request)
    .await
}

/// The same in memory.
fn model(items: &[Item], keyset: Keyset, colour: Option<i64>, request: &PageRequest) -> Option<Page<Shown>> {
    let key = |item: &Item| match keyset {
        Keyset::Created { .. } => Some((item.created_at, item.id.clone())),
        Keyset::Position { .. } => item.position.map(|position| (position, String::new())),
    };
    let mut scope: Vec<&Item> =
        items.iter().filter(|item| item.environment == "home" && key(item).is_some()).collect();
    scope.sort_by_key(|item| key(item));
    if request.order != Order::Asc {
        scope.reverse();
    }
    let normal = request.order == Order::Normal;
    let (before, after) =
        if normal { (&request.after, &request.before) } else { (&request.before, &request.after) };
    let place = |id: &Option<String>| -> Option<Option<usize>> {
        match id {
            None => Some(None),
            Some(id) => scope.iter().position(|item| item.id == *id).map(Some),
        }
    };
    let (start, end) = (place(after)?, place(before)?);
    let window: Vec<&Item> = scope
        .iter()
        .enumerate()
        .filter(|(at, _)| start.is_none_or(|start| *at > start) && end.is_none_or(|end| *at < end))
        .map(|(_, item)| *item)
        .filter(|item| colour.is_none_or(|colour| item.colour == colour))
        .collect();
    let limit = usize::try_from(request.limit).unwrap();
    let backwards = end.is_some() && start.is_none();
    let cut = window.len().saturating_sub(limit);
    let data: Vec<Shown> = if backwards { &window[cut..] } else { &window[..window.len() - cut] }
        .iter()
        .map(|item| Shown(item.id.clone()))
        .collect();
    let precedes = if backwards { cut > 0 } else { start.is_some() };
    let follows = end.is_some() || cut > 0;
    let first = data.first().filter(|_| precedes).map(Keyed::key);
    let last = data.last().filter(|_| follows).map(Keyed::key);
    Some(if normal {
        Page { data, before: last, after: first }
    } else {
        Page { data, before: first, after: last }
    })
}

fn roll(dice: &mut Dice, number: u64) -> Item {
    Item {
        id: format!("item_{:04}_{number}", dice.below(10_000)),
        environment: if dice.below(5) == 0 { "elsewhere" } else { "home" },
        // Few distinct times: most are shared by several items.
        created_at: i64::try_from(dice.below(8)).unwrap(),
        colour: i64::try_from(dice.below(3)).unwrap(),
        position: (dice.below(6) > 0).then(|| i64::try_from(number).unwrap()),
    }
}

const ORDERS: [Order; 3] = [Order::Asc, Order::Desc, Order::Normal];

#[tokio::test]
async fn pages_match_the_model() {
    on_each_engine(TABLE, async |fresh| {
        let db = &fresh.db;
        let mut dice = Dice(0xfeed);
        let mut items = Vec::new();
        for number in 0..60 {
            let item = roll(&mut dice, number);
            insert(db, &item).await;
            items.push(item);
        }
        let mut unknown = 0;
        for _ in 0..1500 {
            let mut cursor = |share: u64| match dice.below(20) {
                0 => Some("item_nowhere".to_owned()),
                side if side < share => Some(items[usize::try_from(dice.below(60)).unwrap()].id.clone()),
                _ => None,
            };
            let request = PageRequest {
                before: cursor(8),
                after: cursor(8),
                limit: u32::try_from(dice.below(12)).unwrap(),
                order: ORDERS[usize::try_from(dice.below(3)).unwrap()],
            };
            let keyset = if dice.below(2) == 0 { CREATED } else { POSITION };
            let colour = (dice.below(2) == 0).then(|| i64::try_from(dice.below(4)).unwrap());
            let expected = model(&items, keyset, colour, &request);
            match (page(db, keyset, colour, &request).await, expected) {
                (Ok(page), Some(expected)) => assert_eq!(page, expected, "{request:?} {keyset:?} {colour:?}"),
                (Err(Error::UnknownCursor), None) => unknown += 1,
                (result, expected) => panic!("{request:?}: {result:?} instead of {expected:?}"),
            }
        }
        assert!(unknown > 50, "{unknown}");
    })
    .await;
}

/// Whoever follows the cursors to the end meets every item once, and on the way back once more.
#[tokio::test]
async fn cursors_lead_through_the_whole_list_and_back() {
    on_each_engine(TABLE, async |fresh| {
        let db = &fresh.db;
        let mut dice = Dice(0xbead);
        let mut items = Vec::new();
        for number in 0..40 {
            let item = roll(&mut dice, number);
            insert(db, &item).await;
            items.push(item);
        }
        for (order, keyset, limit) in [
            (Order::Asc, CREATED, 1),
            (Order::Asc, POSITION, 7),
            (Order::Desc, CREATED, 3),
            (Order::Desc, POSITION, 4),
            (Order::Normal, CREATED, 3),
            (Order::Normal, CREATED, 100),
        ] {
            let all = PageRequest { limit: 100, order, ..PageRequest::default() };
            let all = model(&items, keyset, None, &all).unwrap().data;
            let request = |cursor: Option<String>, forwards: bool| {
                let (before, after) =
                    if forwards == (order != Order::Normal) { (None, cursor) } else { (cursor, None) };
                PageRequest { limit, order, before, after }
            };
            let onwards = |page: &Page<Shown>, forwards: bool| {
                if forwards == (order != Order::Normal) { page.after.clone() } else { page.before.clone() }
            };
            let mut seen = Vec::new();
            let mut current = page(db, keyset, None, &request(None, true)).await.unwrap();
            assert_eq!(onwards(&current, false), None, "nothing precedes the first page");
            loop {
                seen.extend(current.data.clone());
                let Some(cursor) = onwards(&current, true) else { break };
                current = page(db, keyset, None, &request(Some(cursor), true)).await.unwrap();
            }
            assert_eq!(seen, all);
            let mut back = current.data.clone();
            while let Some(cursor) = onwards(&current, false) {
                current = page(db, keyset, None, &request(Some(cursor), false)).await.unwrap();
                back.splice(..0, current.data.clone());
            }
            assert_eq!(back, all);
        }
    })
    .await;
}

/// Items come and go during the walk; those that were there all along are met exactly once.
#[tokio::test]
async fn a_walk_is_stable_while_the_list_changes() {
    on_each_engine(TABLE, async |fresh| {
        let db = &fresh.db;
        let mut dice = Dice(0xcafe);
        let mut number = 0;
        let mut items = Vec::new();
        for _ in 0..50 {
            number += 1;
            let item = roll(&mut dice, number);
            insert(db, &item).await;
            items.push(item);
        }
        for order in ORDERS {
            let mut steady: HashSet<String> =
                items.iter().filter(|item| item.environment == "home").map(|item| item.id.clone()).collect();
            let mut seen = Vec::new();
            let mut cursor = None;
            loop {
                let (before, after) = if order == Order::Normal { (cursor, None) } else { (None, cursor) };
                let request = PageRequest { limit: 4, order, before, after };
                let page = page(db, CREATED, None, &request).await.unwrap();
                seen.extend(page.data);
                cursor = if order == Order::Normal { page.before } else { page.after };
                let Some(next) = &cursor else { break };

                number += 1;
                let item = roll(&mut dice, number);
                insert(db, &item).await;
                items.push(item);
                let victim = usize::try_from(dice.below(items.len() as u64)).unwrap();
                if items[victim].id != *next {
                    let victim = items.swap_remove(victim);
                    let deleted: Result<u64, Error> = transaction!(db, |tx| {
                        tx.execute("DELETE FROM items WHERE id = $1", params![&victim.id]).await
                    });
                    assert_eq!(deleted.unwrap(), 1);
                    steady.remove(&victim.id);
                }
            }
            let once: HashSet<String> = seen.iter().map(|shown| shown.0.clone()).collect();
            assert_eq!(once.len(), seen.len(), "nothing twice");
            assert!(once.is_superset(&steady), "nothing missed");
        }
    })
    .await;
}

/// Pages are found through the index, not by sorting.
#[tokio::test]
async fn pages_use_the_index() {
    crate::harness::on_sqlite(TABLE, async |fresh| {
        let db = &fresh.db;
        let item = Item {
            id: "item_1".to_owned(),
            environment: "home",
            created_at: 1,
            colour: 1,
            position: Some(1),
        };
        insert(db, &item).await;
        for order in ORDERS {
            let request = PageRequest { limit: 10, order, after: Some("item_1".to_owned()), before: None };
            let page: Page<Shown> =
                Select::new("SELECT i.id FROM items i WHERE i.environment = ?", ["home".into()])
                    .page(db, CREATED, &request)
                    .await
                    .unwrap();
            assert_eq!(page, Page { data: Vec::new(), before: None, after: None });
        }
        let mut examined = 0;
        for statement in store::statements() {
            if statement.sql.contains("ORDER BY i.created_at")
                && statement.sql.starts_with("SELECT i.id FROM")
            {
                let plan = db.plan(&statement.sql).await.unwrap().join("; ");
                assert!(plan.contains("items_page") && !plan.contains("TEMP B-TREE"), "{plan}");
                assert!(plan.contains("(environment=? AND (created_at,id)"), "{plan}");
                examined += 1;
            }
        }
        assert_eq!(examined, if cfg!(debug_assertions) { 2 } else { 0 });
    })
    .await;
}
