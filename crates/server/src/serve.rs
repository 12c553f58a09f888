//! `qingshan serve`: the record and the portal over HTTP, until it is told to stop.

use std::fs;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use record::Surroundings;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::settings::{Part, Settings};
use crate::stepped::{self, Stepped};
use crate::{Outcome, place, protocols};

/// Serves until SIGTERM or SIGINT, then lets the requests under way end.
pub(crate) async fn run(settings: &Settings, stepped: Option<Timestamp>) -> Outcome<()> {
    let address = address(settings)?;
    let tls = tls(settings)?;
    let stepped = stepped.map(|from| clock(settings, from)).transpose()?;
    let mut surroundings = Surroundings::system();
    if let Some(clock) = &stepped {
        surroundings.clock = clock.clone();
    }
    let record = place::open_in(settings, surroundings).await?;
    let stop = stop_signal()?;
    let told = told(settings);
    let engine = protocol::Engine::new(record.clone());
    engine.prepare().await.map_err(|error| place::describe(&error))?;
    if settings.protocols.install {
        protocols::install_own(&engine).await?;
    }
    engine.keep_to(own_limits(settings)).await.map_err(|error| place::describe(&error))?;
    let booking = booking::Booking::new(record.clone(), told.booking);
    booking.prepare().await.map_err(|error| place::describe(&error))?;
    let paging = paging::Paging::new(record.clone(), told.paging.clone());
    let routing = routing(settings)?;
    // Dropped, and so ended, when serving ends. What they were at is durable and is taken up again.
    let mut jobs = JoinSet::new();
    if settings.server.parts.contains(&Part::Jobs) {
        jobs.spawn(api::subscriptions::run(record.clone(), told.subscriptions.clone()));
        jobs.spawn(api::export::run(record.clone(), told.export.clone()));
        jobs.spawn(record.clone().keep_indexed());
        jobs.spawn(record.clone().keep_people());
        jobs.spawn(record.clone().keep_sealed());
        match &stepped {
            // Whoever moves the clock waits for what is due, which is seen to there.
            Some(clock) => {
                let (engine, clock) = (engine.clone(), Arc::clone(clock));
                jobs.spawn(async move { stepped::obey(&engine, &clock).await });
            }
            None => drop(jobs.spawn(engine.clone().keep())),
        }
        jobs.spawn(booking.keep());
        jobs.spawn(routing::Routing::new(record.clone(), routing.clone()).keep());
    }
    if settings.server.parts.contains(&Part::Gateways) {
        jobs.spawn(paging.keep());
    }
    if !settings.server.parts.contains(&Part::Api) {
        tracing::info!("working without a door");
        stop.await;
        return leave(&record).await;
    }
    let unusable = |error: std::io::Error| format!("{address} cannot be listened on: {error}");
    let listener = listen(address).map_err(unusable)?;
    let bound = listener.local_addr().map_err(unusable)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    tracing::info!("listening at {scheme}://{bound}/fhir");
    let portal = portal(&settings.portal.directory)?;
    let routes = api::router(engine, api::Settings { portal, routing, ..told });
    api::serve(listener, tls, routes, stop).await.map_err(|error| format!("The service broke down: {error}"))?;
    leave(&record).await
}

/// The last thing a server does. What is not told here others find out by themselves.
async fn leave(record: &record::Record) -> Outcome<()> {
    if let Err(error) = record.end().await {
        tracing::debug!(%error, "other processes could not be told that this one ends");
    }
    tracing::info!("stopped");
    Ok(())
}

/// Connections that wait to be taken. After a restart everybody comes back within the same moment: whoever finds no room
/// is not refused but sends again, a fifth of a second later at the earliest. The system's own limit holds as well.
const WAITING: u32 = 16_384;

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A server that is started anew takes the port of the one that was there.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

/// The clock of a demonstration. No record of real people is served under one that somebody can turn.
fn clock(settings: &Settings, from: Timestamp) -> Outcome<Arc<Stepped>> {
    if !settings.sign_in.demo {
        return Err("Only a demonstration is served under a clock that can be moved: set demo in [sign_in].".to_owned());
    }
    Ok(Arc::new(Stepped::new(from)))
}

/// Where to listen. Serving without sign-in is refused on an address that others can reach.
pub(crate) fn address(settings: &Settings) -> Outcome<SocketAddr> {
    let listen = &settings.server.listen;
    let wrong = || format!("{listen} is not ADDRESS:PORT, such as 127.0.0.1:8080.");
    let address = listen.to_socket_addrs().map_err(|_| wrong())?.next().ok_or_else(wrong)?;
    if settings.sign_in.open && !address.ip().is_loopback() {
        return Err(format!("Without sign-in only a loopback address can be listened on, and {listen} is none."));
    }
    let open_line = settings.tls.certificate.as_os_str().is_empty() && !settings.server.plain_http;
    if open_line && !address.ip().is_loopback() {
        return Err(format!(
            "Anybody could read along what is sent to {listen}: give a certificate in [tls], or set plain_http in \
             [server] if a proxy speaks TLS."
        ));
    }
    Ok(address)
}

/// Reads the certificate and its key; none when no file is named.
fn tls(settings: &Settings) -> Outcome<Option<api::Tls>> {
    let (certificate, key) = (&settings.tls.certificate, &settings.tls.key);
    if certificate.as_os_str().is_empty() {
        return Ok(None);
    }
    let read = |path: &Path| fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()));
    api::Tls::new(&read(certificate)?, &read(key)?).map(Some).map_err(|error| place::describe(&error))
}

/// Reads a built portal; none when no folder is named.
fn portal(directory: &Path) -> Outcome<Option<api::Portal>> {
    if directory.as_os_str().is_empty() {
        return Ok(None);
    }
    let mut files = Vec::new();
    let mut folders = vec![directory.to_owned()];
    let unreadable = |path: &Path, error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| unreadable(&folder, error))? {
            let path = entry.map_err(|error| unreadable(&folder, error))?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let below = path.strip_prefix(directory).expect("a walk stays below where it began");
            let name: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
            let content = fs::read(&path).map_err(|error| unreadable(&path, error))?;
            files.push((name.join("/"), content));
        }
    }
    let portal = api::Portal::new(files).map_err(|error| format!("{}: {error}", directory.display()))?;
    Ok(Some(portal))
}

/// Reads the rules and the roads by which it is decided where an emergency is brought.
fn routing(settings: &Settings) -> Outcome<routing::Settings> {
    let told = &settings.routing;
    let unreadable = |path: &Path, error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let unsound = |path: &Path, error: fhir::Error| format!("{}: {}", path.display(), place::describe(&error));
    let policy = match told.rules.as_os_str().is_empty() {
        true => routing::Policy::default(),
        false => {
            let text = fs::read_to_string(&told.rules).map_err(|error| unreadable(&told.rules, error))?;
            routing::Policy::read(&text).map_err(|error| unsound(&told.rules, error))?
        }
    };
    let roads = match told.roads.as_os_str().is_empty() {
        true => None,
        false => {
            let bytes = fs::read(&told.roads).map_err(|error| unreadable(&told.roads, error))?;
            let roads = routing::Roads::read(&bytes, &policy).map_err(|error| unsound(&told.roads, error))?;
            tracing::info!("{} points of roads", roads.len());
            Some(Arc::new(roads))
        }
    };
    Ok(routing::Settings { policy: Arc::new(policy), roads })
}

/// What the HTTP door is told.
fn told(settings: &Settings) -> api::Settings {
    let seconds = Duration::from_secs;
    let directory = settings.record.data.join("export");
    let base = settings.http.base.trim_end_matches('/');
    let defaults = api::Settings::new(directory);
    api::Settings {
        base: (!base.is_empty()).then(|| base.to_owned()),
        open: settings.sign_in.open,
        body_max: settings.http.body_mb << 20,
        request_time: seconds(settings.http.request_seconds),
        token_time: seconds(settings.sign_in.token_seconds),
        behind_proxy: settings.http.behind_proxy,
        sign_in: sign_in(settings),
        providers: settings.oidc.clone(),
        live: api::Live {
            heartbeat: seconds(settings.live.heartbeat_seconds),
            backlog: settings.live.backlog,
            streams: settings.live.streams,
            ..defaults.live
        },
        subscriptions: api::Subscriptions {
            allow: settings.subscriptions.allow.clone(),
            anyone: settings.sign_in.open,
            allow_private: settings.subscriptions.allow_private,
            tries: settings.subscriptions.tries,
            attempt_time: seconds(settings.subscriptions.attempt_seconds),
            backlog: settings.subscriptions.backlog,
            ..defaults.subscriptions
        },
        export: api::Export { keep: seconds(settings.export.keep_hours * 3_600), ..defaults.export },
        booking: places(settings),
        routing: defaults.routing,
        paging: paging(settings),
        clock_skew: std::time::Duration::from_millis(settings.clocks.skew_ms),
        portal: None,
    }
}

/// What institutions keep to in place of what protocols say.
fn own_limits(settings: &Settings) -> Vec<protocol::engine::OwnLimit> {
    let own = settings.own_limit.iter().cloned().map(|own| protocol::engine::OwnLimit {
        institution: own.institution,
        protocol: own.protocol.into(),
        role: own.role.map(Into::into),
        clock: own.clock.into(),
        limit: protocol::definition::Limit {
            class: own.class.map(Into::into),
            target: own.target,
            warn: own.warn,
            breach: own.breach,
            always: own.always,
            source: Some(own.source),
        },
    });
    own.collect()
}

/// How places are held.
fn places(settings: &Settings) -> booking::Settings {
    const MINUTE: i64 = 60_000_000;
    const HOUR: i64 = 60 * MINUTE;
    let told = &settings.booking;
    booking::Settings {
        hold: i64::from(told.hold_minutes) * MINUTE,
        hold_most: i64::from(told.hold_hours_most) * HOUR,
        bed_hold: i64::from(told.bed_hold_hours) * HOUR,
        pool_release: i64::from(told.pool_release_hours) * HOUR,
        open_bookings: told.open_bookings,
        horizon: i64::from(told.horizon_days) * 24 * HOUR,
    }
}

/// How people are paged.
fn paging(settings: &Settings) -> paging::Settings {
    let told = &settings.paging;
    let gateway = told.gateway.trim();
    paging::Settings {
        gateway: (!gateway.is_empty()).then(|| gateway.to_owned()),
        token: told.token.clone(),
        channels: told.channels.clone(),
        templates: (told.sms_template.clone(), told.voice_template.clone()),
        text: told.text.clone(),
        contact: told.contact.clone(),
        allow_private: told.allow_private,
        tries: told.tries,
        first_wait: Duration::from_secs(told.wait_seconds),
        attempt_time: Duration::from_secs(told.attempt_seconds),
        everyone_most: told.everyone_most,
        chief: told.chief.clone(),
    }
}

/// What the HTTP door is told about people who sign in.
fn sign_in(settings: &Settings) -> api::SignIn {
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    let told = &settings.sign_in;
    api::SignIn {
        demo: told.demo,
        secure: settings.http.base.starts_with("https:") || !settings.tls.certificate.as_os_str().is_empty(),
        idle: minutes(told.idle_minutes),
        length: minutes(told.session_hours * 60),
        offline: minutes(told.offline_days * 24 * 60),
        failures: told.failures,
        lock: minutes(told.lock_minutes),
        address_failures: told.address_failures,
        address_time: minutes(told.address_minutes),
        password: password(settings),
    }
}

/// What passwords must be like.
pub(crate) fn password(settings: &Settings) -> api::Password {
    let told = &settings.sign_in;
    api::Password {
        length: told.password_length,
        classes: told.password_classes,
        age: Duration::from_secs(told.password_days * 86_400),
        memory_kib: told.hash_kib,
        passes: told.hash_passes,
        lanes: told.hash_lanes,
        at_once: told.hash_at_once,
        waiting: told.hash_waiting,
    }
}

/// Ready when the process is asked to end.
fn stop_signal() -> Outcome<impl Future<Output = ()> + Send + 'static> {
    let listen = |kind| signal(kind).map_err(|error| format!("Signals cannot be received: {error}"));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portal_is_its_folder_with_all_that_is_below() {
        let folder = tempfile::tempdir().unwrap();
        assert!(portal(Path::new("")).unwrap().is_none());
        let refused = portal(folder.path()).unwrap_err();
        assert!(refused.contains("index.html"), "{refused}");
        fs::create_dir(folder.path().join("assets")).unwrap();
        fs::write(folder.path().join("assets/main.js"), "").unwrap();
        fs::write(folder.path().join("index.html"), "").unwrap();
        assert!(portal(folder.path()).unwrap().is_some());
        assert!(portal(&folder.path().join("elsewhere")).unwrap_err().contains("elsewhere"));
    }

    #[test]
    fn without_sign_in_only_a_loopback_address_is_listened_on() {
        let mut settings = Settings::read(None, std::iter::empty()).unwrap();
        settings.sign_in.open = true;
        assert!(address(&settings).is_ok());
        settings.server.listen = "0.0.0.0:8080".to_owned();
        assert!(address(&settings).unwrap_err().contains("loopback"));
        settings.sign_in.open = false;
        assert!(address(&settings).unwrap_err().contains("[tls]"), "nor is it without TLS");
        settings.server.plain_http = true;
        assert!(address(&settings).is_ok());
        settings.server.listen = "everywhere".to_owned();
        assert!(address(&settings).is_err());
    }
}
