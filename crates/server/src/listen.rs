//! Listening and graceful shutdown.

use std::future::IntoFuture;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How long requests under way may take to finish once we were asked to stop.
const GRACE: Duration = Duration::from_secs(25);

/// Binds an address; port 0 takes any free one.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, anyhow::Error> {
    TcpListener::bind(address).await.with_context(|| format!("can't listen on {address}"))
}

/// Binds the same port on `[::1]`, for clients that resolve `localhost` to it first. Machines without IPv6
/// do without.
pub async fn bind_loopback_v6(port: u16) -> Option<TcpListener> {
    TcpListener::bind(SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port)).await.ok()
}

/// Serves until the process is asked to stop, then lets requests under way finish.
pub async fn serve(listeners: Vec<TcpListener>, router: Router) -> Result<(), anyhow::Error> {
    let (stop, stopped) = watch::channel(false);
    let servers = listeners.into_iter().map(|listener| {
        let service = router.clone().into_make_service_with_connect_info::<SocketAddr>();
        let mut stopped = stopped.clone();
        let server = axum::serve(listener, service).with_graceful_shutdown(async move {
            // An error means the sender is gone, which is a stop too.
            let _stopped = stopped.wait_for(|stopped| *stopped).await;
        });
        tokio::spawn(server.into_future())
    });
    let servers: Vec<_> = servers.collect();
    wait_for_signal().await?;
    tracing::info!("stopping");
    stop.send_replace(true);
    for server in servers {
        match tokio::time::timeout(GRACE, server).await {
            Ok(ended) => ended.context("the server task failed")??,
            Err(_elapsed) => tracing::warn!("requests were still under way"),
        }
    }
    Ok(())
}

async fn wait_for_signal() -> Result<(), anyhow::Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
