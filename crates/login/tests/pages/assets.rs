use http::{StatusCode, header};

use crate::fixture::Fixture;
use crate::markup::tags;

#[tokio::test]
async fn pages_load_only_assets_of_ours_that_may_be_kept_for_good() {
    let fixture = Fixture::new().await;
    fixture.settle_demo("client_x");
    let home = fixture.get("/demo").await;
    let mut urls = Vec::new();
    for tag in tags(&home.body) {
        match tag.name.as_str() {
            "link" => urls.push(tag.get("href").unwrap().to_owned()),
            "script" => urls.push(tag.get("src").expect("no inline script").to_owned()),
            "style" | "img" | "iframe" => panic!("{tag:?}"),
            _ => assert_eq!(tag.get("style"), None, "{tag:?}"),
        }
        assert!(tag.attributes.iter().all(|(name, _)| !name.starts_with("on")), "{tag:?}");
    }
    assert_eq!(urls.len(), 3);
    for url in urls {
        let asset = fixture.get(&url).await;
        assert_eq!(asset.status, StatusCode::OK, "{url}");
        assert_eq!(asset.header(header::CACHE_CONTROL), "public, max-age=31536000, immutable");
        assert_eq!(asset.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        let expected = match url.rsplit_once('.').unwrap().1 {
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            _ => "text/javascript; charset=utf-8",
        };
        assert_eq!(asset.header(header::CONTENT_TYPE), expected);
        assert!(!asset.body.contains("url(") && !asset.body.contains("@import"), "{url} loads something");

        let (folder, file) = url.rsplit_once('/').unwrap();
        let (assets, hash) = folder.rsplit_once('/').unwrap();
        let other = format!("{assets}/{}/{file}", "0".repeat(hash.len()));
        assert_eq!(fixture.get(&other).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(fixture.get("/_assets/x/..%2fportcullis.css").await.status, StatusCode::NOT_FOUND);
}
