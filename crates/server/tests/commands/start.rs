//! `portcullis serve` starts with a sound configuration, or says in one line why not.

use std::net::TcpListener;

use crate::process::{Installation, Process, new_master_key, portcullis, run};

const KEY: &str = "q83vEjRWeJq83vEjRWeJq83vEjRWeJq83vEjRWeJq80=";

#[test]
fn serve_refuses_a_configuration_that_is_not_sound() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("portcullis.db");
    let good = format!("public_url = 'https://a.example'\nmaster_key = '{KEY}'\nlisten = '127.0.0.1:0'");
    let without = |name: &str| -> String {
        good.lines().filter(|line| !line.starts_with(name)).map(|line| format!("{line}\n")).collect()
    };
    let public_url = |url: &str| format!("public_url = '{url}'\n{}", without("public_url"));
    let master_key = |key: &str| format!("master_key = '{key}'\n{}", without("master_key"));
    let and = |line: &str| format!("{good}\n{line}");
    let config = folder.path().join("portcullis.toml");
    for (text, expected) in [
        (without("public_url"), "public_url is not set: the address people reach this server at"),
        (public_url("http://a.example"), "public_url must be https"),
        (public_url("http://localhost:4100"), "public_url must be https"),
        (public_url("https://a.example/auth"), "public_url must be an origin without a path"),
        (public_url("https://a.example/?x=1"), "public_url must be an origin without a path"),
        (public_url("https://user:hunter2@a.example"), "public_url must not hold credentials"),
        (public_url("a.example"), "relative URL without a base"),
        (without("master_key"), "no master key: set master_key_file (or PORTCULLIS_MASTER_KEY)"),
        (master_key(""), "the master key isn't 32 bytes long"),
        (master_key("hunter2"), "the master key isn't"),
        (master_key("aHVudGVyMg=="), "the master key isn't 32 bytes long"),
        (
            master_key("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            "the master key is a pattern, not a secret",
        ),
        (
            master_key("cGFzc3dvcmRwYXNzd29yZHBhc3N3b3JkcGFzc3dvcmQ="),
            "the master key is a pattern, not a secret",
        ),
        (and("master_key_file = '/nowhere'"), "master_key and master_key_file are both set: keep one"),
        (
            format!("{}master_key_file = '/nowhere/key'", without("master_key")),
            "the master key file /nowhere/key",
        ),
        (and("colour = 'red'"), "unknown field `colour`"),
        (and("[outbound]\nallowed = []"), "unknown field `allowed`"),
        (and("[log]\nlevel = 'info'\nfile = 'x'"), "unknown field `file`"),
        (and("[log]\nlevel = 'loud=very'"), "log.level is not a filter"),
        (and("[log]\nformat = 'xml'"), "unknown variant `xml`"),
        (and("[outbound]\nallow = ['10.0.0.0/99']"), "invalid"),
        (format!("{}listen = 'everywhere'", without("listen")), "invalid socket address"),
        (and("[database]\nurl = 'mysql://x'"), "database.url must begin with sqlite: or postgres://"),
        (and("[database]\nurl = 'sqlite:'"), "database.url names no file"),
        (and("[database]\nurl = 'sqlite:/nowhere/at/all.db'"), "the database is unavailable"),
        (and("[database]\nurl = 'postgres://u:hunter2@127.0.0.1:1/x'"), "the database is unavailable"),
        (and("[database]\npool_size = -1"), "invalid value"),
        (format!("{good}\nmaster_key = 'hunter2"), "the configuration file isn't TOML"),
        (format!("{good}\nhunter2"), "the configuration file isn't TOML"),
    ] {
        std::fs::write(&config, &text).unwrap();
        let mut command = portcullis(&["serve", "--config", config.to_str().unwrap()]);
        if !text.contains("[database]") {
            command.env("PORTCULLIS_DATABASE_URL", format!("sqlite:{}", database.display()));
        }
        let line = run(&mut command).refusal();
        assert!(line.contains(expected), "{line}\nof {text}");
        assert!(!line.contains("hunter2") && !line.contains(KEY), "{line}");
    }
    std::fs::remove_file(&config).unwrap();
    let line = run(&mut portcullis(&["serve", "--config", config.to_str().unwrap()])).refusal();
    assert!(line.starts_with("the configuration file") && line.contains("No such file"), "{line}");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn variables_stand_in_for_the_file_and_unknown_ones_refuse() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", folder.path().join("portcullis.db").display());
    let command = |further: &[(&str, &str)]| {
        let mut command = portcullis(&["serve"]);
        command.env("PORTCULLIS_PUBLIC_URL", "https://a.example").env("PORTCULLIS_MASTER_KEY", KEY);
        command.env("PORTCULLIS_DATABASE_URL", &database).env("PORTCULLIS_LISTEN", "127.0.0.1:0");
        command.envs(further.iter().copied());
        command
    };
    for (name, value, expected) in [
        ("PORTCULLIS_COLOUR", "red", "unknown variable PORTCULLIS_COLOUR"),
        ("PORTCULLIS_", "x", "unknown variable PORTCULLIS_"),
        ("PORTCULLIS_public_url", "https://b.example", "unknown variable PORTCULLIS_public_url"),
        ("PORTCULLIS_PUBLIC_URL", "http://a.example", "public_url must be https"),
        ("PORTCULLIS_MASTER_KEY", "hunter2", "the master key isn't"),
        ("PORTCULLIS_DATABASE_POOL_SIZE", "many", "PORTCULLIS_DATABASE_POOL_SIZE"),
        ("PORTCULLIS_OUTBOUND_ALLOW_HTTP", "yes", "PORTCULLIS_OUTBOUND_ALLOW_HTTP"),
    ] {
        let line = run(&mut command(&[(name, value)])).refusal();
        assert!(line.contains(expected) && !line.contains("hunter2"), "{line}");
    }
    assert!(!folder.path().join("portcullis.db").exists());

    let further = [("PORTCULLIS_LOG_FORMAT", "text"), ("OTHER", "1"), ("PORTCULLIS", "1")];
    let mut process = Process::start(&mut command(&further));
    let line = process.error_line(|line| line.contains("listening"));
    assert!(!line.starts_with('{') && line.contains("https://a.example"), "{line}");
    process.signal("TERM");
    assert_eq!(process.end().code, Some(0));
}

#[test]
fn r27_a_master_key_that_does_not_fit_starts_nothing_and_writes_nothing() {
    let installation = Installation::new();
    let key = installation.environment("Production", "production");
    let before = installation.dump();
    let right = std::fs::read(installation.path("master.key")).unwrap();
    std::fs::write(installation.path("master.key"), new_master_key()).unwrap();
    for arguments in
        [&["serve"] as &[&str], &["env", "list"], &["env", "create", "Other"], &["key", "create", "Other"]]
    {
        let line = installation.run(arguments).refusal();
        let expected = "the master key doesn't fit this database: it can't unwrap its data keys";
        assert_eq!(line, expected, "{arguments:?}");
    }
    assert!(installation.dump() == before, "something was written");
    std::fs::write(installation.path("master.key"), right).unwrap();
    let (_process, client) = installation.serve(&key);
    client.get("/organizations").expect(200);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let installation = Installation::new();
    let mut command = installation.command(&["serve"]);
    let line = run(command.env("PORTCULLIS_LISTEN", address.to_string())).refusal();
    assert!(line.starts_with(&format!("can't listen on {address}: ")), "{line}");
    let folder = tempfile::tempdir().unwrap();
    let mut command = portcullis(&["dev", "--port", &address.port().to_string(), "--ephemeral"]);
    let line = run(command.env("TMPDIR", folder.path())).refusal();
    assert!(line.starts_with(&format!("can't listen on {address}: ")), "{line}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn what_is_no_command_is_refused_with_usage() {
    assert_eq!(run(&mut portcullis(&["dev", "--port", "70000"])).code, Some(2));
    for arguments in [&[] as &[&str], &["run"], &["serve", "--colour"], &["key"], &["env", "create"]] {
        let ended = run(&mut portcullis(arguments));
        assert_eq!((ended.code, ended.output.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(ended.errors.contains("Usage: portcullis"), "{}", ended.errors);
    }
    assert!(run(&mut portcullis(&["--version"])).printed().starts_with("portcullis "));
    let help = run(&mut portcullis(&["--help"])).printed();
    for command in ["dev", "serve", "env", "key", "redirect-uri"] {
        assert!(help.contains(command), "{help}");
    }
}
