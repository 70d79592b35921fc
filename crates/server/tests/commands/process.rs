//! Running the binary: bounded in time, with nothing of this process's environment, and never left behind.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use kernel::random::Random;
use serde_json::Value;
use store::Db;
use tempfile::TempDir;

use crate::client::Client;

/// The longest the binary may take for anything before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The name of the production servers of these tests.
pub const HOST: &str = "auth.example.com";

/// The command, with these arguments and no variables but what finds programs.
pub fn portcullis(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub output: String,
    pub errors: String,
}

impl Ended {
    /// What it printed, of a command that must have succeeded without a word of complaint.
    #[track_caller]
    pub fn printed(self) -> String {
        assert_eq!((self.code, self.errors.as_str()), (Some(0), ""), "{self:?}");
        self.output
    }

    /// The one line it complained with, of a command that must have failed.
    #[track_caller]
    pub fn refusal(self) -> String {
        assert_eq!((self.code, self.output.as_str()), (Some(1), ""), "{self:?}");
        assert_eq!(self.errors.lines().count(), 1, "{}", self.errors);
        let line = self.errors.strip_prefix("portcullis: ");
        line.unwrap_or_else(|| panic!("{}", self.errors)).trim_end().to_owned()
    }
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Ended {
    Process::start(command).end()
}

/// A process under way; killed if the test ends before it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    output: Lines,
    errors: Lines,
}

impl Process {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let output = Lines::of(child.stdout.take().unwrap());
        let errors = Lines::of(child.stderr.take().unwrap());
        Self { child, output, errors }
    }

    /// The next line on standard output.
    pub fn output_line(&mut self) -> String {
        self.output.find(|_| true).unwrap_or_else(|| panic!("no output; errors: {}", self.errors.rest()))
    }

    /// Waits for a line on standard error.
    pub fn error_line(&mut self, matches: impl Fn(&str) -> bool) -> String {
        self.errors.find(matches).unwrap_or_else(|| panic!("the line never came: {}", self.errors.rest()))
    }

    /// Sends a signal, by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits for the end.
    pub fn end(mut self) -> Ended {
        let code =
            wait(&mut self.child).unwrap_or_else(|| panic!("still running: {}", self.errors.rest())).code();
        Ended { code, output: self.output.rest(), errors: self.errors.rest() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _killed = self.child.kill();
            let _reaped = self.child.wait();
        }
    }
}

fn wait(child: &mut Child) -> Option<ExitStatus> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

/// What a stream said so far and goes on to say.
#[derive(Debug)]
struct Lines {
    coming: Receiver<String>,
    seen: Vec<String>,
}

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let (sender, coming) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines() {
                if line.is_err() || sender.send(line.unwrap()).is_err() {
                    return;
                }
            }
        });
        Self { coming, seen: Vec::new() }
    }

    /// The first coming line that matches; `None` if the stream ends or is silent for too long.
    fn find(&mut self, matches: impl Fn(&str) -> bool) -> Option<String> {
        while let Ok(line) = self.coming.recv_timeout(PATIENCE) {
            self.seen.push(line.clone());
            if matches(&line) {
                return Some(line);
            }
        }
        None
    }

    /// Everything, up to the end of the stream, each line ended.
    fn rest(&mut self) -> String {
        loop {
            match self.coming.recv_timeout(Duration::from_secs(5)) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return self.seen.iter().map(|line| format!("{line}\n")).collect();
                }
            }
        }
    }
}

/// A production installation: a configuration file, a master key, a database of the engine under test.
#[derive(Debug)]
pub struct Installation {
    pub folder: TempDir,
    pub database_url: String,
}

impl Installation {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database_url = database_url(folder.path());
        let installation = Self { folder, database_url };
        std::fs::write(installation.path("master.key"), new_master_key()).unwrap();
        installation.configure("");
        installation
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the configuration, with further lines at its end.
    pub fn configure(&self, further: &str) {
        let text = format!(
            "public_url = 'https://{HOST}'\nlisten = '127.0.0.1:0'\nmaster_key_file = '{}'\n\
             [database]\nurl = '{}'\n{further}\n",
            self.path("master.key").display(),
            self.database_url
        );
        std::fs::write(self.path("portcullis.toml"), text).unwrap();
    }

    /// A command on this installation.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = portcullis(arguments);
        command.env("PORTCULLIS_CONFIG", self.path("portcullis.toml"));
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        run(&mut self.command(arguments))
    }

    /// Makes an environment and gives its first key.
    pub fn environment(&self, name: &str, kind: &str) -> String {
        let printed = self.run(&["env", "create", name, "--kind", kind]).printed();
        let line = printed.lines().find(|line| line.starts_with("API key")).unwrap();
        line.split_whitespace().nth(2).unwrap().to_owned()
    }

    /// Starts the server, with a client that has this key.
    pub fn serve(&self, key: &str) -> (Process, Client) {
        let mut process = Process::start(&mut self.command(&["serve"]));
        let line = process.error_line(|line| line.contains("\"listening\""));
        let line: Value = serde_json::from_str(&line).unwrap();
        let address: SocketAddr = line["address"].as_str().unwrap().parse().unwrap();
        (process, Client { address, host: HOST.to_owned(), key: key.to_owned() })
    }

    /// Everything in the database.
    pub fn dump(&self) -> Vec<u8> {
        match self.database_url.strip_prefix("sqlite:") {
            Some(path) => {
                // Folds the write-ahead log into the file.
                self.with_database(async |db| db.close().await);
                std::fs::read(path).unwrap()
            }
            None => self.with_database(async |db| {
                let sql = "SELECT CAST(schema_to_xml(current_schema(), true, false, '') AS TEXT)";
                let text: Option<String> = db.read_one(sql, store::params![]).await.unwrap();
                text.unwrap().into_bytes()
            }),
        }
    }

    fn with_database<T>(&self, work: impl AsyncFnOnce(&Db) -> T) -> T {
        block_on(async {
            let config = kernel::config::database(&self.database_url, 1).unwrap();
            let db = Db::open(&config).await.unwrap();
            let done = work(&db).await;
            db.close().await;
            done
        })
    }
}

/// A fresh master key, as the command makes them.
pub fn new_master_key() -> String {
    run(&mut portcullis(&["key", "master"])).printed()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn database_url(folder: &Path) -> String {
    if std::env::var("PORTCULLIS_TEST_DATABASE").as_deref() != Ok("postgres") {
        return format!("sqlite:{}", folder.join("portcullis.db").display());
    }
    let url = std::env::var("PORTCULLIS_TEST_POSTGRES").expect("PORTCULLIS_TEST_POSTGRES names the cluster");
    let schema = format!("t_{}", Random::system().alphanumeric(16).to_ascii_lowercase());
    block_on(async {
        let config = store::Config::Postgres { url: url.clone(), pool_size: 1, schema: None };
        let db = Db::open(&config).await.unwrap();
        db.run_script(&format!("CREATE SCHEMA {schema}")).await.unwrap();
        db.close().await;
    });
    let mark = if url.contains('?') { '&' } else { '?' };
    format!("{url}{mark}options=-csearch_path%3D{schema}")
}
