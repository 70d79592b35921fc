//! The `portcullis` command.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use kernel::App;
use kernel::crypto::MasterKey;
use kernel::random::Random;
use server::{commands, dev, output, serve};

/// Enterprise-ready authentication you host yourself.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything on this machine, seeded, with a known key and a built-in identity provider
    Dev {
        #[arg(long, default_value_t = 4100)]
        port: u16,
        /// Keep nothing: use a temporary folder, removed at exit
        #[arg(long)]
        ephemeral: bool,
        /// Folder of the database
        #[arg(long, default_value = "portcullis-data")]
        data: PathBuf,
        /// Seed file (YAML or JSON, the schema of the WorkOS emulator), applied at the first start
        #[arg(long)]
        seed: Option<PathBuf>,
        /// Print one JSON line with url, api_key, client_id and the seeded ids
        #[arg(long)]
        json: bool,
    },
    /// Run in production
    Serve {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Environments
    Env {
        #[command(flatten)]
        config: ConfigFile,
        #[command(subcommand)]
        command: EnvCommand,
    },
    /// Secret keys
    Key {
        #[command(flatten)]
        config: ConfigFile,
        #[arg(long, global = true)]
        env: Option<String>,
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Where sign-ins may end
    RedirectUri {
        #[command(flatten)]
        config: ConfigFile,
        #[arg(long, global = true)]
        env: Option<String>,
        #[command(subcommand)]
        command: RedirectUriCommand,
    },
}

#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// Configuration file
    #[arg(long = "config", env = "PORTCULLIS_CONFIG", global = true)]
    file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum EnvCommand {
    /// Make an environment and its first key
    Create {
        name: String,
        /// staging or production
        #[arg(long, default_value = "staging")]
        kind: String,
    },
    /// List environments with their client ids
    List,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Print a new master key for `master_key_file`
    Master,
    #[command(flatten)]
    OfEnvironment(ApiKeyCommand),
}

#[derive(Debug, Subcommand)]
enum ApiKeyCommand {
    /// Make a key; its secret is shown once
    Create { name: String },
    /// List keys, without their secrets
    List,
    /// Replace a key; the old one goes on for a while
    Rotate {
        id: String,
        #[arg(long, default_value_t = 60)]
        overlap_minutes: u32,
    },
    /// Stop a key at once
    Revoke { id: String },
}

#[derive(Debug, Subcommand)]
enum RedirectUriCommand {
    /// Register a URI
    Add {
        uri: String,
        #[arg(long)]
        default: bool,
    },
    /// List URIs
    List,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("portcullis: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<(), anyhow::Error> {
    match command {
        Command::Dev { port, ephemeral, data, seed, json } => {
            dev::run(dev::Options { port, ephemeral, data, seed, json }).await
        }
        Command::Serve { config } => serve::run(config.file.as_deref()).await,
        Command::Env { config, command } => {
            beside_server(&config, async |app| match command {
                EnvCommand::Create { name, kind } => commands::env_create(app, &name, &kind).await,
                EnvCommand::List => commands::env_list(app).await,
            })
            .await
        }
        Command::Key { command: KeyCommand::Master, .. } => {
            let key = MasterKey::generate(&Random::system());
            Ok(output::print(&format!("{}\n", key.encode().as_str()))?)
        }
        Command::Key { config, env, command: KeyCommand::OfEnvironment(command) } => {
            let env = env.as_deref();
            beside_server(&config, async |app| match command {
                ApiKeyCommand::Create { name } => commands::key_create(app, env, &name).await,
                ApiKeyCommand::List => commands::key_list(app, env).await,
                ApiKeyCommand::Rotate { id, overlap_minutes } => {
                    commands::key_rotate(app, env, &id, overlap_minutes).await
                }
                ApiKeyCommand::Revoke { id } => commands::key_revoke(app, env, &id).await,
            })
            .await
        }
        Command::RedirectUri { config, env, command } => {
            let env = env.as_deref();
            beside_server(&config, async |app| match command {
                RedirectUriCommand::Add { uri, default } => {
                    commands::redirect_uri_add(app, env, &uri, default).await
                }
                RedirectUriCommand::List => commands::redirect_uri_list(app, env).await,
            })
            .await
        }
    }
}

/// Runs a command on the database that the server of this configuration uses, and prints what it gives.
async fn beside_server(
    config: &ConfigFile,
    command: impl AsyncFnOnce(&App) -> Result<String, anyhow::Error>,
) -> Result<(), anyhow::Error> {
    let app = serve::open(config.file.as_deref()).await?;
    let done = command(&app).await;
    app.db.close().await;
    Ok(output::print(&done?)?)
}
