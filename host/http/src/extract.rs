//! How handlers take what they need from a request, so that every refusal has Camunda's shape.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use crate::Error;
use crate::query_params::Fields;

/// The parameters of a query string.
pub(crate) struct Params(pub(crate) Fields);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let query = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let Query(pairs) = query.map_err(|rejection| Error::Invalid(rejection.body_text()))?;
        Fields::of_query(pairs).map(Self)
    }
}

/// The fields of a JSON body.
pub(crate) struct Body(pub(crate) Fields);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        check_content_type(request.headers())?;
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|rejection| Error::with_status(rejection.status(), rejection.body_text()))?;
        Fields::of_body(&bytes).map(Self)
    }
}

/// A body is JSON or says nothing about itself. Anything else would let a web page of another origin send one without asking.
fn check_content_type(headers: &HeaderMap) -> Result<(), Error> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Error::with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send the body as Content-Type: application/json"))
}

/// The variable segments of a path.
pub(crate) struct Segments<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Segments<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(segments)| Self(segments)).map_err(|rejection| Error::Invalid(rejection.body_text()))
    }
}
