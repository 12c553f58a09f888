//! `GET /live?topic=…`: what changes, as it changes, as server-sent events.
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>
//!
//! Events carry no health data, only which resource changed into which version; receivers read it again, so what they
//! may see is decided where everything is read. Their ids are positions of the change feed, which has no gaps: a
//! receiver that comes back with `Last-Event-ID` is told everything it missed, or that it missed too much.

mod hub;
mod room;
mod topic;

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Request, header};
use axum::response::Response;
use bytes::Bytes;
use fhir::{Category, Error, IssueCode};
use futures_util::stream;
use record::{Act, Note, Session, Standing};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::App;
use crate::access::{self, Extent, Grant, unauthenticated};
use crate::answer::{Answer, Asked, Format};
use crate::ask::Query;
use crate::json;
use crate::outcome::{self, Failure};

pub(crate) use hub::Hub;
use hub::{Seat, Seen};
use room::{News, Place};
use topic::Topic;

/// Characters of a topic that are kept on the trail.
const TOPIC: usize = 500;

/// Changes read at a time by a receiver that catches up.
const PAGE: usize = 200;

/// Answers `GET /live`.
pub(crate) async fn stream(State(app): State<App>, request: Request<Body>) -> Response {
    let (parts, _) = request.into_parts();
    match open(&app, &parts).await {
        Ok(body) => {
            let mut response = Response::new(body);
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            // Proxies that gather responses would hold events back.
            headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
            response
        }
        Err(failure) => {
            outcome::log(&failure, "live");
            let base = crate::door::base(&app, &parts.headers);
            let asked = Asked { head: false, gzip: false };
            Answer::failure(&failure).into_response(&base, Format::default(), &asked).await
        }
    }
}

async fn open(app: &App, parts: &Parts) -> Result<Body, Failure> {
    let headers = &parts.headers;
    let query = Query::parse(parts.uri.query().unwrap_or_default())?;
    let grant = Grant::of(app, &Method::GET, headers, false).await?.ok_or_else(|| unauthenticated("Sign in first."))?;
    let topic = query.get("topic").ok_or_else(|| {
        let text = "Say what to follow: topic=*, topic=Observation, topic=Task?status=requested or topic=Patient/1.";
        Error::new(Category::Invalid, IssueCode::Required, text)
    })?;
    let (asked, topic) = (topic, Topic::parse(&app.record.search_parameters(), topic)?);
    if let Some(type_) = topic.type_().filter(|type_| grant.extent_of(*type_) != Some(Extent::Whole)) {
        let text = format!("This needs the scope system/{type_}.s.");
        return Err(Error::new(Category::Forbidden, IssueCode::Forbidden, text).into());
    }
    let seat = app.live.sit()?;
    let session = app.record.session(grant.caller(headers, "live")?);
    // Who follows what stands on the trail once; that something changed, of which each event tells, shows nobody a record.
    let note = Note {
        origin: access::address(app, parts).map(|address| address.to_string()).unwrap_or_default(),
        detail: format!("live?topic={}", asked.chars().take(TOPIC).collect::<String>()),
        patients: topic.patient().into_iter().collect(),
        ..Note::new(Act::Follow)
    };
    app.record.note(session.caller(), note).await?;
    // The place is taken before the head is read, so that nothing falls between the two.
    let place = app.live.join(asked, topic);
    let head = *app.record.head().borrow();
    let resume = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok())
        .or_else(|| query.get("lastEventId"))
        .map(|id| id.trim().parse::<u64>().unwrap_or(u64::MAX));
    let settings = &app.settings.live;
    let mut heartbeat = interval_at(Instant::now() + settings.heartbeat.mul_f64(seat.phase()), settings.heartbeat);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Apart as well: those who lose their streams together come back one after another.
    let retry = settings.retry.mul_f64(0.5 + seat.phase());
    let mut greeting = format!("retry: {}\n\n", retry.as_millis()).into_bytes();
    let position = match resume {
        None => head,
        Some(after) if after <= head && head - after <= settings.backlog => after,
        Some(after) => {
            gap(&mut greeting, after, head);
            head
        }
    };
    advance(&mut greeting, position);
    let listener = Listener {
        app: app.clone(),
        proof: [header::AUTHORIZATION, header::COOKIE]
            .into_iter()
            .filter_map(|name| Some((name.clone(), headers.get(name)?.clone())))
            .collect(),
        grant,
        session,
        place,
        position,
        behind: true,
        heartbeat,
        greeting: Some(greeting),
        _seat: seat,
    };
    let events = stream::unfold(listener, |mut listener| async {
        let bytes = listener.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(bytes)), listener))
    });
    Ok(Body::from_stream(events))
}

/// One receiver. It advances only as fast as its connection takes what is written.
struct Listener {
    app: App,
    /// The headers that say who receives.
    proof: HeaderMap,
    grant: Grant,
    session: Session,
    place: Place,
    /// The last position up to which this receiver has been told everything that concerns it.
    position: u64,
    /// Whether there may be changes after `position` that its place will not be told of.
    behind: bool,
    heartbeat: Interval,
    greeting: Option<Vec<u8>>,
    _seat: Seat,
}

impl Listener {
    /// The next bytes to send; `None` ends the stream.
    async fn next(&mut self) -> Option<Vec<u8>> {
        if let Some(greeting) = self.greeting.take() {
            return Some(greeting);
        }
        loop {
            let mut out = Vec::new();
            if self.behind {
                // A store that does not answer ends the stream; the receiver comes back to where it was.
                self.catch_up(&mut out).await.ok()?;
            } else {
                tokio::select! {
                    news = self.place.next() => self.take(&mut out, news?).await.ok()?,
                    _ = self.heartbeat.tick() => {
                        self.still_allowed().await?;
                        match self.place.waiting() {
                            Ok(news) => self.take(&mut out, news).await.ok()?,
                            Err(reached) => self.position = self.position.max(reached),
                        }
                        out.extend_from_slice(b": still here\n");
                        advance(&mut out, self.position);
                    }
                }
            }
            if !out.is_empty() {
                return Some(out);
            }
        }
    }

    /// Reads a page of what was missed, or says that it was too much.
    async fn catch_up(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let head = *self.app.record.head().borrow();
        if head.saturating_sub(self.position) > self.app.settings.live.backlog {
            gap(out, self.position, head);
            self.position = head;
        }
        let missed = self.app.live.missed(self.position, PAGE).await?;
        if let Some(first) = missed.first().filter(|first| first.entry.seq != self.position + 1) {
            gap(out, self.position, first.entry.seq - 1);
        }
        self.behind = missed.len() == PAGE;
        for seen in missed {
            self.position = seen.entry.seq;
            if self.place.topic().concerns(self.app.live.shared(), &seen).await? {
                self.tell(out, &seen).await?;
            }
        }
        Ok(())
    }

    /// Takes changes that were just made, unless there are others before them.
    async fn take(&mut self, out: &mut Vec<u8>, news: News) -> Result<(), Error> {
        match news {
            News::Changes { since, to, changes } if since <= self.position => {
                for seen in changes.iter().filter(|seen| seen.entry.seq > self.position) {
                    self.tell(out, seen).await?;
                }
                self.position = self.position.max(to);
            }
            News::Changes { .. } | News::Unknown => self.behind = true,
        }
        Ok(())
    }

    async fn tell(&self, out: &mut Vec<u8>, seen: &Seen) -> Result<(), Error> {
        let entry = &seen.entry;
        if self.grant.extent_of(entry.key.type_) == Some(Extent::Whole) && self.may_be_told(seen).await? {
            let text = format!("id: {}\nevent: change\ndata: {{\"seq\":{}", entry.seq, entry.seq);
            out.extend_from_slice(text.as_bytes());
            json::member(out, "type", entry.key.type_.name());
            json::member(out, "id", &entry.key.id);
            out.extend_from_slice(format!(",\"version\":{}", entry.version).as_bytes());
            json::member(out, "at", &json::instant(entry.at));
            json::member(out, "method", entry.method.verb());
            out.extend_from_slice(b"}\n\n");
        }
        Ok(())
    }

    /// Whether the receiver may see what a change is about.
    async fn may_be_told(&self, seen: &Seen) -> Result<bool, Error> {
        if matches!(self.session.caller().standing, Standing::System) {
            return Ok(true);
        }
        let Some(openness) = self.app.live.shared().openness(seen).await? else { return Ok(false) };
        self.session.may_be_told(&openness).await
    }

    /// Looks whether the token or the sign-in still holds, and still stands for the same: a stream may outlive it, and
    /// the post it was opened from. Whoever acts as somebody else by now opens another.
    async fn still_allowed(&self) -> Option<()> {
        let now = Grant::of(&self.app, &Method::GET, &self.proof, false).await.ok().flatten()?;
        (now == self.grant).then_some(())
    }
}

/// Moves the position from which the receiver will resume, without an event.
fn advance(out: &mut Vec<u8>, position: u64) {
    out.extend_from_slice(format!("id: {position}\n\n").as_bytes());
}

/// Tells the receiver that it cannot be told everything between two positions and must read anew what it shows.
fn gap(out: &mut Vec<u8>, after: u64, head: u64) {
    let after = if after == u64::MAX { "null".to_owned() } else { after.to_string() };
    out.extend_from_slice(
        format!("id: {head}\nevent: gap\ndata: {{\"after\":{after},\"head\":{head}}}\n\n").as_bytes(),
    );
}
