//! Path segments.

use axum::extract::{FromRequestParts, Path as AxumPath};
use http::request::Parts;

use crate::ids::Id;
use crate::{Error, Result};

/// One segment of the path, as text.
#[derive(Clone, Debug)]
pub struct Path(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Path {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let AxumPath(text) = AxumPath::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Error::message(http::StatusCode::NOT_FOUND, "Not Found"))?;
        if text.contains('\0') {
            return Err(Error::nul("(path)"));
        }
        Ok(Self(text))
    }
}

/// One segment of the path that is an id. What isn't an id of this type answers as an id nobody has.
#[derive(Clone, Copy, Debug)]
pub struct PathId<T>(pub T);

impl<T: Id, S: Send + Sync> FromRequestParts<S> for PathId<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let Path(text) = Path::from_request_parts(parts, state).await?;
        text.parse().map(Self).map_err(|_| Error::not_found(T::NOUN, text))
    }
}
