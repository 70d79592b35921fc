"""A browser without JavaScript: follows redirects, keeps cookies, fills in forms and presses their buttons."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx

MAXIMUM_REDIRECTS = 20


@dataclass
class Form:
    """A form as the page offers it. `fields` are the values it would send; `buttons` by their test id."""

    method: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, tuple[str, str] | None] = field(default_factory=dict)


class _Page(HTMLParser):
    """Collects the forms of a page, and the text of each element that has a test id."""

    # Elements without an end tag.
    VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[Form] = []
        self.texts: dict[str, str] = {}
        self._in_form = False
        self._open: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        test_id = attributes.get("data-testid")
        if test_id is not None:
            self.texts.setdefault(test_id, "")
        if tag not in self.VOID:
            self._open.append(test_id)
        if tag == "form":
            self.forms.append(Form(attributes.get("method", "get").lower(), attributes.get("action", "")))
            self._in_form = True
        elif self._in_form and tag in ("input", "button"):
            self._control(tag, attributes, test_id)

    def _control(self, tag: str, attributes: dict[str, str], test_id: str | None) -> None:
        form = self.forms[-1]
        name, value = attributes.get("name"), attributes.get("value", "")
        kind = attributes.get("type", "submit" if tag == "button" else "text").lower()
        if kind == "submit":
            form.buttons[test_id or ""] = (name, value) if name else None
        elif name and (kind not in ("checkbox", "radio") or "checked" in attributes):
            form.fields[name] = value

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._in_form = False
        if tag not in self.VOID and self._open:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        for test_id in self._open:
            if test_id is not None:
                self.texts[test_id] += data


class Browser:
    """One person's browser. It stops where the address begins with `destination`, without going there."""

    def __init__(self, destination: str) -> None:
        self._client = httpx.Client(follow_redirects=False, timeout=30)
        self._destination = destination
        self.url = ""
        self.status = 0
        self.texts: dict[str, str] = {}
        self.forms: list[Form] = []

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def open(self, url: str) -> None:
        self._request("GET", url, None)

    def press(self, test_id: str, **values: str) -> None:
        """Fills `values` into the form that has the button `test_id`, and presses that button."""
        for form in self.forms:
            if test_id in form.buttons:
                unknown = values.keys() - form.fields.keys()
                assert not unknown, f"the form of {test_id!r} has no fields {sorted(unknown)}"
                data = form.fields | values
                if (button := form.buttons[test_id]) is not None:
                    data[button[0]] = button[1]
                target = urljoin(self.url, form.action) if form.action else self.url
                assert form.method == "post", f"{test_id!r} would put what the person typed into an address"
                self._request("POST", target, data)
                return
        raise AssertionError(f"no button {test_id!r} on {self.url} (status {self.status}): {self.forms}")

    @property
    def arrived(self) -> bool:
        return self.url.startswith(self._destination)

    @property
    def query(self) -> dict[str, str]:
        """What the application was called with."""
        assert self.arrived, f"still on {self.url} (status {self.status})"
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True, strict_parsing=True))

    def _request(self, method: str, url: str, data: dict[str, str] | None) -> None:
        for _ in range(MAXIMUM_REDIRECTS):
            response = self._client.request(method, url, data=data)
            self.url, self.status = url, response.status_code
            if not response.has_redirect_location:
                break
            url = urljoin(url, response.headers["location"])
            method, data = "GET", None
            if url.startswith(self._destination):
                self.url, self.texts, self.forms = url, {}, []
                return
        else:
            raise AssertionError(f"more than {MAXIMUM_REDIRECTS} redirects, the last one to {url}")
        page = _Page()
        page.feed(response.text)
        self.texts = {test_id: text.strip() for test_id, text in page.texts.items()}
        self.forms = page.forms
