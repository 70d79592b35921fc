//! Log lines on standard error: one JSON object each, or text for a person.

use anyhow::Context;
use kernel::config::{LogConfig, LogFormat};
use tracing_subscriber::EnvFilter;

/// Installs the log for the whole process.
pub fn init(config: &LogConfig) -> Result<(), anyhow::Error> {
    let filter = EnvFilter::try_new(&config.level).context("log.level is not a filter")?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let installed = match config.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.with_target(false).compact().try_init(),
    };
    installed.map_err(|error| anyhow::anyhow!("{error}"))?;
    // A panic is a log line like any other, not text between them.
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "panicked")));
    Ok(())
}
