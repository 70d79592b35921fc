//! Query strings and forms as multi-maps, in every array encoding the SDKs use.

use axum::extract::{FromRequest, FromRequestParts, Request};
use http::StatusCode;
use http::request::Parts;
use serde_json::Value;

use super::MAX_BODY;
use super::body::{self, body_bytes, is_form};
use crate::error::FieldError;
use crate::{Error, Result};

/// Most pairs one request may have; looking one up walks them all.
const MAX_PAIRS: usize = 1000;

/// Name and value pairs in the order they were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads `application/x-www-form-urlencoded` text of up to 1,000 pairs. Invalid UTF-8 and U+0000 are
    /// refused.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let mut pairs = Vec::new();
        for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == MAX_PAIRS {
                return Err(too_many());
            }
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = decode(halves.next().unwrap_or_default())?;
            let value = decode(halves.next().unwrap_or_default())?;
            if name.contains('\0') || value.contains('\0') {
                return Err(Error::nul(name.replace('\0', "")));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// The one value of `name`; `None` if absent or empty. Sent twice is 422: which one counts must not be
    /// a guess (parameter pollution).
    pub fn get(&self, name: &str) -> Result<Option<&str>> {
        if self.is_repeated(name) {
            return Err(Error::validation(vec![FieldError { code: "duplicate", field: name.into() }]));
        }
        Ok(self.first(name).filter(|value| !value.is_empty()))
    }

    /// The one value of `name`; absent is 422.
    pub fn require(&self, name: &str) -> Result<&str> {
        self.get(name)?.ok_or_else(|| Error::validation(vec![FieldError::required(name)]))
    }

    /// The first value of `name`, even if empty.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether `name` was sent more than once.
    pub fn is_repeated(&self, name: &str) -> bool {
        self.0.iter().filter(|(key, _)| key == name).count() > 1
    }

    /// A list, as `name=a,b`, `name=a&name=b` or `name[]=a&name[]=b`.
    pub fn list(&self, name: &str) -> Vec<String> {
        let is_it = |key: &str| {
            key == name
                || key.strip_prefix(name).is_some_and(|rest| rest.starts_with('[') && rest.ends_with(']'))
        };
        self.0
            .iter()
            .filter(|(key, _)| is_it(key))
            .flat_map(|(_, value)| value.split(','))
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .map(ToOwned::to_owned)
            .collect()
    }

    /// A map, as `name[key]=value`.
    pub fn map(&self, name: &str) -> Vec<(String, String)> {
        self.0
            .iter()
            .filter_map(|(key, value)| {
                let key = key.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?;
                (!key.is_empty()).then(|| (key.to_owned(), value.clone()))
            })
            .collect()
    }

    /// All pairs.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Adds pairs of `other` whose names aren't here yet.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        let new: Vec<_> = other.0.into_iter().filter(|(name, _)| self.first(name).is_none()).collect();
        self.0.extend(new);
        self
    }

    /// Reads parameters from a body that may be a form or a JSON object of strings.
    pub async fn from_body(request: Request) -> Result<Self> {
        let form = is_form(request.headers());
        let bytes = body_bytes(request, MAX_BODY).await?;
        if form { Self::parse(&bytes) } else { Self::from_json(&body::parse(&bytes)?) }
    }

    fn from_json(value: &Value) -> Result<Self> {
        let object = value.as_object().ok_or_else(|| Error::malformed("The body must be a JSON object."))?;
        if object.len() > MAX_PAIRS {
            return Err(too_many());
        }
        object
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| match value.as_str() {
                Some(text) => Ok((name.clone(), text.to_owned())),
                None => {
                    Err(Error::validation(vec![FieldError { code: "invalid_type", field: name.clone() }]))
                }
            })
            .collect::<Result<_>>()
            .map(Self)
    }
}

fn too_many() -> Error {
    Error::malformed(format!("There are more than {MAX_PAIRS} parameters."))
}

fn decode(text: &[u8]) -> Result<String> {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    let decoded = percent_encoding::percent_decode(&spaced)
        .decode_utf8()
        .map_err(|_| Error::malformed("The parameters are not valid UTF-8."))?;
    Ok(decoded.into_owned())
}

/// The query string.
#[derive(Clone, Debug, Default)]
pub struct Query(pub Params);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self> {
        Params::parse(parts.uri.query().unwrap_or_default().as_bytes()).map(Self)
    }
}

/// A form body of at most `LIMIT` bytes; any other content type is 415.
#[derive(Clone, Debug, Default)]
pub struct Form<const LIMIT: usize = MAX_BODY>(pub Params);

impl<const LIMIT: usize, S: Send + Sync> FromRequest<S> for Form<LIMIT> {
    type Rejection = Error;

    async fn from_request(request: Request, _state: &S) -> Result<Self> {
        if !is_form(request.headers()) {
            return Err(Error::message(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The body must be a form (content-type: application/x-www-form-urlencoded).",
            ));
        }
        Params::parse(&body_bytes(request, LIMIT).await?).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_in_three_encodings() {
        for query in ["events=a,b", "events=a&events=b", "events[]=a&events[]=b", "events%5B%5D=a&events=b"] {
            assert_eq!(Params::parse(query.as_bytes()).unwrap().list("events"), ["a", "b"], "{query}");
        }
    }

    #[test]
    fn single_values_must_be_single() {
        let params = Params::parse(b"a=1&a=2&b=&c=x+y%2Bz").unwrap();
        assert!(params.get("a").is_err());
        assert_eq!(params.get("b").unwrap(), None);
        assert_eq!(params.get("c").unwrap(), Some("x y+z"));
        assert_eq!(Params::parse(b"p[k]=v&p[]=w").unwrap().map("p"), [("k".to_owned(), "v".to_owned())]);
    }

    #[test]
    fn bad_text_is_refused() {
        assert!(Params::parse(b"a=%ff").is_err());
        assert!(Params::parse(b"a=%00").is_err());
    }

    #[test]
    fn h6_the_number_of_parameters_is_bounded() {
        assert!(Params::parse("a=1&".repeat(MAX_PAIRS).as_bytes()).is_ok());
        assert!(Params::parse("a=1&".repeat(MAX_PAIRS + 1).as_bytes()).is_err());
    }
}
