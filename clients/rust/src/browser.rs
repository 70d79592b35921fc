use std::collections::HashMap;

use reqwest::header::LOCATION;
use reqwest::redirect::Policy;
use scraper::{ElementRef, Html, Selector};
use url::Url;

use crate::REDIRECT_URI;

const MAXIMUM_REDIRECTS: usize = 20;

/// A person's browser without JavaScript: follows redirects, keeps cookies, presses the buttons of forms. It stops
/// before it would visit [`REDIRECT_URI`].
#[derive(Debug)]
pub struct Browser {
    client: reqwest::Client,
    url: Url,
    page: String,
}

impl Browser {
    /// Opens an address.
    pub async fn open(url: &str) -> Self {
        let client = reqwest::Client::builder()
            .cookie_store(true)
            .redirect(Policy::none())
            .build()
            .expect("a client without special wishes");
        let url = Url::parse(url).expect("an absolute address");
        let mut browser = Self { client, url: url.clone(), page: String::new() };
        let request = browser.client.get(url);
        browser.follow(request).await;
        browser
    }

    /// Fills `values` into the form that has the button with this test id, and presses the button.
    pub async fn press(&mut self, test_id: &str, values: &[(&str, &str)]) {
        let (action, fields) = self.filled(test_id, values);
        let target = self.url.join(&action).expect("an address in the form");
        self.url = target.clone();
        let request = self.client.post(target).form(&fields);
        self.follow(request).await;
    }

    /// Whether the journey ended at the application.
    pub fn arrived(&self) -> bool {
        self.url.as_str().starts_with(REDIRECT_URI)
    }

    /// Where the browser is.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The text of the element with this test id, if the page has one.
    pub fn text(&self, test_id: &str) -> Option<String> {
        let page = Html::parse_document(&self.page);
        let element = page.select(&by_test_id(test_id)).next()?;
        Some(element.text().collect::<String>().trim().to_owned())
    }

    /// What the application was called with.
    pub fn query(&self) -> HashMap<String, String> {
        assert!(self.arrived(), "still on {}: {}", self.url, self.page);
        self.url.query_pairs().into_owned().collect()
    }

    async fn follow(&mut self, mut request: reqwest::RequestBuilder) {
        for _ in 0..MAXIMUM_REDIRECTS {
            let response = request.send().await.expect("an answer");
            let Some(location) = response.headers().get(LOCATION) else {
                self.page = response.text().await.expect("a page");
                return;
            };
            self.url = self.url.join(location.to_str().expect("an address")).expect("an address");
            if self.arrived() {
                return;
            }
            request = self.client.get(self.url.clone());
        }
        panic!("more than {MAXIMUM_REDIRECTS} redirects, the last one to {}", self.url);
    }

    fn filled(&self, test_id: &str, values: &[(&str, &str)]) -> (String, Vec<(String, String)>) {
        let page = Html::parse_document(&self.page);
        let button = page
            .select(&by_test_id(test_id))
            .next()
            .unwrap_or_else(|| panic!("no button {test_id} on {}: {}", self.url, self.page));
        let form = button
            .ancestors()
            .filter_map(ElementRef::wrap)
            .find(|element| element.value().name() == "form")
            .expect("the button belongs to a form");
        let method = form.value().attr("method").unwrap_or("get");
        assert!(method.eq_ignore_ascii_case("post"), "{test_id} would put what was typed into an address");
        let inputs = Selector::parse("input[name]:not([type=submit])").expect("a selector");
        let mut fields: Vec<(String, String)> = form
            .select(&inputs)
            .map(|input| {
                let attribute = |name| input.value().attr(name).unwrap_or_default().to_owned();
                (attribute("name"), attribute("value"))
            })
            .collect();
        for (name, value) in values {
            let field = fields.iter_mut().find(|(field, _)| field == name);
            let (_, filled) = field.unwrap_or_else(|| panic!("the form of {test_id} has no field {name}"));
            *filled = (*value).to_owned();
        }
        if let Some(name) = button.value().attr("name") {
            fields.push((name.to_owned(), button.value().attr("value").unwrap_or_default().to_owned()));
        }
        (form.value().attr("action").unwrap_or_default().to_owned(), fields)
    }
}

fn by_test_id(test_id: &str) -> Selector {
    Selector::parse(&format!("[data-testid='{test_id}']")).expect("a selector")
}
