//! Commands beside a running server: they take effect at once.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::process::{Installation, Process, new_master_key};

/// The nth word of the first line that was printed.
fn word(printed: &str, number: usize) -> String {
    printed.split_whitespace().nth(number).unwrap().to_owned()
}

#[test]
fn environments_are_made_beside_the_server() {
    let installation = Installation::new();
    let (_process, client) = installation.serve("sk_test_none");
    client.get("/organizations").expect(401);
    assert_eq!(installation.run(&["env", "list"]).printed(), "");

    let printed = installation.run(&["env", "create", "Staging"]).printed();
    let lines: Vec<Vec<&str>> = printed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][2..], ["Staging", "(staging)"]);
    let (environment, client_id, publishable, key) = (lines[0][1], lines[1][2], lines[2][2], lines[3][2]);
    assert!(environment.starts_with("environment_") && client_id.starts_with("client_"));
    assert!(publishable.starts_with("pk_test_") && key.starts_with("sk_test_"), "{printed}");
    client.with_key(key).post("/organizations", &json!({ "name": "Acme" })).expect(201);

    let live = installation.environment("Live", "production");
    assert!(live.starts_with("sk_live_"));
    assert_eq!(client.with_key(&live).get("/organizations").expect(200)["data"], json!([]));
    let list = installation.run(&["env", "list"]).printed();
    let listed: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(listed[0], [environment, "Staging", "staging", client_id, publishable]);
    assert_eq!(listed[1][1..3], ["Live", "production"]);
    assert!(!list.contains("sk_"), "{list}");

    for (arguments, expected) in [
        (["env", "create", "Live", "--kind", "staging"], "An environment named 'Live' already exists."),
        (["env", "create", "Other", "--kind", "test"], "the kind is staging or production"),
    ] {
        assert_eq!(installation.run(&arguments).refusal(), expected);
    }
    assert_eq!(installation.run(&["env", "list"]).printed(), list);
}

#[test]
fn keys_are_made_rotated_and_revoked_beside_the_server() {
    let installation = Installation::new();
    let first = installation.environment("Staging", "staging");
    let (_process, client) = installation.serve(&first);
    let status = |key: &str| client.with_key(key).get("/organizations").status;

    let printed = installation.run(&["key", "create", "Deploy script"]).printed();
    let (id, secret) = (word(&printed, 0), word(&printed, 1));
    assert!(id.starts_with("api_key_") && secret.starts_with("sk_test_"), "{printed}");
    assert_eq!((status(&first), status(&secret)), (200, 200));

    // With an overlap both go on, without one the old stops now.
    let printed = installation.run(&["key", "rotate", &id]).printed();
    let (second_id, second) = (word(&printed, 0), word(&printed, 1));
    assert!(printed.contains(&format!("{id} stops in 60 minutes.")), "{printed}");
    assert_eq!((status(&secret), status(&second)), (200, 200));
    let printed = installation.run(&["key", "rotate", &second_id, "--overlap-minutes", "0"]).printed();
    let (third_id, third) = (word(&printed, 0), word(&printed, 1));
    assert_eq!((status(&second), status(&third)), (401, 200));
    let revoked = installation.run(&["key", "revoke", &third_id]).printed();
    assert_eq!(revoked, format!("{third_id} is revoked.\n"));
    assert_eq!((status(&third), status(&first)), (401, 200));

    let list = installation.run(&["key", "list"]).printed();
    for (id, state) in [(&id, "expires 20"), (&second_id, "expired"), (&third_id, "revoked")] {
        let line = list.lines().find(|line| line.starts_with(id.as_str())).unwrap();
        assert!(line.contains("Deploy script") && line.contains(state), "{line}");
    }
    assert_eq!(list.lines().count(), 4);
    assert!(list.lines().next().unwrap().ends_with("active"));
    for secret in [&first, &secret, &second, &third] {
        assert!(!list.contains(secret.as_str()) && list.contains(&secret[secret.len() - 4..]), "{list}");
    }

    for (arguments, expected) in [
        (["key", "revoke", &third_id], format!("API Key not found: '{third_id}'.")),
        (["key", "rotate", &second_id], format!("API Key not found: '{second_id}'.")),
        (["key", "revoke", "nonsense"], "that is no API key id: not an id of this type".to_owned()),
        (["key", "revoke", &first], "that is no API key id: not an id of this type".to_owned()),
    ] {
        let line = installation.run(&arguments).refusal();
        assert_eq!(line, expected);
        assert!(!line.contains(&first), "a secret given by mistake isn't repeated");
    }
}

#[test]
fn redirect_uris_are_registered_beside_the_server() {
    let installation = Installation::new();
    let key = installation.environment("Live", "production");
    let (_process, client) = installation.serve(&key);
    let list = || client.get("/user_management/redirect_uris?order=asc").expect(200)["data"].clone();
    assert_eq!(list(), json!([]));
    let add = |arguments: &[&str]| installation.run(&[&["redirect-uri", "add"], arguments].concat());
    let printed = add(&["https://app.example/cb"]).printed();
    assert!(
        printed.starts_with("redir_") && printed.ends_with("  https://app.example/cb  (default)\n"),
        "{printed}"
    );
    assert_eq!(list()[0]["uri"], "https://app.example/cb");
    add(&["https://*.app.example/cb"]).printed();
    add(&["https://new.example/cb", "--default"]).printed();
    let defaults: Vec<Value> = list().as_array().unwrap().iter().map(|uri| uri["default"].clone()).collect();
    assert_eq!(defaults, [json!(false), json!(false), json!(true)]);
    let listed = installation.run(&["redirect-uri", "list"]).printed();
    let listed: Vec<&str> = listed.lines().map(|line| line.split_once("  ").unwrap().1).collect();
    let expected =
        ["https://app.example/cb", "https://*.app.example/cb", "https://new.example/cb  (default)"];
    assert_eq!(listed, expected);
    for (uri, expected) in [
        ("https://app.example/cb", "Redirect URI 'https://app.example/cb' already exists."),
        ("http://app.example/cb", "Redirect URI 'http://app.example/cb' must use https in production."),
        ("nonsense", "Redirect URI 'nonsense' is not a URL."),
    ] {
        assert_eq!(add(&[uri]).refusal(), expected);
    }
    // More than one page of them.
    for number in 0..101 {
        let body = json!({ "uri": format!("https://app.example/cb{number}") });
        client.post("/user_management/redirect_uris", &body).expect(201);
    }
    assert_eq!(installation.run(&["redirect-uri", "list"]).printed().lines().count(), 104);
}

#[test]
fn one_of_several_environments_must_be_named() {
    let installation = Installation::new();
    let none = "there is no environment yet; `portcullis env create` makes one";
    assert_eq!(installation.run(&["key", "list"]).refusal(), none);
    installation.environment("One", "staging");
    installation.run(&["key", "list"]).printed();
    let two = installation.environment("Two", "staging");
    let list = installation.run(&["env", "list"]).printed();
    let id = word(list.lines().nth(1).unwrap(), 0);
    for arguments in [&["key", "list"] as &[&str], &["key", "create", "X"], &["redirect-uri", "list"]] {
        let line = installation.run(arguments).refusal();
        assert_eq!(line, "name an environment with --env; see `portcullis env list`");
    }
    for name in ["Two", &id] {
        let keys = installation.run(&["key", "list", "--env", name]).printed();
        assert_eq!(keys.lines().count(), 1);
        assert!(keys.contains(&two[two.len() - 4..]), "{keys}");
    }
    let line = installation.run(&["key", "list", "--env", "Three"]).refusal();
    assert_eq!(line, "there is no environment 'Three'; see `portcullis env list`");
    // A key belongs to the environment it is named with.
    let id = word(&installation.run(&["key", "list", "--env", "Two"]).printed(), 0);
    let line = installation.run(&["key", "revoke", &id, "--env", "One"]).refusal();
    assert_eq!(line, format!("API Key not found: '{id}'."));
}

#[test]
fn master_keys_are_made_without_a_configuration() {
    let (one, other) = (new_master_key(), new_master_key());
    assert!(one.len() == 45 && one.ends_with("=\n"), "{one}");
    assert_ne!(one, other);
}

#[test]
fn a_reader_that_goes_away_is_no_fault() {
    let installation = Installation::new();
    installation.environment("Staging", "staging");
    let mut command = installation.command(&["env", "list"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8(ended.stderr).unwrap().as_str()), (Some(0), ""));
}

#[test]
fn commands_run_at_once_spoil_nothing() {
    let installation = Installation::new();
    installation.environment("Staging", "staging");
    let running: Vec<Process> = (0..8)
        .map(|number| Process::start(&mut installation.command(&["key", "create", &format!("Key {number}")])))
        .collect();
    for process in running {
        process.end().printed();
    }
    assert_eq!(installation.run(&["key", "list"]).printed().lines().count(), 9);
}
