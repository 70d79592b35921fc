//! Who signs in: people that are suggested, and anybody who is typed in.

use aws_lc_rs::digest::{SHA256, digest};
use kernel::http::Params;
use kernel::ids::EnvironmentId;
use organizations::domains::DomainState;
use organizations::organizations::Organization;
use serde::{Deserialize, Serialize};

const MAX_EMAIL: usize = 254;
const MAX_NAME: usize = 100;
const MAX_GROUPS: usize = 50;
/// Where people are when the organization has no domain.
const DEFAULT_DOMAIN: &str = "example.com";

/// What the identity provider says about somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Person {
    pub(super) email: String,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) groups: Vec<String>,
}

/// Which field of the form can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PersonProblem {
    Email,
    FirstName,
    LastName,
    Groups,
}

/// The form's fields as they were typed, to be shown again.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    pub(super) email: String,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) groups: String,
}

impl Fields {
    /// Reads the form; what is absent is empty.
    pub(super) fn read(form: &Params) -> Self {
        let text = |name| form.first(name).unwrap_or_default().to_owned();
        Self {
            email: text("email"),
            first_name: text("first_name"),
            last_name: text("last_name"),
            groups: text("groups"),
        }
    }

    /// The person they describe.
    pub(super) fn person(&self) -> Result<Person, PersonProblem> {
        let groups: Vec<String> = self
            .groups
            .split(',')
            .map(str::trim)
            .filter(|group| !group.is_empty())
            .map(ToOwned::to_owned)
            .collect();
        let (first_name, last_name) = (self.first_name.trim(), self.last_name.trim());
        if !is_email(self.email.trim()) {
            return Err(PersonProblem::Email);
        }
        if !is_name(first_name) {
            return Err(PersonProblem::FirstName);
        }
        if !is_name(last_name) {
            return Err(PersonProblem::LastName);
        }
        if groups.len() > MAX_GROUPS || !groups.iter().all(|group| is_name(group)) {
            return Err(PersonProblem::Groups);
        }
        Ok(Person {
            email: self.email.trim().to_owned(),
            first_name: first_name.to_owned(),
            last_name: last_name.to_owned(),
            groups,
        })
    }
}

/// Something between two `@`-less halves. Who reads it decides what more an address must be.
fn is_email(text: &str) -> bool {
    let is_address = text
        .split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'));
    is_address && text.len() <= MAX_EMAIL && text.chars().all(|c| !c.is_whitespace() && is_representable(c))
}

fn is_name(text: &str) -> bool {
    text.chars().count() <= MAX_NAME && text.chars().all(is_representable)
}

/// What both a line of text and XML 1.0 (§2.2) can hold.
fn is_representable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{FFFE}' | '\u{FFFF}')
}

impl Person {
    /// A stable id: the same address is the same person, also when written in capitals, and somebody else in
    /// every other environment.
    pub(super) fn id(&self, environment: EnvironmentId) -> String {
        let hash = digest(&SHA256, format!("{environment}\n{}", self.email.to_lowercase()).as_bytes());
        kernel::crypto::hex(hash.as_ref().get(..16).unwrap_or_default())
    }

    /// First and last name, or the address of somebody without.
    pub(super) fn name(&self) -> String {
        let name = format!("{} {}", self.first_name, self.last_name);
        if name.trim().is_empty() { self.email.clone() } else { name.trim().to_owned() }
    }

    /// One or two letters for a round picture.
    pub(super) fn initials(&self) -> String {
        initials(&self.name())
    }
}

/// The first letters of the first and the last word.
pub(crate) fn initials(name: &str) -> String {
    let mut words = name.split_whitespace().filter_map(|word| word.chars().find(|c| c.is_alphanumeric()));
    let first = words.next();
    let last = words.next_back();
    first.into_iter().chain(last).flat_map(char::to_uppercase).collect()
}

/// Somebody the page suggests.
#[derive(Clone, Debug)]
pub(super) struct Persona {
    pub(super) person: Person,
    /// Whether the organization should turn them away.
    pub(super) is_guest: bool,
}

/// The people suggested for an organization: three of its own and one from elsewhere.
pub(super) fn personas(organization: Option<&Organization>) -> Vec<Persona> {
    let verified = organization.and_then(|organization| {
        organization.domains.iter().find(|domain| domain.state == DomainState::Verified)
    });
    let domain = verified.map_or(DEFAULT_DOMAIN, |domain| domain.domain.as_str());
    let persona = |user: &str, domain: &str, first_name: &str, last_name: &str, groups: &[&str]| Persona {
        person: Person {
            email: format!("{user}@{domain}"),
            first_name: first_name.to_owned(),
            last_name: last_name.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        },
        is_guest: false,
    };
    let guest = persona("guest", elsewhere(organization), "Robin", "Castellan", &[]);
    vec![
        persona("marta", domain, "Marta", "Kessler", &["engineering", "admins"]),
        persona("tomas", domain, "Tomás", "Ferreira", &["engineering"]),
        persona("priya", domain, "Priya", "Raman", &["finance"]),
        Persona { is_guest: true, ..guest },
    ]
}

/// A domain (RFC 2606) that isn't the organization's.
fn elsewhere(organization: Option<&Organization>) -> &'static str {
    let is_own = |domain: &str| {
        organization.is_some_and(|organization| organization.domains.iter().any(|own| own.domain == domain))
    };
    ["example.net", "example.org"].into_iter().find(|domain| !is_own(domain)).unwrap_or("elsewhere.example")
}

/// The guest's address when the organization is the one that development begins with.
pub(crate) fn guest_email() -> String {
    format!("guest@{}", elsewhere(None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(email: &str, first_name: &str, groups: &str) -> Fields {
        Fields {
            email: email.to_owned(),
            first_name: first_name.to_owned(),
            last_name: String::new(),
            groups: groups.to_owned(),
        }
    }

    #[test]
    fn person_reads_trimmed_fields_and_groups() {
        let person = fields(" a@b.c ", " Ann ", " x, y,,  ").person().unwrap();
        assert_eq!((person.email.as_str(), person.first_name.as_str()), ("a@b.c", "Ann"));
        assert_eq!(person.groups, ["x", "y"]);
        assert_eq!(fields("a@b.c", "", "").person().unwrap().name(), "a@b.c");
    }

    #[test]
    fn person_refuses_what_does_not_fit() {
        let long = "x".repeat(101);
        let many = "g,".repeat(51);
        for (fields, problem) in [
            (fields("", "", ""), PersonProblem::Email),
            (fields("a", "", ""), PersonProblem::Email),
            (fields("@b", "", ""), PersonProblem::Email),
            (fields("a@", "", ""), PersonProblem::Email),
            (fields("a@b@c", "", ""), PersonProblem::Email),
            (fields("a b@c", "", ""), PersonProblem::Email),
            (fields("a@b\u{FFFF}", "", ""), PersonProblem::Email),
            (fields(&format!("{}@b.c", "x".repeat(251)), "", ""), PersonProblem::Email),
            (fields("a@b.c", &long, ""), PersonProblem::FirstName),
            (fields("a@b.c", "x\ny", ""), PersonProblem::FirstName),
            (fields("a@b.c", "x\u{1b}y", ""), PersonProblem::FirstName),
            (fields("a@b.c", "", &long), PersonProblem::Groups),
            (fields("a@b.c", "", &many), PersonProblem::Groups),
        ] {
            assert_eq!(fields.person(), Err(problem), "{fields:?}");
        }
    }

    #[test]
    fn id_is_the_same_for_one_address_and_differs_between_environments() {
        let environments =
            ["environment_01EHWNCE74X7JSDV0X3SZ3KJNY", "environment_01EHWNCE74X7JSDV0X3SZ3KJNZ"]
                .map(|id| id.parse::<EnvironmentId>().unwrap());
        let lower = fields("ann@b.c", "Ann", "").person().unwrap();
        let upper = fields("ANN@B.C", "Other", "").person().unwrap();
        assert_eq!(lower.id(environments[0]), upper.id(environments[0]));
        assert_ne!(lower.id(environments[0]), lower.id(environments[1]));
        assert_eq!(lower.id(environments[0]).len(), 32);
    }

    #[test]
    fn initials_are_letters() {
        for (name, expected) in
            [("Ann Bee Cee", "AC"), ("ann", "A"), ("<b> \"x\"", "BX"), ("", ""), ("ß", "SS")]
        {
            assert_eq!(initials(name), expected, "{name}");
        }
    }

    #[test]
    fn personas_include_one_from_elsewhere() {
        let suggested = personas(None);
        assert_eq!(suggested.iter().filter(|persona| persona.is_guest).count(), 1);
        assert!(suggested.iter().all(|p| p.is_guest != p.person.email.ends_with("@example.com")));
    }
}
