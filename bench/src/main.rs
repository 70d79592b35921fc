//! Benchmarks of the shipped binary: `cargo run --release -p bench`.
//!
//! Figures are ratios of one run on one machine, never timed tests. CPU is the server process's own, read from
//! the kernel, so the load generator beside it doesn't count.

mod identity_provider;
mod server;

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use saml::response::{Expected, verify};
use serde_json::json;

use identity_provider::IdentityProvider;
use server::Server;

/// How long each in-process loop runs.
const LOOP: Duration = Duration::from_secs(3);
const LOGINS: usize = 3000;
const REQUESTS: usize = 20_000;
const CONCURRENCY: usize = 32;

/// One line of the table.
struct Line {
    work: &'static str,
    figure: String,
    bar: &'static str,
}

#[tokio::main]
async fn main() -> Result<(), anyhow::Error> {
    let identity_provider = IdentityProvider::new()?;
    let mut lines = vec![saml_verification(&identity_provider)?];
    let server = Server::start().await?;
    lines.push(Line {
        work: "cold start to first 200, with migrations",
        figure: format!("{} ms", server.cold_start.as_millis()),
        bar: "< 150 ms",
    });
    lines.push(Line {
        work: "idle memory",
        figure: format!("{:.1} MB", server.memory_megabytes()?),
        bar: "< 30 MB",
    });
    lines.push(Line {
        work: "binary (this profile)",
        figure: format!("{:.1} MB", server.binary_megabytes()?),
        bar: "< 40 MB",
    });
    lines.push(organizations_created(&server).await?);
    lines.push(organizations_listed(&server).await?);
    lines.push(logins(&server, &identity_provider).await?);
    println!("{:<44} {:<44} bar", "work", "here");
    for line in lines {
        println!("{:<44} {:<44} {}", line.work, line.figure, line.bar);
    }
    server.stop().await
}

/// Verify and extract, against the RSA signature check alone.
fn saml_verification(identity_provider: &IdentityProvider) -> Result<Line, anyhow::Error> {
    let (acs, sp) = ("https://auth.example.com/sso/saml/acs/key", "https://auth.example.com/key");
    let response = identity_provider.response("_request", acs, sp, 1)?;
    let certificates = [identity_provider.certificate()?];
    let expected = Expected {
        idp_entity_id: identity_provider::ENTITY_ID,
        sp_entity_id: sp,
        acs_url: acs,
        in_response_to: "_request",
        now: identity_provider::now(),
        certificates: &certificates,
        allow_sha1: false,
    };
    let ours = rate(|| verify(&response, &expected).is_ok())?;
    let message = [7_u8; 400];
    let signature = identity_provider.sign(&message)?;
    let key = identity_provider.public_key();
    let limit = rate(|| {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key).verify(&message, &signature).is_ok()
    })?;
    Ok(Line {
        work: "SAML response: verify and extract, per core",
        figure: format!("{ours:.0}/s (RSA-2048 verify alone {limit:.0}/s)"),
        bar: ">= 20,000/s",
    })
}

/// How often a second something succeeds on one core.
fn rate(mut work: impl FnMut() -> bool) -> Result<f64, anyhow::Error> {
    let started = Instant::now();
    let mut count = 0_u32;
    while started.elapsed() < LOOP {
        for _ in 0..100 {
            if !work() {
                bail!("the work failed");
            }
        }
        count += 100;
    }
    Ok(f64::from(count) / started.elapsed().as_secs_f64())
}

/// Runs `count` requests, `CONCURRENCY` at a time, and gives the server's CPU and the wall time.
async fn load<F, Fut>(
    server: &Server,
    count: usize,
    request: F,
) -> Result<(Duration, Duration), anyhow::Error>
where
    F: Fn(usize) -> Fut,
    Fut: Future<Output = Result<(), anyhow::Error>> + Send + 'static,
{
    let before = server.cpu()?;
    let started = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for n in 0..count {
        if running.len() >= CONCURRENCY {
            running.join_next().await.context("no request")???;
        }
        running.spawn(request(n));
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok((server.cpu()?.saturating_sub(before), started.elapsed()))
}

fn per(work: &'static str, bar: &'static str, count: usize, cpu: Duration, wall: Duration) -> Line {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    let micros = cpu.as_secs_f64() * 1e6 / f64::from(count);
    let figure = format!("{micros:.0} µs CPU, {:.0}/s", f64::from(count) / wall.as_secs_f64());
    Line { work, figure, bar }
}

async fn organizations_created(server: &Server) -> Result<Line, anyhow::Error> {
    let (cpu, wall) = load(server, REQUESTS, |n| {
        let request = server.post("/organizations", &json!({ "name": format!("Organization {n}") }));
        async move { server::expect(request.send().await?, 201).await.map(drop) }
    })
    .await?;
    Ok(per("POST /organizations, durable", "<= 150 µs", REQUESTS, cpu, wall))
}

async fn organizations_listed(server: &Server) -> Result<Line, anyhow::Error> {
    let (cpu, wall) = load(server, REQUESTS, |_| {
        let request = server.get("/organizations?limit=10");
        async move { server::expect(request.send().await?, 200).await.map(drop) }
    })
    .await?;
    Ok(per("GET /organizations?limit=10", "<= 40 µs", REQUESTS, cpu, wall))
}

/// Whole sign-ins: authorize, the identity provider's answer, token, profile.
async fn logins(server: &Server, identity_provider: &IdentityProvider) -> Result<Line, anyhow::Error> {
    let connection = server.connection(identity_provider).await?;
    // Signing the responses is the load generator's work and would hold the server back: prepared ahead.
    let mut begun = Vec::with_capacity(LOGINS);
    let before = server.cpu()?;
    let started = Instant::now();
    for n in 0..LOGINS {
        let flow = server.authorize(&connection.id).await?;
        let response =
            identity_provider.response(&flow.request_id, &connection.acs_url, &connection.sp_entity_id, n)?;
        begun.push((flow, response));
    }
    let authorize_cpu = server.cpu()?.saturating_sub(before);
    let authorize_wall = started.elapsed();
    let begun = std::sync::Arc::new(begun);
    let (cpu, _) = load(server, LOGINS, |n| {
        let (server, begun, acs) = (server.client(), begun.clone(), connection.acs_url.clone());
        async move {
            let (flow, response) = begun.get(n).context("no such flow")?;
            server.finish(&acs, flow, response).await
        }
    })
    .await?;
    let wall = authorize_wall;
    Ok(per("whole SSO sign-in, durable", "<= 500 µs", LOGINS, authorize_cpu + cpu, wall))
}

/// Bytes of standard Base64.
fn unbase64(text: &str) -> Result<Vec<u8>, anyhow::Error> {
    Ok(STANDARD.decode(text)?)
}
