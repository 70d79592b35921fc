"""The check against the OpenAPI document finds what it is there to find."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from openapi_check import Answer, Deviation, Document, check, read_answers

DOCUMENT = {
    "openapi": "3.1.1",
    "paths": {
        "/things": {
            "get": {
                "responses": {
                    "200": {
                        "content": {
                            "application/json": {
                                "schema": {
                                    "type": "object",
                                    "properties": {
                                        "data": {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}}
                                    },
                                    "required": ["data"],
                                }
                            }
                        }
                    },
                    "422": {
                        "content": {
                            "application/json": {
                                "schema": {
                                    "oneOf": [
                                        {"properties": {"code": {"const": "a"}}, "required": ["code"]},
                                        {
                                            "properties": {"code": {"const": "b"}, "field": {"type": "string"}},
                                            "required": ["code", "field"],
                                        },
                                    ]
                                }
                            }
                        }
                    },
                }
            }
        },
        "/things/{id}": {"delete": {"responses": {"204": {"description": "gone"}}}},
        "/things/latest": {
            "get": {
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}}
                }
            }
        },
    },
    "components": {
        "schemas": {
            "Thing": {
                "type": "object",
                "properties": {
                    "id": {"type": "string"},
                    "colour": {"type": ["string", "null"]},
                    "created_at": {"type": "string", "format": "date-time"},
                },
                "required": ["id", "colour", "created_at"],
            }
        }
    },
}
THING = {"id": "thing_1", "colour": None, "created_at": "2026-01-15T12:00:00.000Z"}


def run(method: str, path: str, status: int, body: Any, *deviations: Deviation) -> Any:
    return check(Document(DOCUMENT), iter([Answer(method, path, status, body, "here")]), list(deviations))


def test_accepts_what_the_document_describes() -> None:
    for method, path, status, body in [
        ("GET", "/things?limit=1", 200, {"data": [THING, THING | {"colour": "red"}]}),
        ("GET", "/things/latest", 200, THING),
        ("GET", "/things", 422, {"code": "b", "field": "name"}),
        ("DELETE", "/things/thing_1", 204, None),
    ]:
        report = run(method, path, status, body)
        assert (report.validated, report.violations) == (1, {}), (method, path)


@pytest.mark.parametrize(
    ("method", "path", "status", "body", "where"),
    [
        ("GET", "/things", 200, {"data": [THING, {**THING, "id": 1}]}, "/data/1/id"),
        ("GET", "/things", 200, {"data": [{"id": "1", "colour": None}]}, "/data/0"),
        ("GET", "/things", 200, {}, "the top"),
        ("GET", "/things", 200, None, "the top"),
        ("GET", "/things/latest", 200, THING | {"created_at": "15 January"}, "/created_at"),
        ("GET", "/things/latest", 200, THING | {"created_at": "2026-02-30T12:00:00Z"}, "/created_at"),
        ("GET", "/things", 422, {"code": "c"}, "the top"),
        ("GET", "/things", 422, {"code": "b", "field": 1}, "/field"),
        ("GET", "/things", 201, {"data": []}, "no such success status"),
        ("DELETE", "/things/thing_1", 204, {"deleted": True}, "the top"),
    ],
)
def test_rejects_what_it_does_not(method: str, path: str, status: int, body: Any, where: str) -> None:
    [violation] = run(method, path, status, body).violations
    assert where in violation


def test_counts_additions_and_undocumented_errors_without_judging_them() -> None:
    for method, path in [("GET", "/other"), ("POST", "/things"), ("GET", "/things/a/b"), ("GET", "/things/thing_1")]:
        report = run(method, path, 200, {"anything": 1})
        assert (report.additions.total(), report.validated, report.violations) == (1, 0, {}), (method, path)
    report = run("GET", "/things", 418, "anything")
    assert report.undocumented == {418: {"GET /things": 1}}
    assert (report.validated, report.violations) == (0, {})


def test_excuses_only_what_an_exception_names_and_reports_one_that_excuses_nothing() -> None:
    def exception(pointer: str) -> Deviation:
        return Deviation("GET", "/things", 200, pointer, "because")

    body = {"data": [THING | {"id": 1}]}
    assert run("GET", "/things", 200, body, exception("/data/*/id")).violations == {}
    assert len(run("GET", "/things", 200, body, exception("/data/*/colour")).violations) == 2
    [unneeded] = run("GET", "/things", 200, {"data": []}, exception("/data/*/id")).violations
    assert "any more" in unneeded
    assert run("GET", "/things/latest", 200, THING, exception("/data/*/id")).violations == {}, "not recorded, not judged"


def test_a_broken_recording_ends_the_run(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"method":"get","path":"/things","status":200,"body":null}\n{"method":"GET"}\n')
    answers = read_answers(tmp_path)
    assert next(answers).method == "GET"
    with pytest.raises(SystemExit, match="a.jsonl:2"):
        next(answers)
