//! Many clients asking one server over HTTP/1.1, each on a connection it keeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Makes the request of a number: the whole of it, head and body.
pub(crate) type Requests = Arc<dyn Fn(usize) -> Vec<u8> + Send + Sync>;

/// How long clients go on asking.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    /// For a time.
    Passed(Duration),
    /// Until so many requests are answered.
    Answered(usize),
}

/// What was measured.
#[derive(Debug, Clone, Default)]
pub(crate) struct Measured {
    /// Requests answered with 2xx.
    pub(crate) answered: usize,
    /// Requests answered otherwise, or not at all.
    pub(crate) failed: usize,
    /// From the first request to the last answer.
    pub(crate) time: Duration,
    /// The time of each answer, shortest first.
    latencies: Vec<Duration>,
}

impl Measured {
    /// Answers a second.
    pub(crate) fn rate(&self) -> f64 {
        self.answered as f64 / self.time.as_secs_f64().max(f64::EPSILON)
    }

    /// The time within which this share of the answers came.
    pub(crate) fn within(&self, share: f64) -> Duration {
        let at = (self.latencies.len() as f64 * share) as usize;
        self.latencies.get(at.min(self.latencies.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

/// Runs clients against a server until they are done. Each answered request goes to `seen` with its body.
pub(crate) async fn run(address: &str, clients: usize, until: Until, requests: Requests) -> Measured {
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|_| tokio::spawn(client(address.to_owned(), Arc::clone(&next), until, began, Arc::clone(&requests))))
        .collect();
    let mut total = Measured::default();
    for task in tasks {
        let Ok(one) = task.await else { continue };
        total.answered += one.answered;
        total.failed += one.failed;
        total.latencies.extend(one.latencies);
    }
    total.time = began.elapsed();
    total.latencies.sort_unstable();
    total
}

async fn client(address: String, next: Arc<AtomicUsize>, until: Until, began: Instant, requests: Requests) -> Measured {
    let mut measured = Measured::default();
    let mut connection: Option<Connection> = None;
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let over = match until {
            Until::Passed(time) => began.elapsed() >= time,
            Until::Answered(count) => number >= count,
        };
        if over {
            return measured;
        }
        let request = requests(number);
        let asked = Instant::now();
        let answer = match connection.take() {
            Some(open) => Some(open),
            None => Connection::open(&address).await.ok(),
        };
        let Some(mut open) = answer else {
            measured.failed += 1;
            continue;
        };
        match open.ask(&request).await {
            Ok(answer) => {
                if (200..300).contains(&answer.status) {
                    measured.answered += 1;
                    measured.latencies.push(asked.elapsed());
                } else {
                    measured.failed += 1;
                }
                connection = Some(open);
            }
            Err(_) => measured.failed += 1,
        }
    }
}

/// One kept connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// One answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The status line and the headers, as they were sent.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// From the request to the first byte of the answer.
    pub(crate) first_byte: Duration,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(1 << 16) })
    }

    /// Sends a request and reads its answer, of a stated length or in chunks.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> std::io::Result<Answer> {
        let asked = Instant::now();
        self.stream.write_all(request).await?;
        self.buffer.clear();
        self.more().await?;
        let first_byte = asked.elapsed();
        let head = loop {
            match self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => self.more().await?,
            }
        };
        let whole = String::from_utf8_lossy(&self.buffer[..head]).into_owned();
        let text = whole.to_ascii_lowercase();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        let stated = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        let body = match stated {
            Some(length) => {
                while self.buffer.len() < head + length {
                    self.more().await?;
                }
                self.buffer[head..head + length].to_vec()
            }
            None if text.contains("transfer-encoding: chunked") => {
                while !self.buffer.ends_with(b"0\r\n\r\n") {
                    self.more().await?;
                }
                self.buffer[head..].to_vec()
            }
            None => Vec::new(),
        };
        Ok(Answer { status, head: whole, body, first_byte })
    }

    async fn more(&mut self) -> std::io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// A request without a body.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n").into_bytes()
}

/// A request with a FHIR resource.
pub(crate) fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/fhir+json\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}
