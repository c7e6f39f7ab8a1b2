"""The API's description, served at `/system/openapi.json`.

Written beside the routes and held against them by a test: what is described is there, and what is there is described.
"""

from __future__ import annotations

import re
from typing import Any

from piswarm import __version__
from piswarm.gateway import deployment, secrets
from piswarm.gateway.function import NAMESPACE

Json = dict[str, Any]
_IGNORED: Json = {"description": "accepted and without effect"}


def openapi() -> Json:
    """Return the OpenAPI 3.1 document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "piswarm function gateway",
            "version": __version__,
            "description": "Functions on a Docker Swarm. The wire contract is OpenFaaS's.",
        },
        "security": [{"basic": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
            "schemas": _schemas(),
        },
    }


def _paths() -> Json:
    functions = _reference("FunctionDeployment")
    return {
        "/system/functions": {
            "get": _operation("List the functions", {"200": _json(_list(_reference("FunctionStatus")))}),
            "post": _operation("Deploy a new function", {"202": _empty(), **_faults(400, 413)}, functions),
            "put": _operation(
                "Deploy a function anew", {"202": _empty(), **_faults(400, 404, 409, 413)}, functions
            ),
            "delete": _operation(
                "Delete a function", {"202": _empty(), **_faults(400, 404, 413)}, _reference("FunctionDelete")
            ),
        },
        "/system/function/{name}": {
            "get": _operation(
                "Describe a function",
                {"200": _json(_reference("FunctionStatus")), **_faults(404)},
                parameters=[_path_name()],
            ),
        },
        "/system/scale-function/{name}": {
            "post": _operation(
                "Set the number of replicas",
                {"202": _empty(), **_faults(400, 404, 409, 413)},
                _reference("FunctionScale"),
                [_path_name()],
            ),
        },
        "/system/calls": {
            "get": _operation(
                "Tell the calls that this gateway has carried, not those of other managers",
                {"200": _json(_reference("Share"))},
            ),
        },
        "/system/secrets": {
            "get": _operation("List the secrets' names", {"200": _json(_list(_reference("SecretName")))}),
            "post": _operation(
                "Keep a new secret", {"201": _empty(), **_faults(400, 409, 413)}, _reference("Secret")
            ),
            "put": _operation(
                "Replace a secret's value",
                {"200": _empty(), **_faults(400, 404, 409, 413)},
                _reference("Secret"),
            ),
            "delete": _operation(
                "Forget a secret", {"202": _empty(), **_faults(400, 404, 409, 413)}, _reference("SecretName")
            ),
        },
        "/system/logs": {
            "get": _operation(
                "Read a function's log",
                {"200": _content("application/x-ndjson", _reference("LogLine")), **_faults(404, 422)},
                parameters=[
                    _query("name", _filled(), required=True),
                    _query("instance", {"type": "string"}),
                    _query("follow", {"type": "boolean"}),
                    _query("tail", {"type": "integer", "minimum": -1}),
                    _query("since", {"type": "string", "format": "date-time"}),
                ],
            ),
        },
        "/system/nodes": {"get": _operation("List the nodes", {"200": _json(_list(_reference("Node")))})},
        "/system/hooks/git/{name}": {
            "post": {
                "summary": "Deploy a function whose branch was pushed; git servers sign this with its secret",
                "security": [],
                "parameters": [_path_name()],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"type": "object"}}},
                },
                "responses": {
                    "200": _json(_reference("PushIgnored")),
                    "202": _json(_reference("PushAccepted")),
                    **_faults(400, 401, 404, 409, 413, 503),
                },
            }
        },
        "/system/namespaces": {"get": _operation("List the namespaces", {"200": _json(_list(_text()))})},
        "/system/info": {"get": _operation("Tell what this gateway is", {"200": _json({"type": "object"})})},
        "/healthz": {
            "get": {
                "summary": "Tell whether calls are routed by what the Swarm says",
                "security": [],
                "responses": {"200": _content("text/plain", _text()), **_faults(503)},
            }
        },
    }


def _schemas() -> Json:
    nullable_text = {"type": ["string", "null"]}
    amounts = {**_object({"memory": nullable_text, "cpu": nullable_text}), "type": ["object", "null"]}
    texts = {"type": ["object", "null"], "additionalProperties": _text()}
    many = {"type": ["array", "null"], "items": _text()}
    function = {
        "envProcess": nullable_text,
        "envVars": texts,
        "constraints": many,
        "secrets": many,
        "labels": texts,
        "annotations": texts,
        "limits": amounts,
        "requests": amounts,
        "readOnlyRootFilesystem": {"type": ["boolean", "null"]},
    }
    name = _matching(deployment.NAME)
    secret_name = _matching(secrets.NAME)
    image = {"type": "string", "pattern": r"^\S+$"}
    count = {"type": "integer", "minimum": 0}
    return {
        "FunctionDeployment": _object(
            {"service": name, "image": image, "namespace": _IGNORED, **function}, "service", "image"
        ),
        "FunctionStatus": _object(
            {
                "name": name,
                "image": _text(),
                "namespace": {"const": NAMESPACE},
                **function,
                "invocationCount": count,
                "replicas": count,
                "availableReplicas": count,
                "state": {"enum": ["ready", "asleep", "starting", "updating", "failing"]},
                "reason": _text(),
                "calls": {"type": "object"},
                "createdAt": {"type": "string", "format": "date-time"},
            },
            "name",
            "image",
            "replicas",
            "availableReplicas",
            "state",
        ),
        "FunctionDelete": _object({"functionName": _filled(), "namespace": _IGNORED}, "functionName"),
        "FunctionScale": _object(
            {"serviceName": _IGNORED, "replicas": {**count, "maximum": 1000}, "namespace": _IGNORED},
            "replicas",
        ),
        "Share": _object({"gateway": _text(), "functions": {"type": "object"}}, "gateway", "functions"),
        "SecretName": _object({"name": secret_name, "namespace": _IGNORED}, "name"),
        "Secret": _object(
            {"name": secret_name, "namespace": _IGNORED, "value": _text(), "rawValue": _text()}, "name"
        ),
        "PushAccepted": _object(
            {"function": name, "commit": _text(), "status": {"enum": ["accepted", "accepted before"]}},
            "function",
            "commit",
            "status",
        ),
        "PushIgnored": _object(
            {"function": name, "status": {"const": "ignored"}, "reason": _text()},
            "function",
            "status",
            "reason",
        ),
        "LogLine": _object(
            {
                "name": _text(),
                "namespace": _text(),
                "instance": _text(),
                "timestamp": _text(),
                "text": _text(),
            }
        ),
        "Node": _object(
            {
                "name": _text(),
                "role": {"enum": ["manager", "worker"]},
                "leader": {"type": "boolean"},
                "state": _text(),
                "availability": _text(),
                "arch": _text(),
                "model": _text(),
                "memoryBytes": count,
                "cpus": {"type": "number"},
                "replicas": count,
            },
            "name",
            "role",
            "arch",
        ),
    }


def _operation(
    summary: str, responses: Json, body: Json | None = None, parameters: list[Json] | None = None
) -> Json:
    operation: Json = {"summary": summary, "responses": {**responses, **_faults(401, 503)}}
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    if parameters is not None:
        operation["parameters"] = parameters
    return operation


def _faults(*statuses: int) -> Json:
    return {str(status): _content("text/plain", _text()) for status in statuses}


def _empty() -> Json:
    return {"description": "done"}


def _json(schema: Json) -> Json:
    return _content("application/json", schema)


def _content(media_type: str, schema: Json) -> Json:
    return {"description": media_type, "content": {media_type: {"schema": schema}}}


def _path_name() -> Json:
    return {"name": "name", "in": "path", "required": True, "schema": _text()}


def _query(name: str, schema: Json, *, required: bool = False) -> Json:
    return {"name": name, "in": "query", "required": required, "schema": schema}


def _reference(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _object(properties: Json, *required: str) -> Json:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def _text() -> Json:
    return {"type": "string"}


def _filled() -> Json:
    return {"type": "string", "minLength": 1}


def _matching(pattern: re.Pattern[str]) -> Json:
    return {"type": "string", "pattern": f"^{pattern.pattern}$"}
