//! The servers that are measured: this program as a process of its own, and one that answers constant bytes.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tokio::net::TcpListener;

use crate::Outcome;

/// A running `qingshan serve`, stopped with this value.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: String,
}

impl Server {
    /// Starts one on a port the system chooses and waits until it listens.
    pub(crate) async fn start(place: &[String]) -> Outcome<Self> {
        let serve = ["serve", "--open", "--listen", "127.0.0.1:0"].map(str::to_owned);
        Self::started(&[&serve, place].concat()).await
    }

    /// Starts one for people who sign in with one click.
    pub(crate) async fn guarded(place: &[String]) -> Outcome<Self> {
        let serve = ["serve", "--listen", "127.0.0.1:0"].map(str::to_owned);
        Self::begun(&[&serve, place].concat(), &[("QINGSHAN__SIGN_IN__DEMO", "true")]).await
    }

    /// The same with more settings than that.
    pub(crate) async fn guarded_with(place: &[String], settings: &[(&str, &str)]) -> Outcome<Self> {
        let serve = ["serve", "--listen", "127.0.0.1:0"].map(str::to_owned);
        let settings = [&[("QINGSHAN__SIGN_IN__DEMO", "true")], settings].concat();
        Self::begun(&[&serve, place].concat(), &settings).await
    }

    /// Starts one that answers every request with so many bytes, through the doors and the HTTP library that the real one uses. It
    /// too is a process of its own, so that both pay the same for reaching the program that asks.
    pub(crate) async fn constant(size: usize) -> Outcome<Self> {
        Self::started(&["constant".to_owned(), size.to_string()]).await
    }

    async fn started(words: &[String]) -> Outcome<Self> {
        Self::begun(words, &[]).await
    }

    async fn begun(words: &[String], settings: &[(&str, &str)]) -> Outcome<Self> {
        let program = std::env::current_exe().map_err(|error| format!("This program cannot be found: {error}"))?;
        let mut child = Command::new(program)
            .args(words)
            .envs(settings.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("A server cannot be started: {error}"))?;
        let log = BufReader::new(child.stderr.take().ok_or("A server has no log.")?);
        let listening = tokio::task::spawn_blocking(move || {
            let mut lines = log.lines().map_while(Result::ok);
            let address = lines.find_map(|line| {
                let (_, rest) = line.split_once("listening at http://")?;
                Some(rest.split('/').next().unwrap_or_default().to_owned())
            });
            // The log must be read to its end, or the server would wait for a reader.
            std::thread::spawn(move || lines.for_each(drop));
            address
        });
        let address =
            listening.await.map_err(|error| error.to_string())?.ok_or("A server ended before it listened.")?;
        Ok(Self { child, address })
    }

    /// A figure of the kernel's about its memory, in kB: `VmRSS` now, `VmHWM` at most.
    pub(crate) fn memory(&self, figure: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse().ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Answers every request with so many bytes until the process is ended.
pub(crate) async fn constantly(size: usize) -> Outcome<()> {
    let failed = |error: std::io::Error| format!("A port cannot be listened on: {error}");
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    tracing::info!("listening at http://{}/", listener.local_addr().map_err(failed)?);
    let routes = api::constant(vec![b' '; size].into());
    api::serve(listener, None, routes, std::future::pending()).await.map_err(failed)
}
