//! Stylesheet, scripts and logo: compiled in, and served under the hash of their content, so that a browser
//! may keep them for good.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use kernel::{App, Error, Result};

/// A file that pages load.
#[derive(Debug)]
pub(crate) struct Asset {
    name: &'static str,
    content_type: &'static str,
    content: &'static [u8],
    hash: LazyLock<String>,
}

macro_rules! assets {
    ($($(#[$doc:meta])* $name:ident = $file:literal, $content_type:literal;)*) => {
        $(
            $(#[$doc])*
            pub(crate) static $name: Asset = Asset {
                name: $file,
                content_type: $content_type,
                content: include_bytes!(concat!("../assets/", $file)),
                hash: LazyLock::new(|| short_hash(include_bytes!(concat!("../assets/", $file)))),
            };
        )*
        static ALL: &[&Asset] = &[$(&$name),*];
    };
}

assets! {
    /// The stylesheet of all pages.
    STYLE = "portcullis.css", "text/css; charset=utf-8";
    /// The product's mark.
    MARK = "portcullis.svg", "image/svg+xml";
    /// Sends a form without a press of its button.
    POST = "post.js", "text/javascript; charset=utf-8";
    /// Copies code samples.
    COPY = "copy.js", "text/javascript; charset=utf-8";
}

impl Asset {
    /// Where it is served: the path changes with the content.
    pub(crate) fn url(&self) -> String {
        format!("/_assets/{}/{}", self.hash.as_str(), self.name)
    }
}

fn short_hash(content: &[u8]) -> String {
    let hash = digest(&SHA256, content);
    kernel::crypto::hex(hash.as_ref().get(..8).unwrap_or_default())
}

pub(crate) fn router() -> Router<App> {
    Router::new().route("/_assets/{hash}/{file}", get(asset))
}

/// `GET /_assets/{hash}/{file}`
async fn asset(Path((hash, file)): Path<(String, String)>) -> Result<Response> {
    // Another hash is another version, perhaps of a node that is older or newer: never the wrong content for good.
    let found = ALL.iter().find(|asset| asset.name == file && *asset.hash == hash);
    let asset = found.ok_or_else(|| Error::message(StatusCode::NOT_FOUND, "Not Found"))?;
    let headers = [
        (header::CONTENT_TYPE, asset.content_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, asset.content).into_response())
}
