//! The published map of who treats emergencies: the one page of the record that is open to everybody.
//!
//! `GET /map.json` answers the edition in force, `GET /map.json?edition=N` one that was published before. No patient is in
//! it, no name of anybody who works, and no words somebody typed about today; a draft is not shown.

use std::pin::pin;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use fhir::Error;
use parking_lot::Mutex;

use crate::App;
use crate::answer::{Answer, Asked, Format, Payload};
use crate::ask::Query;
use crate::door::{answered, base, named, request_name};
use crate::outcome::Failure;

/// How long an answer serves for others, in microseconds: whoever asks all the time costs nothing.
const KEPT: i64 = 20_000_000;

/// The edition in force as it was answered last, and when.
#[derive(Default)]
pub(crate) struct Shown(Mutex<Option<(i64, Arc<Bytes>)>>);

/// Answers `GET /map.json`.
pub(crate) async fn map(State(app): State<App>, request: Request<Body>) -> Response {
    let (parts, _) = request.into_parts();
    let asked = Asked::of(parts.method == Method::HEAD, &parts.headers);
    let name = request_name(&app, &parts.headers);
    let base = base(&app, &parts.headers);
    let answer = answered(&app, &name, pin!(show(&app, parts.uri.query().unwrap_or_default()))).await;
    named(answer.into_response(&base, Format::default(), &asked).await, &name)
}

async fn show(app: &App, query: &str) -> Result<Answer, Failure> {
    let number = Query::parse(query)?.number("edition")?;
    let number = number.map(|number| u32::try_from(number).unwrap_or(u32::MAX));
    let now = app.record.surroundings().clock.now();
    let kept =
        app.map.0.lock().as_ref().filter(|(at, _)| (0..KEPT).contains(&(now - at))).map(|(_, body)| Arc::clone(body));
    let body = match kept.filter(|_| number.is_none()) {
        Some(body) => body,
        None => {
            let absent = || Error::not_found("No such edition of the map has been published.");
            let map = app.routing.map(number).await?.ok_or_else(absent)?;
            let body = Arc::new(Bytes::from(serde_json::to_vec(&map).map_err(Error::fault)?));
            if number.is_none() {
                *app.map.0.lock() = Some((now, Arc::clone(&body)));
            }
            body
        }
    };
    Ok(Answer { body: Payload::Json(Bytes::clone(&body)), ..Answer::empty(StatusCode::OK) })
}
