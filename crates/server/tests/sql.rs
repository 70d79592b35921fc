//! All SQL is understood by the engine under test, and none scans a table that grows.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use testkit::TestApp;

/// Statements that may look at every row: their tables stay small, or they run as long scans.
const MAY_SCAN: [&str; 4] = [
    "FROM projects ORDER BY id LIMIT 1",
    "FROM environments WHERE deleted_at IS NULL ORDER BY",
    "FROM data_keys ORDER BY id",
    "FROM event_counter",
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The SQL literals of a source file, with continued lines joined and `?` numbered.
fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for verb in ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM "] {
        for begin in source.split(&format!("\"{verb}")).skip(1) {
            let text = begin.split("\",").next().unwrap().split("\")").next().unwrap();
            let joined: Vec<&str> = text.split('\\').map(str::trim_start).collect();
            let mut sql = format!("{verb}{}", joined.concat());
            // Bases that a builder goes on with are seen when they run.
            if sql.trim_end().ends_with("AND") || sql.contains('"') {
                continue;
            }
            let mut number = 0;
            while let Some(at) = sql.find('?') {
                number += 1;
                sql.replace_range(at..=at, &format!("${number}"));
            }
            found.push(sql);
        }
    }
    found
}

#[tokio::test]
async fn every_statement_prepares_and_none_scans_a_growing_table() {
    let app = TestApp::new().await;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(workspace().join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        if !["store", "testkit"].iter().any(|name| folder.ends_with(name)) {
            sources(&folder.join("src"), &mut files);
        }
    }
    let mut statements: Vec<String> = Vec::new();
    for file in files {
        statements.extend(literals(&std::fs::read_to_string(file).unwrap()));
    }
    assert!(statements.len() > 50, "only {} statements found", statements.len());
    // What builders made while the app started and these requests ran.
    let organization = app.organization("Acme", &["acme.example"]).await;
    for path in [
        "/organizations?domains=acme.example&search=a".to_owned(),
        format!(
            "/connections?organization_id={organization}&domain=acme.example&search=a&connection_type=GenericSAML"
        ),
        format!("/events?events=organization.created&organization_id={organization}"),
        "/_portcullis/sign_ins?status=failed".to_owned(),
        "/user_management/redirect_uris".to_owned(),
    ] {
        app.get(path).await.expect(200);
    }
    let executed = store::statements().into_iter().filter(|statement| !statement.scan);
    statements.extend(executed.map(|statement| statement.sql.to_string()));
    statements.retain(|sql| !sql.contains("sqlite_") && !sql.contains("schema_migrations"));

    for sql in &statements {
        let prepared = app.app.db.prepare(sql).await;
        assert!(prepared.is_ok(), "{prepared:?}: {sql}");
        if MAY_SCAN.iter().any(|known| sql.contains(known)) {
            continue;
        }
        for step in app.app.db.plan(sql).await.unwrap() {
            let scans =
                step.starts_with("SCAN ") && !step.contains("USING") && !step.contains("CONSTANT ROW");
            assert!(!scans, "{step}: {sql}");
        }
    }
}

#[test]
fn both_engines_have_the_same_migrations_and_columns() {
    let read = |engine: &str| {
        let mut files: Vec<PathBuf> = std::fs::read_dir(workspace().join("migrations").join(engine))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files
    };
    let (sqlite, postgres) = (read("sqlite"), read("postgres"));
    assert_eq!(sqlite.len(), postgres.len());
    for (sqlite, postgres) in sqlite.iter().zip(&postgres) {
        assert_eq!(sqlite.file_name(), postgres.file_name());
        let text = std::fs::read_to_string(sqlite).unwrap();
        // The engines differ in the names of types and nothing else.
        let expected: Vec<String> = text.lines().map(in_postgres).collect();
        let found = std::fs::read_to_string(postgres).unwrap();
        assert_eq!(found.lines().map(ToOwned::to_owned).collect::<Vec<_>>(), expected, "{postgres:?}");
    }
}

fn in_postgres(line: &str) -> String {
    let words: Vec<String> = line
        .split(' ')
        .map(|word| match word.trim_end_matches([',', ';']) {
            "TEXT" => word.replace("TEXT", "TEXT COLLATE \"C\""),
            "INTEGER" => word.replace("INTEGER", "BIGINT"),
            "BLOB" => word.replace("BLOB", "BYTEA"),
            _ => word.to_owned(),
        })
        .collect();
    if line.trim_start().starts_with("--") { line.to_owned() } else { words.join(" ") }
}
