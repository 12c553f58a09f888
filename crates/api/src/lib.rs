//! The HTTP door: FHIR R4 REST at `/fhir`, its operations, sign-in for machines, live streams, subscriptions and bulk
//! export.
//!
//! Every request and every entry of a batch becomes an interaction (`route`), is held against the caller's scopes
//! (`access`), is done by the one file of that interaction or operation, and is answered in one way (`answer`,
//! `outcome`).

mod access;
mod answer;
mod ask;
mod bundle;
mod door;
mod entrance;
pub mod export;
mod health;
mod interaction;
mod json;
mod live;
mod map;
mod operation;
mod outcome;
mod paging;
mod portal;
mod route;
mod runs;
mod settings;
pub mod subscriptions;
mod summary;
mod trail;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use ::paging::Paging;
use axum::Router;
use axum::http::header;
use axum::middleware;
use axum::routing::{any, get};
use booking::Booking;
use entrance::{Entrance, Peer};
use fhir::Error;
use protocol::Engine;
use record::Record;
use routing::Routing;
use tokio::net::TcpListener;
use tokio::sync::{OnceCell, oneshot};

pub use access::{Accounts, Elsewhere, Listed, NewAccount, NewClient, add_client, register_client};
pub use entrance::Tls;
pub use portal::Portal;
pub use settings::{Export, Live, Password, Provider, Settings, SignIn, Subscriptions};

/// What every request needs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) record: Record,
    pub(crate) engine: Engine,
    pub(crate) booking: Booking,
    pub(crate) routing: Routing,
    pub(crate) map: map::Shown,
    pub(crate) paging: Paging,
    pub(crate) tellable: paging::Tellable,
    pub(crate) settings: Settings,
    pub(crate) tokens: access::Tokens,
    pub(crate) sign_ins: access::SignIns,
    pub(crate) attempts: access::Attempts,
    pub(crate) hashing: access::Hashing,
    pub(crate) fetcher: access::Fetcher,
    signer: OnceCell<access::Signer>,
    pub(crate) live: live::Hub,
    /// Tells this process's requests apart from those of others.
    pub(crate) name: String,
    /// When this process began to serve, in microseconds since 1970.
    pub(crate) started: i64,
    /// Numbers the requests of this process.
    pub(crate) requests: AtomicU64,
}

impl Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl App {
    fn new(engine: Engine, settings: Settings) -> Self {
        let record = engine.record().clone();
        let random = record.surroundings().randomness.bytes();
        let live = live::Hub::new(record.clone(), &settings.live);
        let started = record.surroundings().clock.now();
        Self(Arc::new(Inner {
            booking: Booking::new(record.clone(), settings.booking),
            routing: Routing::new(record.clone(), settings.routing.clone()),
            map: map::Shown::default(),
            paging: Paging::new(record.clone(), settings.paging.clone()),
            tellable: paging::Tellable::default(),
            record,
            engine,
            sign_ins: access::SignIns::default(),
            attempts: access::Attempts::default(),
            fetcher: access::Fetcher::default(),
            signer: OnceCell::new(),
            hashing: access::Hashing::new(settings.sign_in.password.clone()),
            settings,
            live,
            tokens: access::Tokens::default(),
            name: access::hex(&random[..4]),
            started,
            requests: AtomicU64::new(1),
        }))
    }

    /// Who signs identity tokens.
    pub(crate) async fn signer(&self) -> Result<&access::Signer, Error> {
        self.signer.get_or_try_init(|| access::Signer::of(&self.record)).await
    }
}

/// The routes of the HTTP door over a record and the protocols at work on it.
///
/// - `/fhir…`: the FHIR service
/// - `/fhir/.well-known/…`, `/.well-known/smart-configuration`: where and how to sign in
/// - `/auth/…`: sign-in of people, of apps and of machines
/// - `/audit/…`: the seals of the trail
/// - `/protocols…`, `/runs…`: care processes
/// - `/paging…`: who is on call, and how they are paged
/// - `/live?topic=…`: server-sent events
/// - `/map.json`: the published map of who treats emergencies, open to everybody
/// - `/health`: whether the store answers
/// - everything else: the portal, if there is one
pub fn router(engine: Engine, settings: Settings) -> Router {
    let portal = settings.portal.clone();
    let app = App::new(engine, settings);
    let router = Router::new()
        .route("/fhir", any(door::fhir))
        .route("/fhir/", any(door::fhir))
        .route("/fhir/{*path}", any(door::fhir))
        .route("/.well-known/smart-configuration", get(health::smart_configuration))
        .route("/fhir/.well-known/smart-configuration", get(health::smart_configuration))
        .route("/fhir/.well-known/openid-configuration", get(health::openid_configuration))
        .merge(access::routes())
        .merge(runs::routes())
        .merge(paging::routes())
        .layer(middleware::from_fn_with_state(app.clone(), access::cross_origin))
        .merge(trail::routes())
        .route("/live", get(live::stream))
        .route("/map.json", get(map::map))
        .route("/health", get(health::health))
        .with_state(app);
    match portal {
        Some(portal) => router.fallback_service(any(portal::answer).with_state(portal)),
        None => router,
    }
}

/// Routes that answer whatever is asked under `/fhir` with the same bytes, to measure what serving itself costs.
#[doc(hidden)]
pub fn constant(body: bytes::Bytes) -> Router {
    let answer = move || {
        let headers = [
            (header::CONTENT_TYPE, "application/fhir+json; charset=utf-8"),
            (header::ETAG, "W/\"1\""),
            (header::LAST_MODIFIED, "Sun, 22 Nov 2026 00:00:00 GMT"),
        ];
        std::future::ready((headers, body.clone()))
    };
    Router::new().route("/fhir/{*path}", any(answer))
}

/// How long requests under way may take once serving is to end. Live streams never end by themselves.
const GRACE: Duration = Duration::from_secs(10);

/// Serves the routes on a listener, through TLS if there is a certificate, until `stop` is ready; then lets the
/// requests under way end, but not for ever.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    routes: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let listener = Entrance::new(listener, tls);
    let callers = routes.layer(middleware::from_fn(entrance::name_host)).into_make_service_with_connect_info::<Peer>();
    let (stopping, stopped) = oneshot::channel();
    let stop = async move {
        stop.await;
        // Nobody listens any more when serving has ended by itself.
        let _ = stopping.send(());
    };
    let late = async {
        if stopped.await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        result = axum::serve(listener, callers).with_graceful_shutdown(stop).into_future() => result,
        () = late => Ok(()),
    }
}
