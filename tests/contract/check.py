#!/usr/bin/env python3
"""Checks what the stories exchanged with the sandbox against the published description.

Usage: check.py DESCRIPTION RECORD      (RECORD holds exchanges.ndjson and operations.json, as tests/support/recorder.rs writes them)

Asked by pdbak: the path, the method, every query parameter and the body have to be described; of v2 and of every form no field may be
sent that is not described. Answered by the sandbox: the status has to be one that the service gives, and the body has to be as described.
What differs for a reason stands in exceptions.json, each with its source; one that no longer occurs fails the check, as does an operation
that pdbak can send and no story shows.
"""

import json
import re
import sys
from collections import Counter, defaultdict
from fnmatch import fnmatchcase
from pathlib import Path

from openapi_schema_validator import OAS30ReadValidator, OAS30WriteValidator, oas30_format_checker

HERE = Path(__file__).parent
VERBS = ("get", "post", "put", "patch", "delete")
# What the service answers where no schema says how: the official table, and 409 of a second recording.
STATUSES = {400, 401, 402, 403, 404, 405, 409, 410, 415, 422, 429, 500, 501, 503}
# Fewer would mean that the recording does not work, whatever was found in the rest.
FEWEST_EXCHANGES = 20_000
FEWEST_LINES = 1_000
# How many places of one kind are shown.
SHOWN = 3


class Description:
    """The operations of the document, found by method and path."""

    def __init__(self, path):
        self.paths = json.loads(path.read_text())["paths"]
        self.by_length = defaultdict(list)
        for template in self.paths:
            steps = template.split("/")
            self.by_length[len(steps)].append((steps, template))
        # A fixed step wins over a name in the same place (FAULTS.md 12).
        for found in self.by_length.values():
            found.sort(key=lambda one: [step.startswith("{") for step in one[0]])
        self.validators = {}

    def template(self, path):
        steps = path.split("/")
        for names, template in self.by_length[len(steps)]:
            if all(name.startswith("{") or name == step for name, step in zip(names, steps)):
                return template
        return None

    def operation(self, template, method):
        found = self.paths[template]
        operation = found.get(method.lower())
        if operation is None:
            return None
        return {**operation, "parameters": found.get("parameters", []) + operation.get("parameters", [])}

    def validator(self, key, schema, writing):
        """Made once for each place, as making one takes longer than using it."""
        if key not in self.validators:
            kind = OAS30WriteValidator if writing else OAS30ReadValidator
            self.validators[key] = kind(schema, format_checker=oas30_format_checker)
        return self.validators[key]


def merged(schema):
    """A schema with its allOf parts folded in, so that it can be closed as a whole."""
    parts = schema.get("allOf")
    if not parts:
        return schema
    whole = {key: value for key, value in schema.items() if key != "allOf"}
    for part in map(merged, parts):
        for key, value in part.items():
            if key == "properties":
                whole["properties"] = {**value, **whole.get("properties", {})}
            elif key == "required":
                whole["required"] = sorted({*value, *whole.get("required", [])})
            else:
                whole.setdefault(key, value)
    return whole


def closed(schema):
    """A schema that takes no member that it does not describe."""
    if not isinstance(schema, dict):
        return schema
    schema = dict(merged(schema))
    if schema.get("properties"):
        schema["properties"] = {name: closed(inner) for name, inner in schema["properties"].items()}
        schema.setdefault("additionalProperties", False)
    if "items" in schema:
        schema["items"] = closed(schema["items"])
    for choice in ("oneOf", "anyOf"):
        if choice in schema:
            schema[choice] = [closed(inner) for inner in schema[choice]]
    return schema


def typed(text, schema):
    """The value that a text in a query or a form stands for, if it stands for one of the type."""
    kind = merged(schema).get("type")
    try:
        if kind == "integer":
            return int(text)
        if kind == "number":
            return float(text)
    except ValueError:
        return text
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if kind == "array":
        return [typed(one, schema.get("items", {})) for one in text.split(",")]
    return text


def place(steps):
    """Where in a document: elements and keys of custom fields are all alike."""
    names = ["*" if isinstance(step, int) else "{key}" if re.match("[0-9a-f]{40}", step) else step for step in steps]
    return "".join("/" + name for name in names)


def leaves(errors):
    """The errors that say what is wrong: of alternatives those of the one that came furthest."""
    for error in errors:
        if error.context:
            best = defaultdict(list)
            for inner in error.context:
                best[inner.schema_path[0]].append(inner)
            yield from leaves(min(best.values(), key=len))
        else:
            yield error


def told(error):
    """Kind and words of an error, alike for alike faults."""
    if error.validator == "additionalProperties":
        known = set(error.schema.get("properties", {}))
        extra = sorted(place([name])[1:] for name in error.instance if name not in known)
        return "undescribed", ", ".join(sorted(set(extra)))
    if error.validator == "required":
        return "missing", ", ".join(name for name in error.validator_value if name not in error.instance)
    if error.validator == "type":
        names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}
        got = names.get(type(error.instance), "null")
        return "type", f"{got}, not {error.validator_value}"
    if error.validator == "nullable":
        return "type", "null"
    return error.validator, f"{json.dumps(error.instance)[:60]}"


class Check:
    def __init__(self, description):
        self.description = description
        # (operation, where, kind, words) -> stories
        self.found = defaultdict(Counter)
        self.seen = Counter()
        self.answers = Counter()

    def add(self, exchange, operation, where, fault):
        self.found[operation, where, *fault][exchange["story"]] += 1

    def schema(self, exchange, key, schema, instance, writing):
        validator = self.description.validator(key, schema, writing)
        return [(place(error.absolute_path), told(error)) for error in leaves(validator.iter_errors(instance))]

    def exchange(self, exchange):
        path = re.sub("^/api/v1/", "/v1/", exchange["path"])
        template = self.description.template(path)
        operation = template and self.description.operation(template, exchange["method"])
        if not operation:
            if exchange["by_pdbak"]:
                # Versions have a digit as well.
                nameless = path[:3] + re.sub("/[^/]*[0-9][^/]*", "/{}", path[3:])
                self.add(exchange, f"{exchange['method']} {nameless}", "request", ("undescribed", "operation"))
            return
        name = f"{exchange['method']} {template}"
        self.seen[name] += 1
        if exchange["by_pdbak"]:
            self.query(exchange, name, operation)
            self.body(exchange, name, operation)
        if not exchange["spoiled"]:
            self.answer(exchange, name, operation)

    def query(self, exchange, name, operation):
        described = {one["name"]: one for one in operation["parameters"] if one["in"] == "query"}
        sent = {key.removesuffix("[]"): value for key, value in exchange["query"]}
        for key, one in described.items():
            if one.get("required") and key not in sent:
                self.add(exchange, name, f"query {key}", ("missing", key))
        for key, value in sent.items():
            if key not in described:
                self.add(exchange, name, f"query {key}", ("undescribed", key))
                continue
            schema = described[key].get("schema", {})
            for where, fault in self.schema(exchange, (name, "query", key), schema, typed(value, schema), True):
                self.add(exchange, name, f"query {key}{where}", fault)

    def body(self, exchange, name, operation):
        if exchange["body"] is None:
            if operation.get("requestBody", {}).get("required"):
                self.add(exchange, name, "body", ("missing", "body"))
            return
        kinds = operation.get("requestBody", {}).get("content", {})
        sent = exchange["sent"].split(";")[0]
        if sent not in kinds:
            self.add(exchange, name, "body", ("undescribed", sent))
            return
        schema = closed(kinds[sent].get("schema", {}))
        body = exchange["body"]
        if sent != "application/json":
            fields = schema.get("properties", {})
            body = {key: typed(value, fields[key]) if key in fields else value for key, value in body.items()}
        for where, fault in self.schema(exchange, (name, "body", sent), schema, body, True):
            self.add(exchange, name, f"body {where}", fault)

    def answer(self, exchange, name, operation):
        status = exchange["status"]
        described = operation["responses"].get(str(status))
        if not described:
            if status not in STATUSES:
                self.add(exchange, name, f"answer {status}", ("undescribed", str(status)))
            elif not isinstance(exchange["answer"], dict) or exchange["answer"].get("success") is not False:
                self.add(exchange, name, f"answer {status}", ("type", "no error"))
            return
        content = described.get("content", {}).get("application/json")
        # What a download answers is another story than that of the description (FAULTS.md 10).
        if not content or not content.get("schema"):
            return
        self.answers[name, status] += 1
        answer = exchange["answer"]
        if answer is None:
            self.add(exchange, name, f"answer {status}", ("type", "not JSON"))
            return
        for where, fault in self.schema(exchange, (name, status), content["schema"], answer, False):
            self.add(exchange, name, f"answer {status} {where}", fault)


def covers(exception, fault):
    """Whether an exception means a fault; `*` stands for anything."""
    operation, where, kind, words = fault
    return (
        any(fnmatchcase(operation, one) for one in exception["operations"])
        and any(fnmatchcase(where, one) for one in exception["where"])
        and fnmatchcase(f"{kind}: {words}", exception["fault"])
    )


def nameless(operation):
    return re.sub(r"\{[^}]*\}", "{}", operation)


def unseen(record, check, excused):
    """Operations that pdbak can send: all, and those that no story shows; complains of wrong excuses."""
    can = {nameless(one["operation"]) for one in json.loads((record / "operations.json").read_text())}
    described = {nameless(f"{method.upper()} {path}") for path, found in check.description.paths.items() for method in found}
    can &= described
    seen = {nameless(name) for name in check.seen}
    missing = can - seen
    excuses = {nameless(one["operation"]) for one in excused}
    return can, missing - excuses, excuses - missing


def main():
    description, record = Path(sys.argv[1]), Path(sys.argv[2])
    check, passed, lines, stories = Check(Description(description)), 0, 0, set()
    with (record / "exchanges.ndjson").open() as exchanges:
        for line in map(json.loads, exchanges):
            stories.add(line["story"])
            if "passed" in line:
                passed += line["passed"]
                continue
            lines += 1
            check.exchange(line)
    listed = json.loads((HERE / "exceptions.json").read_text())
    used = Counter()
    failures = []
    for fault, where in sorted(check.found.items()):
        excused = [at for at, exception in enumerate(listed["exceptions"]) if covers(exception, fault)]
        used.update(excused)
        if not excused:
            names = ", ".join(name.removeprefix("stories::") for name, _ in where.most_common(SHOWN))
            failures.append(f"{fault[0]}: {fault[1]}: {fault[2]}: {fault[3]}  ({sum(where.values())} times: {names})")
    for at, exception in enumerate(listed["exceptions"]):
        if not used[at]:
            failures.append(f"exceptions.json: no longer occurs: {exception['fault']} at {exception['where']} of {exception['operations']}")
    can, missing, seen_after_all = unseen(record, check, listed["unseen"])
    failures += [f"no story shows {operation}" for operation in sorted(missing)]
    failures += [f"exceptions.json: it is seen after all, or not one of pdbak's: {one}" for one in sorted(seen_after_all)]
    if passed < FEWEST_EXCHANGES or lines < FEWEST_LINES:
        failures.append(f"{passed} exchanges and {lines} kinds of them are too few: the recording does not work")
    for failure in failures:
        print(failure)
    print(
        f"contract: {passed:,} exchanges of {len(stories)} stories, {lines:,} different ones checked, "
        f"{len(check.seen)} operations, {len(can) - len(missing) - len(listed['unseen'])} of the {len(can)} that pdbak can send, "
        f"{len(check.answers)} answers with a schema, {len(listed['exceptions'])} exceptions, {len(failures)} failures"
    )
    sys.exit(bool(failures))


main()
