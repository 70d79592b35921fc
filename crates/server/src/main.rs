//! The `portcullis` command.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use kernel::crypto::MasterKey;
use kernel::random::Random;
use server::{commands, dev, serve};

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
    /// Make a key; its secret is shown once
    Create { name: String },
    /// List keys, without their secrets
    List,
    /// Print a new master key for `master_key_file`
    Master,
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
            let app = serve::open(config.file.as_deref()).await?;
            match command {
                EnvCommand::Create { name, kind } => commands::env_create(&app, &name, &kind).await,
                EnvCommand::List => commands::env_list(&app).await,
            }
        }
        Command::Key { command: KeyCommand::Master, .. } => {
            println!("{}", MasterKey::generate(&Random::system()).encode().as_str());
            Ok(())
        }
        Command::Key { config, env, command } => {
            let app = serve::open(config.file.as_deref()).await?;
            let env = env.as_deref();
            match command {
                KeyCommand::Create { name } => commands::key_create(&app, env, &name).await,
                KeyCommand::List => commands::key_list(&app, env).await,
                KeyCommand::Rotate { id, overlap_minutes } => {
                    commands::key_rotate(&app, env, &id, overlap_minutes).await
                }
                KeyCommand::Revoke { id } => commands::key_revoke(&app, env, &id).await,
                KeyCommand::Master => Ok(()),
            }
        }
        Command::RedirectUri { config, env, command } => {
            let app = serve::open(config.file.as_deref()).await?;
            match command {
                RedirectUriCommand::Add { uri, default } => {
                    commands::redirect_uri_add(&app, env.as_deref(), &uri, default).await
                }
                RedirectUriCommand::List => commands::redirect_uri_list(&app, env.as_deref()).await,
            }
        }
    }
}
