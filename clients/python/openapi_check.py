"""Validates recorded API answers against the OpenAPI document.

    PORTCULLIS_OPENAPI=open-api-spec.yaml PORTCULLIS_RECORD=folder python openapi_check.py

Each line of each `*.jsonl` file in the folder is one answer our tests received:

    {"method": "GET", "path": "/organizations/org_01…", "status": 200, "body": {…}}

An answer is measured by the schema that the document gives for its operation and status (OpenAPI 3.1, whose schemas are
JSON Schema 2020-12). Operations the document doesn't have are our additions: counted, not judged. An error status the
document doesn't list is counted and shown; a success status it doesn't list is a violation, since no SDK expects it.

`openapi_exceptions.toml` lists the deviations we chose. An entry that no longer excuses anything is a violation too, so
the list can only shrink.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

EXCEPTIONS = Path(__file__).with_name("openapi_exceptions.toml")
DOCUMENT_URI = "urn:openapi"
METHODS = frozenset({"get", "put", "post", "delete", "patch", "head", "options", "trace"})
# RFC 3339 section 5.6; ISO 8601 allows far more.
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")

ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")

format_checker = FormatChecker(formats=())


@format_checker.checks("date-time")
def _is_date_time(value: object) -> bool:
    if not isinstance(value, str):
        return True
    if not RFC_3339.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value.upper().replace("Z", "+00:00"))
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class Answer:
    """One recorded answer. `body` is None where there was none, or where it was `null`."""

    method: str
    path: str
    status: int
    body: Any
    source: str


@dataclass
class Deviation:
    """A deliberate deviation: problems at `pointer` (`*` stands for any segment) of one operation's answer."""

    method: str
    path: str
    status: int
    pointer: str
    reason: str
    recorded: int = 0
    excused: int = 0

    def covers(self, pointer: str) -> bool:
        wanted, actual = self.pointer.split("/"), pointer.split("/")
        return len(wanted) == len(actual) and all(
            pattern in ("*", segment) for pattern, segment in zip(wanted, actual, strict=True)
        )

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.status} at {self.pointer or 'the top'}"


@dataclass
class Report:
    """What a run found. It fails if there are `violations`; each comes with the places it was recorded at."""

    validated: int = 0
    additions: Counter[str] = field(default_factory=Counter)
    undocumented: dict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    violations: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


class Document:
    """An OpenAPI document, asked for the schema of an answer."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._paths: dict[str, dict[str, Any]] = content["paths"]
        resource = Resource(contents=content, specification=DRAFT202012)
        self._registry: Registry[Any] = Registry().with_resource(DOCUMENT_URI, resource)
        self._templates = sorted(
            (path.strip("/").split("/") for path in self._paths),
            # Literal segments win over parameters, from left to right.
            key=lambda segments: [segment.startswith("{") for segment in segments],
        )
        self._validators: dict[tuple[str, str, str], Draft202012Validator | None] = {}

    def template(self, path: str) -> str | None:
        """The path template that a concrete path belongs to."""
        segments = path.split("?")[0].strip("/").split("/")
        for template in self._templates:
            if len(template) == len(segments) and all(
                expected == actual or (expected.startswith("{") and actual)
                for expected, actual in zip(template, segments, strict=True)
            ):
                return "/" + "/".join(template)
        return None

    def responses(self, method: str, template: str) -> dict[str, Any] | None:
        """The answers listed for an operation, by status; None if there is no such operation."""
        operation = self._paths[template].get(method.lower()) if method.lower() in METHODS else None
        return None if operation is None else operation["responses"]

    def validator(self, method: str, template: str, status: str) -> Draft202012Validator | None:
        """Measures the body of a listed answer; None if the document describes no JSON body."""
        key = (method, template, status)
        if key not in self._validators:
            content = self._paths[template][method.lower()]["responses"][status].get("content", {})
            reference = None
            if "schema" in content.get("application/json", {}):
                steps = ("paths", template, method.lower(), "responses", status, "content", "application/json", "schema")
                pointer = "/".join(step.replace("~", "~0").replace("/", "~1") for step in steps)
                reference = {"$ref": f"{DOCUMENT_URI}#/{_uri_fragment(pointer)}"}
            self._validators[key] = reference and Draft202012Validator(
                reference, registry=self._registry, format_checker=format_checker
            )
        return self._validators[key]


def _uri_fragment(pointer: str) -> str:
    return pointer.replace("%", "%25").replace("{", "%7B").replace("}", "%7D")


def check(document: Document, answers: Iterator[Answer], deviations: list[Deviation]) -> Report:
    """Measures every answer, and counts which deviations were needed."""
    report = Report()
    for answer in answers:
        template = document.template(answer.path)
        responses = document.responses(answer.method, template) if template is not None else None
        if template is None or responses is None:
            report.additions[f"{answer.method} {template or _without_ids(answer.path)}"] += 1
            continue
        operation = f"{answer.method} {template} {answer.status}"
        status = str(answer.status)
        if status not in responses:
            if answer.status < 400:
                report.violations[f"{operation}: the document has no such success status"].append(answer.source)
            else:
                report.undocumented[answer.status][f"{answer.method} {template}"] += 1
            continue
        report.validated += 1
        applicable = [
            deviation
            for deviation in deviations
            if (deviation.method, deviation.path, deviation.status) == (answer.method, template, answer.status)
        ]
        for deviation in applicable:
            deviation.recorded += 1
        for pointer, message in _problems(document, answer, template, status):
            excuses = [deviation for deviation in applicable if deviation.covers(pointer)]
            for deviation in excuses:
                deviation.excused += 1
            if not excuses:
                report.violations[f"{operation} at {pointer or 'the top'}: {message}"].append(answer.source)
    for deviation in deviations:
        if deviation.recorded and not deviation.excused:
            violation = f"nothing needs the exception for {deviation} any more"
            report.violations[violation].append(EXCEPTIONS.name)
    return report


def _without_ids(path: str) -> str:
    return "/".join("{id}" if ULID.search(segment) else segment for segment in path.split("?")[0].split("/"))


def _problems(document: Document, answer: Answer, template: str, status: str) -> Iterator[tuple[str, str]]:
    validator = document.validator(answer.method, template, status)
    if validator is None:
        if answer.status == 204 and answer.body is not None:
            yield "", "204 comes with a body"
        return
    for error in validator.iter_errors(answer.body):
        for cause in _causes(error):
            yield "".join(f"/{step}" for step in cause.absolute_path), _shortened(cause.message)


def _causes(error: ValidationError) -> Iterator[ValidationError]:
    """What is really wrong. Where one of several schemas had to fit and the constants in the body single one of them
    out (an event's type, an error's code), that is what this one complains about."""
    branches: dict[object, list[ValidationError]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.schema_path[0], []).append(inner)
    meant = [inner for inner in branches.values() if not any(_tells_apart(each) for each in inner)]
    if len(meant) == 1:
        for inner in meant[0]:
            yield from _causes(inner)
    else:
        yield error


def _tells_apart(error: ValidationError) -> bool:
    return error.validator == "const" and len(error.relative_path) == 1


def _shortened(message: str, length: int = 300) -> str:
    return message if len(message) <= length else f"{message[: length - 60]} … {message[-57:]}"


def read_answers(folder: Path) -> Iterator[Answer]:
    """All recorded answers. A line that isn't one ends the run: a broken recorder must not pass unnoticed."""
    for file in sorted(folder.glob("*.jsonl")):
        with open(file, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                source = f"{file.name}:{number}"
                try:
                    record = json.loads(line)
                    yield Answer(
                        record["method"].upper(), record["path"], int(record["status"]), record.get("body"), source
                    )
                except (ValueError, KeyError, AttributeError, TypeError) as error:
                    raise SystemExit(f"{source} is not a recorded answer: {error!r}") from error


def read_deviations(file: Path) -> list[Deviation]:
    entries = tomllib.loads(file.read_text(encoding="utf-8")).get("exception", [])
    deviations = [Deviation(**entry) for entry in entries]
    for deviation in deviations:
        if not deviation.reason.strip():
            raise SystemExit(f"{file.name}: the exception for {deviation} gives no reason")
    return deviations


def main() -> int:
    named = os.environ.get("PORTCULLIS_OPENAPI")
    folder = os.environ.get("PORTCULLIS_RECORD")
    if not named:
        print("no answers validated: PORTCULLIS_OPENAPI names no OpenAPI document")
        return 0
    if not folder:
        print("PORTCULLIS_RECORD names no folder of recorded answers", file=sys.stderr)
        return 1
    content = yaml.load(Path(named).read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    report = check(Document(content), read_answers(Path(folder)), read_deviations(EXCEPTIONS))
    for operation, count in sorted(report.additions.items()):
        print(f"  addition: {operation} ({count})")
    for status, operations in sorted(report.undocumented.items()):
        names = ", ".join(sorted(operations))
        print(f"  undocumented {status}: {_shortened(names)} ({operations.total()})")
    undocumented = sum(operations.total() for operations in report.undocumented.values())
    print(
        f"{report.validated} answers validated against the OpenAPI document, "
        f"{report.additions.total()} additions, {undocumented} undocumented"
    )
    if report.validated == 0:
        print(f"no answer of a documented operation was recorded in {folder}", file=sys.stderr)
        return 1
    for violation, sources in sorted(report.violations.items()):
        more = f" and {len(sources) - 1} more" if len(sources) > 1 else ""
        print(f"  violation: {violation} ({sources[0]}{more})", file=sys.stderr)
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
