//! `etcd-backup-sidecar serve`: backups by schedule and on demand, and the API for the operator.
//!
//! ```text
//!               orders                    take
//!  API (TLS) ───────────> engine (one task) ─────> Taker ──> store
//!     ^  ^                  │        │ list, prune, erase      ^
//!     │  └── board (watch) ─┘        └──────────> Stock ───────┤
//!     └────────────── lists, streams, manifests ───────────────┘
//! ```
//!
//! The engine alone decides what runs; there are never two backups at once. The API answers from the
//! board and the store and changes nothing by itself. `docs/backup-api.md` describes the API.

mod api;
mod board;
mod client;
mod clock;
mod engine;
mod health;
mod idle;
mod listener;
mod options;
mod pins;
mod settings;
mod stock;
mod taker;
#[cfg(test)]
mod tests;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::api::sidecar::SidecarConfig;
use anyhow::{Context, bail};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::metrics::{self, Metrics};
use crate::serve::api::Api;
use crate::serve::client::ClientName;
use crate::serve::clock::Clock;
use crate::serve::engine::{Engine, Parts, Shown};
use crate::serve::health::Health;
use crate::serve::listener::{Clients, Limits, Server};
use crate::serve::settings::Settings;
use crate::serve::tls::Certificates;

#[cfg(test)]
pub(crate) use engine::tests::world;
pub use options::ServeArgs;
pub use taker::{Job, Problem, Progress, Taken, Taker};

/// Wishes that wait for the engine, which takes them at once.
const ASKS: usize = 64;
/// Kubernetes changes a mounted Secret within a minute or so; ten seconds more do no harm.
const CERTIFICATES_PACE: Duration = Duration::from_secs(10);

/// Why `serve` ended or did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// What was given cannot be used; one sentence for each thing. Exit code 2.
    #[error("{}", .0.join("\n"))]
    Usage(Vec<String>),
    /// It could not go on. Exit code 1.
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
}

/// Serves until SIGTERM or SIGINT (then `Ok`, after a backup that is under way).
///
/// `taker` is made once, from the checked configuration; not for `--read-only`. The store is opened
/// here, again and again until it can be.
pub async fn run(
    args: ServeArgs,
    taker: impl FnOnce(&SidecarConfig) -> anyhow::Result<Arc<dyn Taker>>,
) -> Result<(), ServeError> {
    // Before all else: process 1 of a container does not hear a signal that nobody waits for, and the pod
    // would be there until its grace is over.
    let stop = stop_on_signal()?;
    let settings = Settings::load(&args.config, args.read_only).map_err(ServeError::Usage)?;
    let taker = if args.read_only { None } else { Some(taker(&settings.config)?) };
    let mut registry = telemetry::Metrics::new(metrics::PREFIX, env!("CARGO_PKG_VERSION"));
    let parts = Parts {
        schedule: settings.schedule,
        retention: settings.retention,
        archive: settings.archive,
        open: settings.open,
        url: settings.config.store,
        taker,
        clock: Clock::of_the_system(),
        metrics: Metrics::register(registry.registry()),
    };
    Ok(Box::pin(serve(&args, parts, settings.client, registry, stop)).await?)
}

/// Serves what the parts are.
async fn serve(
    args: &ServeArgs,
    parts: Parts,
    client: Option<ClientName>,
    registry: telemetry::Metrics,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let certificates = Certificates::read(&args.tls_dir, CERTIFICATES_PACE).await?;
    let [listener, health_listener] = [
        listen("--listen", args.listen).await?,
        listen("--health-listen", args.health_listen).await?,
    ];
    let (metrics, clock) = (parts.metrics.clone(), parts.clock.clone());
    let shown = Shown::new(clock.now());
    let (send, asks) = mpsc::channel(ASKS);
    let limits = Limits::default();
    let ready = shown.ready.clone();
    let health = Health { ready, metrics: metrics.clone(), registry: Arc::new(registry), clock };
    let api = Api::new(shown.clone(), send, limits, metrics.clone(), args.read_only);
    let server = Server {
        listener,
        clients: client.map(|name| Clients { name, refusal: api.refusal() }),
        routes: api.routes(),
        certificates: Some(Arc::new(certificates)),
        limits,
        metrics: metrics.clone(),
    };
    let health = Server {
        listener: health_listener,
        routes: health.routes(),
        certificates: None,
        clients: None,
        limits,
        metrics,
    };
    tracing::info!(api = %args.listen, health = %args.health_listen, "serving");
    together(Engine::new(parts, shown, asks, stop), server, health).await
}

/// The API goes on until the engine has ended, so that the operator sees a last backup come to its end.
async fn together(engine: Engine, server: Server, health: Server) -> anyhow::Result<()> {
    let end = CancellationToken::new();
    let mut engine = tokio::spawn(engine.run());
    let mut server = tokio::spawn(server.run(end.clone()));
    let mut health = tokio::spawn(health.run(end.clone()));
    tokio::select! {
        ended = &mut engine => ended.context("the engine broke down")?,
        ended = &mut server => bail!("the API ended by itself: {ended:?}"),
        ended = &mut health => bail!("the probes ended by themselves: {ended:?}"),
    }
    end.cancel();
    server.await.context("the API broke down")?;
    health.await.context("the probes broke down")
}

async fn listen(flag: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("{address} cannot be listened on; choose another {flag}"))
}

/// A token that SIGTERM and SIGINT cancel.
fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be handled")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be handled")?;
    let stop = CancellationToken::new();
    let guard = stop.clone().drop_guard();
    // Ends with the process; should it die, the guard stops everything.
    drop(tokio::spawn(async move {
        let _guard = guard;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
    }));
    Ok(stop)
}
