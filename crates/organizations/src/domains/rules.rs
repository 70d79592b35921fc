//! Which domains an organization may have.

use kernel::{Error, Result};
use url::Host;

/// Mail providers anybody can have an address at: owning one of these proves nothing about an organization.
const CONSUMER_DOMAINS: [&str; 38] = [
    "126.com",
    "163.com",
    "aim.com",
    "aol.com",
    "att.net",
    "btinternet.com",
    "comcast.net",
    "duck.com",
    "fastmail.com",
    "free.fr",
    "gmail.com",
    "gmx.com",
    "gmx.de",
    "gmx.net",
    "googlemail.com",
    "hey.com",
    "hotmail.co.uk",
    "hotmail.com",
    "hotmail.fr",
    "icloud.com",
    "libero.it",
    "live.com",
    "mac.com",
    "mail.com",
    "mail.ru",
    "me.com",
    "msn.com",
    "naver.com",
    "orange.fr",
    "outlook.com",
    "pm.me",
    "proton.me",
    "protonmail.com",
    "qq.com",
    "web.de",
    "yahoo.co.jp",
    "yahoo.com",
    "yandex.ru",
];

/// The one spelling a domain is stored and compared in: lower-case punycode, no trailing dot. `None` if it
/// isn't a domain name with at least two labels.
pub fn normalized(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.strip_suffix('.').unwrap_or(text);
    match Host::parse(text).ok()? {
        Host::Domain(name) => {
            let labels = name.split('.');
            let good = labels.clone().count() >= 2
                && name.len() <= 253
                && labels.clone().all(|label| {
                    (1..=63).contains(&label.len())
                        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                        && !label.starts_with('-')
                        && !label.ends_with('-')
                });
            good.then_some(name)
        }
        Host::Ipv4(_) | Host::Ipv6(_) => None,
    }
}

/// A domain in normal form that an organization may own.
pub fn checked(text: &str) -> Result<String> {
    let shown: String = text.chars().take(100).collect();
    let domain =
        normalized(text).ok_or_else(|| Error::unprocessable(format!("'{shown}' is not a valid domain.")))?;
    if CONSUMER_DOMAINS.binary_search(&domain.as_str()).is_ok() {
        return Err(Error::unprocessable(format!("{domain} is a consumer mail domain and can't be added.")));
    }
    if psl::suffix_str(&domain) == Some(domain.as_str()) {
        return Err(Error::unprocessable(format!("{domain} is a public suffix and can't be added.")));
    }
    Ok(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_per_domain() {
        for spelling in
            ["example.com", "EXAMPLE.com", " example.com. ", "exаmple.com".replace('а', "a").as_str()]
        {
            assert_eq!(normalized(spelling).as_deref(), Some("example.com"), "{spelling}");
        }
        assert_eq!(normalized("bücher.example").as_deref(), Some("xn--bcher-kva.example"));
    }

    #[test]
    fn k7_what_is_no_organizations_own_is_refused() {
        assert!(CONSUMER_DOMAINS.is_sorted());
        for domain in [
            "",
            "localhost",
            "example",
            "127.0.0.1",
            "[::1]",
            "a b.com",
            "a@b.com",
            "https://a.com",
            "a..com",
            "-a.com",
            "gmail.com",
            "GMAIL.com.",
            "co.uk",
            "com",
            "*.example.com",
            "exa_mple.com",
            "a.com/x",
        ] {
            assert!(checked(domain).is_err(), "{domain:?}");
        }
        assert!(checked("sub.example.co.uk").is_ok());
    }
}
