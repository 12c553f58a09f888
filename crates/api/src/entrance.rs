//! The port: connections as they come in, through TLS where there is a certificate.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::connect_info::Connected;
use axum::http::{HeaderValue, Request, header};
use axum::middleware::Next;
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use fhir::{Category, Error, IssueCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{TlsAcceptor, rustls};

/// How long somebody may take to agree on TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections that may agree on TLS at the same time; further ones wait in the queue of the operating system.
const HANDSHAKES: usize = 1_000;

/// A certificate and its key.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl Tls {
    /// Reads a chain of certificates, the server's own first, and the key of the first, both in PEM.
    ///
    /// TLS 1.2 and 1.3 are spoken. Fails with [`Category::Invalid`] when they cannot be read or do not belong
    /// together.
    pub fn new(certificates: &[u8], key: &[u8]) -> Result<Self, Error> {
        let invalid =
            |text: &str, cause: String| Error::new(Category::Invalid, IssueCode::Value, text).caused_by(cause);
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<_, _>>()
            .map_err(|error| invalid("The certificate cannot be read as PEM.", error.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| invalid("The key of the certificate cannot be read as PEM.", error.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(Error::fault)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| invalid("The certificate and its key do not belong together.", error.to_string()))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}

/// Where connections come in.
pub(crate) struct Entrance {
    listener: TcpListener,
    tls: Option<Tls>,
    handshakes: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
}

impl Entrance {
    pub(crate) fn new(listener: TcpListener, tls: Option<Tls>) -> Self {
        Self { listener, tls, handshakes: JoinSet::new() }
    }
}

impl Listener for Entrance {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Stream, SocketAddr) {
        let Some(Tls(acceptor)) = self.tls.clone() else {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            return (Stream::Plain(at_once(stream)), address);
        };
        loop {
            // Whoever is slow to agree holds up nobody else.
            tokio::select! {
                Some(done) = self.handshakes.join_next() => {
                    if let Ok(Some((stream, address))) = done {
                        return (Stream::Tls(Box::new(stream)), address);
                    }
                }
                (stream, address) = Listener::accept(&mut self.listener), if self.handshakes.len() < HANDSHAKES => {
                    let agreeing = tokio::time::timeout(HANDSHAKE, acceptor.accept(at_once(stream)));
                    self.handshakes.spawn(async move { Some((agreeing.await.ok()?.ok()?, address)) });
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection whose small answers do not wait for more bytes to fill a packet.
fn at_once(stream: TcpStream) -> TcpStream {
    // One that is already broken says so when it is read.
    drop(stream.set_nodelay(true));
    stream
}

/// From where a request came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl Connected<IncomingStream<'_, Entrance>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Entrance>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// A connection.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// Gives requests of HTTP/2, which name the host in their first line, the header that those of HTTP/1.1 have.
pub(crate) async fn name_host(mut request: Request<Body>, next: Next) -> Response {
    if !request.headers().contains_key(header::HOST)
        && let Some(host) = request.uri().authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok())
    {
        request.headers_mut().insert(header::HOST, host);
    }
    next.run(request).await
}
