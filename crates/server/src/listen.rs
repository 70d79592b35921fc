//! Listening, bounded connections, and graceful shutdown.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use kernel::{App, jobs};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, watch};
use tower::ServiceExt;

use crate::assembly;

/// How long requests under way may take to finish once we were asked to stop.
const GRACE: Duration = Duration::from_secs(25);
/// How long a connection may take to send the head of a request, or to begin one. Longer than proxies keep
/// idle connections (60 seconds with most), so that it is they who close them.
const IDLE: Duration = Duration::from_secs(75);
/// Connections at one time; further ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 10_000;
/// What a connection may have buffered: more than the longest head that is taken.
const MAX_BUFFER: usize = 128 * 1024;
/// Requests at one time over one HTTP/2 connection.
const MAX_STREAMS: u32 = 100;

/// Binds an address; port 0 takes any free one.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, anyhow::Error> {
    TcpListener::bind(address).await.with_context(|| format!("can't listen on {address}"))
}

/// Binds the same port on `[::1]`, for clients that resolve `localhost` to it first. Machines without IPv6
/// do without.
pub async fn bind_loopback_v6(port: u16) -> Option<TcpListener> {
    TcpListener::bind(SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port)).await.ok()
}

/// Knows how often this process was asked to stop: once to finish what is under way, twice to end at once.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<u8>);

impl Stop {
    /// Listens to the signals from here on. Called before there is anything to clean up, since until then a
    /// signal ends the process as it stands.
    pub fn on_signals() -> Result<Self, anyhow::Error> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let (asked, receiver) = watch::channel(0_u8);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                    _ = hang_up.recv() => {}
                }
                asked.send_modify(|times| *times = times.saturating_add(1));
            }
        });
        Ok(Self(receiver))
    }

    /// Waits until the process was asked this often.
    async fn asked(&self, times: u8) {
        let mut receiver = self.0.clone();
        // An error means that nobody listens to signals any more, which is a stop too.
        let _asked = receiver.wait_for(|asked| *asked >= times).await;
    }
}

/// Answers requests and does jobs until the process is asked to stop, then lets what is under way finish.
pub async fn run(app: &App, listeners: Vec<TcpListener>, stop: Stop) {
    let asked = stop.clone();
    let worker = jobs::work(app.clone(), assembly::jobs(), async move { asked.asked(1).await });
    let worker = tokio::spawn(worker);
    serve(listeners, assembly::router(app.clone()), stop.clone()).await;
    tokio::select! {
        _ended = worker => return,
        () = stop.asked(2) => {}
        () = tokio::time::sleep(GRACE) => {}
    }
    tracing::warn!("jobs were still under way; they run again when their lease ends");
}

async fn serve(listeners: Vec<TcpListener>, router: Router, stop: Stop) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // Nothing is ever sent: once the last sender is gone, so is the last connection.
    let (alive, mut ended) = mpsc::channel::<()>(1);
    for listener in listeners {
        tokio::spawn(accept(listener, router.clone(), stop.clone(), permits.clone(), alive.clone()));
    }
    drop(alive);
    stop.asked(1).await;
    tracing::info!("stopping");
    tokio::select! {
        _ = ended.recv() => {}
        () = stop.asked(2) => tracing::warn!("stopping at once"),
        () = tokio::time::sleep(GRACE) => tracing::warn!("requests were still under way"),
    }
}

async fn accept(
    listener: TcpListener,
    router: Router,
    stop: Stop,
    permits: Arc<Semaphore>,
    alive: mpsc::Sender<()>,
) {
    loop {
        let accepted = async {
            let permit = permits.clone().acquire_owned().await.map_err(io::Error::other)?;
            listener.accept().await.map(|(stream, address)| (stream, address, permit))
        };
        let accepted = tokio::select! {
            accepted = accepted => accepted,
            () = stop.asked(1) => return,
        };
        match accepted {
            Ok((stream, address, permit)) => {
                let served = connection(stream, address, router.clone(), stop.clone());
                let alive = alive.clone();
                tokio::spawn(async move {
                    served.await;
                    drop((permit, alive));
                });
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Out of file descriptors, most likely: some come back as connections end.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Whether only the connection that was to be accepted is broken.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn connection(stream: TcpStream, address: SocketAddr, router: Router, stop: Stop) {
    // The wait for the first byte has no limit in the protocol's own code.
    let mut byte = [0];
    let first = tokio::select! {
        first = tokio::time::timeout(IDLE, stream.peek(&mut byte)) => first,
        () = stop.asked(1) => return,
    };
    if !matches!(first, Ok(Ok(1))) || stream.set_nodelay(true).is_err() {
        return;
    }
    let service = router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(address));
        request
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(IDLE).max_buf_size(MAX_BUFFER);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(IDLE).max_concurrent_streams(MAX_STREAMS);
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)));
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stop.asked(1) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
