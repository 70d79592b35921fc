use serde_json::{Value, json};

/// A person as an identity provider knows them.
#[derive(Clone, Debug)]
pub struct Person {
    /// What the provider calls them: the SAML attribute `id`, the claim `sub`.
    pub id: String,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub groups: Vec<String>,
}

impl Person {
    /// Ada Lovelace, with this id and address.
    pub fn new(id: &str, email: &str) -> Self {
        Self {
            id: id.to_owned(),
            email: email.to_owned(),
            first_name: "Ada".to_owned(),
            last_name: "Lovelace".to_owned(),
            groups: vec!["engineers".to_owned(), "mathematicians".to_owned()],
        }
    }

    /// The attributes most SAML identity providers are set up to send.
    pub fn attributes(&self) -> Vec<(&'static str, Vec<String>)> {
        vec![
            ("id", vec![self.id.clone()]),
            ("email", vec![self.email.clone()]),
            ("firstName", vec![self.first_name.clone()]),
            ("lastName", vec![self.last_name.clone()]),
            ("groups", self.groups.clone()),
        ]
    }

    /// The claims of OpenID Connect Core §5.1.
    pub fn claims(&self) -> Value {
        json!({
            "sub": self.id, "email": self.email, "email_verified": true,
            "given_name": self.first_name, "family_name": self.last_name, "groups": self.groups,
        })
    }
}
