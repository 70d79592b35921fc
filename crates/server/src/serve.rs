//! `portcullis serve`: production, on either engine.

use std::path::Path;

use anyhow::Context;
use kernel::config::{self, Config};
use kernel::crypto::MasterKey;
use kernel::random::Random;
use kernel::{App, Clock};

use crate::listen::{self, Stop};
use crate::{assembly, logging};

/// Reads the configuration: the file named by `--config` or `PORTCULLIS_CONFIG`, then the environment.
pub fn configuration(file: Option<&Path>) -> Result<(Config, MasterKey), anyhow::Error> {
    let text = match file {
        Some(path) => std::fs::read_to_string(path)
            .with_context(|| format!("the configuration file {}", path.display()))?,
        None => String::new(),
    };
    let (config, source) = config::load(&text, config::variables()?)?;
    let master_key = MasterKey::parse(&source.read()?)?;
    Ok((config, master_key))
}

/// Opens the app of a production configuration; for commands that work beside the server too.
pub async fn open(file: Option<&Path>) -> Result<App, anyhow::Error> {
    let (config, master_key) = configuration(file)?;
    assembly::app(config, &master_key, Clock::System, Random::system()).await
}

/// Runs the server until it is asked to stop.
pub async fn run(file: Option<&Path>) -> Result<(), anyhow::Error> {
    let (config, master_key) = configuration(file)?;
    logging::init(&config.log)?;
    let stop = Stop::on_signals()?;
    let listener = listen::bind(config.listen).await?;
    let address = listener.local_addr()?;
    let app = assembly::app(config, &master_key, Clock::System, Random::system()).await?;
    let engine = app.db.engine();
    tracing::info!(%address, public_url = %app.config.public_origin(), ?engine, "listening");
    listen::run(&app, vec![listener], stop).await;
    app.db.close().await;
    Ok(())
}
