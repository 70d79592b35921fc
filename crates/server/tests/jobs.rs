//! Jobs: asked for by a transaction, done at least once by one worker at a time, given up in the end.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};

use kernel::clock::{DAY, MINUTE};
use kernel::jobs::{self, Job, Registry};
use kernel::{App, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::params;
use testkit::{Browser, TestApp};

/// How often each job ran, by its tag; tests use tags of their own.
static RUNS: LazyLock<Mutex<BTreeMap<String, usize>>> = LazyLock::new(Mutex::default);

fn ran(tag: &str) -> usize {
    RUNS.lock().unwrap().get(tag).copied().unwrap_or(0)
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Count {
    tag: String,
    /// How often it fails before it succeeds.
    failures: usize,
    panics: bool,
}

impl Job for Count {
    const NAME: &'static str = "test.count";
    const ATTEMPTS: i64 = 4;

    async fn run(self, _app: &App) -> Result<()> {
        let run = {
            let mut runs = RUNS.lock().unwrap();
            let run = runs.entry(self.tag.clone()).or_default();
            *run += 1;
            *run
        };
        tokio::task::yield_now().await;
        if run <= self.failures {
            assert!(!self.panics, "as asked");
            return Err(Error::internal("as asked"));
        }
        Ok(())
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Recurring {}

impl Job for Recurring {
    const NAME: &'static str = "test.recurring";

    async fn run(self, _app: &App) -> Result<()> {
        *RUNS.lock().unwrap().entry("recurring".into()).or_default() += 1;
        Ok(())
    }
}

fn registry() -> Registry {
    Registry::default().with::<Count>()
}

fn count(tag: &str, failures: usize) -> Count {
    Count { tag: tag.into(), failures, panics: false }
}

async fn enqueue(app: &App, job: &Count) {
    kernel::transaction!(app, |tx| { jobs::enqueue(tx, app, job, app.clock.now()).await }).unwrap();
}

async fn states(app: &App) -> Vec<(String, i64)> {
    app.db.read("SELECT state, attempts FROM jobs ORDER BY id", params![]).await.unwrap()
}

#[tokio::test]
async fn a_job_runs_if_its_transaction_commits_and_not_otherwise() {
    let test = TestApp::new().await;
    let app = test.app.clone();
    enqueue(&app, &count("committed", 0)).await;
    let rolled_back: Result<()> = kernel::transaction!(app, |tx| {
        jobs::enqueue(tx, &app, &count("rolled back", 0), app.clock.now()).await?;
        Err(Error::invalid("no"))
    });
    assert!(rolled_back.is_err());
    let later = app.clock.now().plus(MINUTE);
    kernel::transaction!(app, |tx| { jobs::enqueue(tx, &app, &count("later", 0), later).await }).unwrap();

    assert_eq!(jobs::run_due(&app, &registry()).await.unwrap(), 1);
    assert_eq!((ran("committed"), ran("rolled back"), ran("later")), (1, 0, 0));
    app.clock.advance(MINUTE);
    assert_eq!(jobs::run_due(&app, &registry()).await.unwrap(), 1);
    assert_eq!(ran("later"), 1);
    assert!(states(&app).await.is_empty());
}

#[tokio::test]
async fn a_failing_job_is_tried_again_after_growing_pauses_and_set_aside_at_last() {
    let test = TestApp::new().await;
    let app = test.app.clone();
    enqueue(&app, &count("twice", 2)).await;
    enqueue(&app, &count("always", 99)).await;
    enqueue(&app, &Count { panics: true, ..count("panics", 1) }).await;
    for (minutes, expected) in [(0, 1), (0, 1), (1, 2), (1, 3), (1, 4), (100, 4)] {
        app.clock.advance(minutes * MINUTE);
        jobs::run_due(&app, &registry()).await.unwrap();
        assert_eq!(ran("always"), expected);
    }
    assert_eq!((ran("twice"), ran("panics")), (3, 2));
    assert_eq!(states(&app).await, [("dead".to_owned(), 4)]);
}

#[tokio::test]
async fn a_job_of_a_dead_worker_is_taken_over_and_the_dead_one_can_end_nothing() {
    let test = TestApp::new().await;
    let app = test.app.clone();
    enqueue(&app, &count("taken over", 0)).await;
    let now = app.clock.now();
    // A worker that claims and dies.
    let lost =
        kernel::transaction!(app, |tx| { Ok(tx.claim_jobs(10, now.0, now.plus(5 * MINUTE).0).await?) });
    let lost = lost.unwrap();
    assert_eq!((lost.len(), lost[0].attempts, lost[0].fence), (1, 1, 1));
    assert_eq!(jobs::run_due(&app, &registry()).await.unwrap(), 0, "it is held");
    app.clock.advance(5 * MINUTE);
    let later = app.clock.now();
    let found = kernel::transaction!(app, |tx| { Ok(tx.claim_jobs(10, later.0, later.0).await?) }).unwrap();
    assert_eq!(found[0].fence, 2);
    // What the first would do now finds its fence gone.
    let ended = kernel::transaction!(app, |tx| {
        Ok(tx
            .execute("DELETE FROM jobs WHERE id = $1 AND fence = $2", params![&lost[0].id, lost[0].fence])
            .await?)
    });
    assert_eq!(ended.unwrap(), 0);
    assert_eq!(jobs::run_due(&app, &registry()).await.unwrap(), 1);
    assert_eq!(ran("taken over"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn workers_side_by_side_do_each_job_once() {
    let test = TestApp::new().await;
    let app = test.app.clone();
    for n in 0..60 {
        enqueue(&app, &count(&format!("side by side {n}"), 0)).await;
    }
    let workers: Vec<_> = (0..6)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move { jobs::run_due(&app, &registry()).await.unwrap() })
        })
        .collect();
    let mut done = 0;
    for worker in workers {
        done += worker.await.unwrap();
    }
    assert_eq!(done, 60);
    assert!((0..60).all(|n| ran(&format!("side by side {n}")) == 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_recurring_job_runs_once_across_nodes() {
    let test = TestApp::new().await;
    let app = test.app.clone();
    for round in 1..=3 {
        let nodes: Vec<_> = (0..5)
            .map(|_| {
                let app = app.clone();
                let registry = registry().every::<Recurring>(10 * MINUTE);
                tokio::spawn(async move { jobs::run_due(&app, &registry).await.unwrap() })
            })
            .collect();
        for node in nodes {
            node.await.unwrap();
        }
        assert_eq!(ran("recurring"), round);
        app.clock.advance(10 * MINUTE);
    }
}

#[tokio::test]
async fn a_job_of_another_version_is_left_alone() {
    let test = TestApp::new().await;
    let app = test.app.clone();
    enqueue(&app, &count("unknown here", 0)).await;
    for _ in 0..20 {
        jobs::run_due(&app, &Registry::default()).await.unwrap();
        // That it was looked at counts for nothing.
        assert_eq!(states(&app).await, [("waiting".to_owned(), 0)]);
        app.clock.advance(MINUTE);
    }
    jobs::run_due(&app, &registry()).await.unwrap();
    assert_eq!(ran("unknown here"), 1);
}

async fn types_after_jobs(app: &TestApp) -> Vec<String> {
    jobs::run_due(&app.app, &server::assembly::jobs()).await.unwrap();
    app.event_types().await.into_iter().filter(|name| name.contains("timed_out")).collect()
}

#[tokio::test]
async fn a_sign_in_nobody_finishes_is_announced_once_and_swept_in_the_end() {
    let app = TestApp::new().await;
    let organization = app.organization("Acme", &["acme.example"]).await;
    let certificate = include_str!("../../saml/tests/keys/idp.cert.pem");
    let connection = app
        .post(
            "/connections",
            json!({
                "organization_id": organization,
                "saml_options": {
                    "idp_entity_id": "https://idp.example", "idp_sso_url": "https://idp.example/sso",
                    "idp_signing_certs": [certificate],
                },
            }),
        )
        .await
        .expect(201);
    let id = connection["id"].as_str().unwrap();
    Browser::new().authorize(&app, &[("connection", id)]).await.location();
    app.advance(4 * MINUTE);
    assert_eq!(types_after_jobs(&app).await.len(), 0);
    app.advance(2 * MINUTE);
    assert_eq!(types_after_jobs(&app).await, ["authentication.sso_timed_out"]);
    app.advance(2 * MINUTE);
    assert_eq!(types_after_jobs(&app).await.len(), 1);

    let kept = || async {
        let rows: Vec<i64> = app.app.db.read("SELECT COUNT(*) FROM sign_ins", params![]).await.unwrap();
        let events: Vec<i64> = app.app.db.read("SELECT COUNT(*) FROM events", params![]).await.unwrap();
        (rows[0], events[0] > 0)
    };
    assert_eq!(kept().await, (1, true));
    app.advance(91 * DAY);
    types_after_jobs(&app).await;
    assert_eq!(kept().await, (0, false));
}
