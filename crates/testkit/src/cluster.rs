//! A PostgreSQL cluster of one's own: made in a temporary folder, gone without a trace afterwards.
//!
//! The server runs with the durability of production, because the tests of faults rely on it.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};

/// Names the cluster that a whole test run shares, as `postgres://postgres@127.0.0.1:PORT`.
pub const SHARED: &str = "QINGSHAN_TEST_POSTGRES";

/// Watches over one server: starts it, stops it on request, and clears everything away when its input ends, which it
/// does in whatever way the test's process dies. A shell, because it must outlive that process and run as somebody else.
const GUARDIAN: &str = r#"
set -eu
trap '' INT HUP TERM
folder=$(mktemp -d "${TMPDIR:-/tmp}/qingshan-postgres.XXXXXX")
trap 'rm -rf "$folder"' EXIT
run() {
    "$1/postgres" -D "$folder/data" -k "$folder" -p "$2" -h 127.0.0.1 -c max_connections=300 \
        </dev/null >>"$folder/log" 2>&1 &
    server=$!
    until "$1/pg_isready" -q -h 127.0.0.1 -p "$2"; do
        kill -0 "$server" || { tail -n 5 "$folder/log" >&2; exit 1; }
        sleep 0.05
    done
    echo started
}
"$1/initdb" -D "$folder/data" -U postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 \
    >"$folder/log" 2>&1 || { tail -n 5 "$folder/log" >&2; exit 1; }
run "$1" "$2"
while read -r word; do
    case $word in
        start) run "$1" "$2" ;;
        stop) kill -QUIT "$server"; wait "$server" || true; echo stopped ;;
    esac
done
kill -QUIT "$server" 2>/dev/null || true
wait "$server" || true
"#;

/// A running PostgreSQL server.
pub struct Cluster {
    address: String,
    programs: PathBuf,
    /// Absent when somebody else started the server.
    guardian: Option<Mutex<Guardian>>,
}

struct Guardian {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// A database of its own inside a [`Cluster`], dropped with this value.
pub struct Database<'a> {
    cluster: &'a Cluster,
    name: String,
}

impl Cluster {
    /// The cluster that this process's tests share: the one [`SHARED`] names, or one started for this process.
    ///
    /// # Panics
    /// If PostgreSQL's server programs are not installed or the server does not start.
    pub fn shared() -> &'static Self {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(|| match std::env::var_os(SHARED) {
            Some(address) => Self {
                address: address.into_string().expect("an address is UTF-8"),
                programs: programs().expect("PostgreSQL is installed: apt-get install postgresql"),
                guardian: None,
            },
            None => Self::start().expect("a PostgreSQL cluster starts"),
        })
    }

    /// Starts a cluster of its own, for a test that stops the server or counts what it does.
    ///
    /// # Errors
    /// A sentence that says what is missing.
    pub fn start() -> Result<Self, String> {
        let programs = programs().ok_or("PostgreSQL's server programs are missing: apt-get install postgresql")?;
        let failed = |error: std::io::Error| format!("the PostgreSQL cluster cannot be started: {error}");
        let port = free_port().map_err(failed)?;
        // The server refuses to run as root, so root's tests run it as the user its package made.
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--", "sh"]);
            command
        } else {
            Command::new("sh")
        };
        let mut child = command
            .args(["-c", GUARDIAN, "guardian"])
            .arg(&programs)
            .arg(port.to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let orders = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        let mut guardian = Guardian { child, orders, answers };
        guardian.hear("started")?;
        Ok(Self {
            address: format!("postgres://postgres@127.0.0.1:{port}"),
            programs,
            guardian: Some(Mutex::new(guardian)),
        })
    }

    /// The server without a database: `postgres://postgres@127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A new, empty database.
    ///
    /// # Panics
    /// If the server does not answer.
    pub fn database(&self) -> Database<'_> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        self.say(&format!("CREATE DATABASE {name}")).expect("the server makes a database");
        Database { cluster: self, name }
    }

    /// Stops the server at once, as a crash would; committed transactions stay.
    ///
    /// # Panics
    /// If this cluster is shared: a test that stops the server needs one of its own.
    pub fn stop(&self) {
        self.guardian().order("stop", "stopped");
    }

    /// Starts the server again after [`Cluster::stop`], at the same address.
    ///
    /// # Panics
    /// If this cluster is shared, or the server does not come back.
    pub fn restart(&self) {
        self.guardian().order("start", "started");
    }

    fn guardian(&self) -> MutexGuard<'_, Guardian> {
        let guardian = self.guardian.as_ref().expect("a test that stops the server has a cluster of its own");
        guardian.lock().expect("no test panics while it gives an order")
    }

    fn say(&self, sql: &str) -> Result<(), String> {
        let answer = Command::new(self.programs.join("psql"))
            .args(["--no-psqlrc", "--quiet", "--command", sql])
            .arg(format!("{}/postgres", self.address))
            .output()
            .map_err(|error| error.to_string())?;
        if answer.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&answer.stderr).into_owned()) }
    }
}

impl Guardian {
    fn order(&mut self, order: &str, answer: &str) {
        let orders = self.orders.as_mut().expect("the guardian listens until it is dropped");
        writeln!(orders, "{order}").expect("the guardian listens");
        self.hear(answer).expect("the guardian does as it is told");
    }

    fn hear(&mut self, expected: &str) -> Result<(), String> {
        let mut answer = String::new();
        let read = self.answers.read_line(&mut answer).map_err(|error| error.to_string())?;
        if read > 0 && answer.trim() == expected {
            return Ok(());
        }
        Err(format!("the PostgreSQL server is not {expected}; what it said stands above"))
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        drop(self.orders.take());
        // It clears away in its own time; waiting only keeps it from staying behind as a zombie.
        let _ = self.child.wait();
    }
}

impl Database<'_> {
    /// Where to connect: `postgres://postgres@127.0.0.1:PORT/NAME`.
    pub fn url(&self) -> String {
        format!("{}/{}", self.cluster.address, self.name)
    }

    /// What a query answers, one line a row with `|` between columns: for tests that read the catalogue or a plan.
    ///
    /// # Panics
    /// If the server refuses the query.
    pub fn query(&self, sql: &str) -> Vec<String> {
        let answer = Command::new(self.cluster.programs.join("psql"))
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--command", sql])
            .arg(self.url())
            .output()
            .expect("psql is installed with the server");
        assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
        String::from_utf8_lossy(&answer.stdout).lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        // A test may have stopped the server; then the database goes with the cluster.
        let _ = self.cluster.say(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

/// The folder of the newest installed server's programs.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let version = |folder: &Path| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let installed = versions.flatten().map(|entry| entry.path()).filter(|path| path.join("bin/initdb").is_file());
    installed.max_by_key(|folder| version(folder)).map(|folder| folder.join("bin"))
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_database_is_empty_and_apart() {
        let cluster = Cluster::shared();
        let (one, other) = (cluster.database(), cluster.database());
        one.query("CREATE TABLE only_here (id int)");
        let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
        assert_eq!(one.query(tables), ["1"]);
        assert_eq!(other.query(tables), ["0"]);
    }

    #[test]
    fn a_stopped_server_comes_back_with_what_was_committed() {
        let cluster = Cluster::start().unwrap();
        let database = cluster.database();
        database.query("CREATE TABLE kept (id int)");
        cluster.stop();
        assert!(cluster.say("SELECT 1").is_err());
        cluster.restart();
        assert_eq!(database.query("SELECT count(*) FROM kept"), ["0"]);
    }

    #[test]
    fn the_server_forgets_nothing_when_it_crashes() {
        let database = Cluster::shared().database();
        assert_eq!(database.query("SHOW fsync"), ["on"]);
        assert_eq!(database.query("SHOW synchronous_commit"), ["on"]);
    }
}
