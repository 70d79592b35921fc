//! `GET /organizations`: pages, filters, and what is refused.

use http::Method;
use serde_json::{Value, json};
use testkit::TestApp;

use crate::{assert_fields, id};

async fn create(app: &TestApp, name: &str) -> String {
    id(&app.post("/organizations", json!({ "name": name })).await.expect(201)).to_owned()
}

fn ids(list: &Value) -> Vec<String> {
    list["data"].as_array().unwrap().iter().map(|resource| id(resource).to_owned()).collect()
}

fn names(list: &Value) -> Vec<String> {
    let data = list["data"].as_array().unwrap().iter();
    data.map(|resource| resource["name"].as_str().unwrap().to_owned()).collect()
}

/// Organizations at three instants, several at each; oldest first, and by id where the time is the same.
async fn populated(app: &TestApp) -> Vec<String> {
    let mut all = Vec::new();
    for (instant, count) in [(0, 4), (1, 9), (2, 1), (3, 6)] {
        let mut same = Vec::new();
        for number in 0..count {
            same.push(create(app, &format!("Organization {instant}.{number}")).await);
        }
        same.sort();
        all.extend(same);
        app.advance(1);
    }
    all
}

/// All pages that the cursor called `cursor` leads to, from `first` on or from the end.
async fn walk(app: &TestApp, query: &str, cursor: &str, first: Option<&str>) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut next = first.map(ToOwned::to_owned);
    loop {
        let at = next.map_or(String::new(), |next| format!("&{cursor}={next}"));
        let list = app.get(format!("/organizations?{query}{at}")).await.expect(200);
        pages.push(ids(&list));
        assert!(pages.len() < 50, "pages without end");
        next = list["list_metadata"][cursor].as_str().map(ToOwned::to_owned);
        if next.is_none() {
            return pages;
        }
    }
}

#[tokio::test]
async fn pages_hold_everything_once_in_every_order() {
    let app = TestApp::new().await;
    let oldest_first = populated(&app).await;
    let newest_first: Vec<String> = oldest_first.iter().rev().cloned().collect();
    for (order, onward, back, expected) in [
        ("", "after", "before", &newest_first),
        ("&order=desc", "after", "before", &newest_first),
        ("&order=asc", "after", "before", &oldest_first),
        ("&order=normal", "before", "after", &newest_first),
    ] {
        for limit in [1, 3, 10, 19, 20, 21, 100] {
            let query = format!("limit={limit}{order}");
            let pages = walk(&app, &query, onward, None).await;
            assert_eq!(pages.concat(), *expected, "{query}");
            let sizes: Vec<usize> = pages.iter().map(Vec::len).collect();
            assert!(sizes.split_last().unwrap().1.iter().all(|size| *size == limit), "{query}: {sizes:?}");
            // The same way back from the last one, page by page.
            let mut returned = walk(&app, &query, back, Some(expected.last().unwrap())).await;
            returned.reverse();
            let returned = returned.concat();
            assert_eq!(returned[..], expected[..expected.len() - 1], "{query} by {back}");
        }
    }
    let default = app.get("/organizations").await.expect(200);
    assert_eq!(ids(&default), newest_first[..10]);
    assert_eq!(default["list_metadata"], json!({ "before": null, "after": newest_first[9] }));
    assert_eq!(default["object"], "list");
}

#[tokio::test]
async fn cursors_point_both_ways_from_the_middle() {
    let app = TestApp::new().await;
    let newest_first: Vec<String> = populated(&app).await.into_iter().rev().collect();
    for (order, onward, back) in [("desc", "after", "before"), ("normal", "before", "after")] {
        let query = format!("/organizations?limit=5&order={order}&{onward}={}", newest_first[4]);
        let middle = app.get(query).await.expect(200);
        assert_eq!(ids(&middle), newest_first[5..10]);
        assert_eq!(middle["list_metadata"][onward], newest_first[9]);
        assert_eq!(middle["list_metadata"][back], newest_first[5]);
        let query = format!("/organizations?limit=5&order={order}&{back}={}", newest_first[5]);
        let first = app.get(query).await.expect(200);
        assert_eq!(ids(&first), newest_first[..5]);
        assert_eq!(first["list_metadata"][back], Value::Null);
        assert_eq!(first["list_metadata"][onward], newest_first[4]);
    }
}

#[tokio::test]
async fn pages_are_stable_while_organizations_come_and_go() {
    let app = TestApp::new().await;
    let newest_first: Vec<String> = populated(&app).await.into_iter().rev().collect();
    let first = app.get("/organizations?limit=8").await.expect(200);
    assert_eq!(ids(&first), newest_first[..8]);
    // New ones at the front, deletions on both sides of the cursor.
    for number in 0..15 {
        create(&app, &format!("New {number}")).await;
    }
    for gone in [&newest_first[2], &newest_first[10]] {
        app.delete(format!("/organizations/{gone}")).await.expect(202);
    }
    let rest = app.get(format!("/organizations?limit=100&after={}", newest_first[7])).await.expect(200);
    let expected: Vec<String> =
        newest_first[8..].iter().filter(|id| **id != newest_first[10]).cloned().collect();
    assert_eq!(ids(&rest), expected);
    assert_eq!(rest["list_metadata"]["before"], expected[0]);
}

#[tokio::test]
async fn t6_parameters_that_cannot_be_meant_are_refused() {
    let app = TestApp::new().await;
    let one = create(&app, "One").await;
    let other = app.request(Method::POST, "/organizations").key(&app.b.secret).json(&json!({ "name": "B" }));
    let foreign = id(&other.send().await.expect(201)).to_owned();
    let list = app.get("/organizations").await.expect(200);
    for limit in ["0", "101", "-1", "1.5", "x", "1e1", "10000000000", "%2010", "0x10", "ten"] {
        assert_fields(&app.get(format!("/organizations?limit={limit}")).await, &["invalid limit"]);
    }
    for order in ["up", "DESC", "asc,desc", "-created_at"] {
        assert_fields(&app.get(format!("/organizations?order={order}")).await, &["invalid order"]);
    }
    let both = app.get(format!("/organizations?before={one}&after={one}")).await;
    assert_fields(&both, &["exclusive before", "exclusive after"]);
    for twice in ["limit=1&limit=2", "order=asc&order=asc", "search=a&search=b", "after=a&after=b"] {
        let field = twice.split('=').next().unwrap();
        assert_fields(&app.get(format!("/organizations?{twice}")).await, &[&format!("duplicate {field}")]);
    }
    let lower_case = one.to_lowercase();
    for cursor in [
        foreign.as_str(),
        "org_01EHWNCE74X7JSDV0X3SZ3KJNY",
        "org_domain_01EHWNCE74X7JSDV0X3SZ3KJNY",
        "garbage",
        "%27%20OR%201%3D1%20--",
        "1",
        &lower_case,
        &"a".repeat(5000),
    ] {
        for name in ["after", "before"] {
            let answer = app.get(format!("/organizations?{name}={cursor}")).await;
            assert_eq!(answer.expect(422)["errors"][0]["code"], "invalid_cursor", "{cursor}");
        }
    }
    // Empty is as good as absent; what is unknown is ignored.
    let tolerated = "/organizations?limit=&order=&before=&after=&search=&domains=&unheard_of=1&";
    assert_eq!(app.get(tolerated).await.expect(200), list);
}

#[tokio::test]
async fn search_finds_text_in_names() {
    let app = TestApp::new().await;
    for name in
        ["Acme", "ACME Europe", "Beta 100%", "Beta 100", "under_score", "underXscore", "back\\slash", "Ärzte"]
    {
        create(&app, name).await;
    }
    let long = "a".repeat(255);
    for (search, found) in [
        ("acme", vec!["ACME Europe", "Acme"]),
        ("CME%20e", vec!["ACME Europe"]),
        ("CME+e", vec!["ACME Europe"]),
        ("100%25", vec!["Beta 100%"]),
        ("%25", vec!["Beta 100%"]),
        ("r_s", vec!["under_score"]),
        ("%5C", vec!["back\\slash"]),
        ("%C3%84rzte", vec!["Ärzte"]),
        ("nobody", vec![]),
        ("%27%20OR%20%271%27%3D%271", vec![]),
        (&long, vec![]),
    ] {
        let mut names = names(&app.get(format!("/organizations?search={search}")).await.expect(200));
        names.sort();
        assert_eq!(names, found, "{search}");
    }
    // Past what the engines take as a pattern, and past the longest name.
    for count in [256, 30_000] {
        let answer = app.get(format!("/organizations?search={}", "_".repeat(count))).await;
        assert_fields(&answer, &["invalid search"]);
    }
    let page = app.get("/organizations?search=e&limit=2&order=asc").await.expect(200);
    let after = page["list_metadata"]["after"].as_str().unwrap();
    let next =
        app.get(format!("/organizations?search=e&limit=100&order=asc&after={after}")).await.expect(200);
    let mut found = [names(&page), names(&next)].concat();
    found.sort();
    let expected = ["ACME Europe", "Acme", "Beta 100", "Beta 100%", "underXscore", "under_score", "Ärzte"];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn domains_filter_by_any_of_them_in_every_encoding() {
    let app = TestApp::new().await;
    let a = app.organization("A", &["a.example", "a2.example"]).await;
    let b = app.organization("B", &["b.example"]).await;
    let waiting = app.post("/organizations", json!({ "name": "Waiting", "domains": ["a.example"] })).await;
    let waiting = id(&waiting.expect(201)).to_owned();
    let without = create(&app, "Without").await;
    let foreign = json!({ "name": "Foreign", "domains": ["a.example", "foreign.example"] });
    app.request(Method::POST, "/organizations").key(&app.b.secret).json(&foreign).send().await.expect(201);

    for (query, expected) in [
        ("domains=b.example", vec![&b]),
        ("domains=a2.example,b.example", vec![&a, &b]),
        ("domains=a2.example&domains=b.example", vec![&a, &b]),
        ("domains[]=a2.example&domains[]=b.example", vec![&a, &b]),
        ("domains%5B%5D=a2.example&domains%5B0%5D=b.example", vec![&a, &b]),
        ("domains=a.example,a2.example", vec![&a, &waiting]),
        ("domains=A.Example.", vec![&a, &waiting]),
        ("domains=%20a.example%20,%20", vec![&a, &waiting]),
        ("domains=foreign.example", vec![]),
        ("domains=example", vec![]),
        ("domains=not%20a%20domain", vec![]),
        ("domains=a.example&search=wait", vec![&waiting]),
        ("domains=a.example,b.example&search=nobody", vec![]),
    ] {
        let mut found = ids(&app.get(format!("/organizations?{query}")).await.expect(200));
        found.sort();
        let mut expected: Vec<String> = expected.into_iter().cloned().collect();
        expected.sort();
        assert_eq!(found, expected, "{query}");
    }
    // Each organization once, with all its domains, whatever matched.
    let list = app.get("/organizations?domains=a.example,a2.example&limit=1&order=asc").await.expect(200);
    let first = &list["data"][0];
    let next = list["list_metadata"]["after"].as_str().unwrap();
    let list = app.get(format!("/organizations?domains=a.example,a2.example&order=asc&after={next}")).await;
    let second = list.expect(200);
    assert_eq!(second["data"].as_array().unwrap().len(), 1);
    let domains = [first, &second["data"][0]].map(|resource| resource["domains"].as_array().unwrap().len());
    assert_eq!(domains.iter().sum::<usize>(), 3);
    // An organization the filter hides still marks a place in the list.
    let list = app.get(format!("/organizations?domains=a.example&order=asc&before={without}")).await;
    list.expect(200);
    // As many as a request can name.
    let many: Vec<String> = (0..3000).map(|number| format!("d{number}.x")).collect();
    let list = app.get(format!("/organizations?domains={},b.example", many.join(","))).await.expect(200);
    assert_eq!(ids(&list), [b]);
}
