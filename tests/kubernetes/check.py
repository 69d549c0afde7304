"""Holds Kubernetes resources against schemas without a cluster: those of CustomResourceDefinitions in a folder, and the
core ones of kubernetes-validate.

Standard input: {"crds": FOLDER or null, "resources": [...]}. Standard output: for each resource {"by": which schema, or
null where there is none, "errors": [...], "unchecked": [rules that could not be evaluated]}.

A CRD's structural schema is closed first, so that unknown fields are errors, as with the API server's strict field
validation; then its defaults are filled in, and its rules (x-kubernetes-validations, in CEL) evaluated.
"""

import copy
import json
import pathlib
import re
import sys
from urllib.parse import urlparse

import cel
import jsonschema
import kubernetes_validate
import yaml

CORE = {"v1", "apps/v1", "batch/v1", "policy/v1", "networking.k8s.io/v1"}
CORE_VERSION = "1.37"
ANYTHING = "x-kubernetes-preserve-unknown-fields"


def crds(folder: str) -> dict:
    """The schema of each version of each kind."""
    found = {}
    for file in sorted(pathlib.Path(folder).glob("*.yaml")):
        for crd in filter(None, yaml.safe_load_all(file.read_text())):
            spec = crd["spec"]
            for version in spec["versions"]:
                kind = f"{spec['group']}/{version['name']}", spec["names"]["kind"]
                found[kind] = version["schema"]["openAPIV3Schema"]
    return found


def closed(schema: dict) -> dict:
    """An ordinary JSON Schema that says the same, and refuses what it does not know."""
    schema = copy.deepcopy(schema)
    schema["properties"] |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    close(schema, is_root=True)
    return schema


def close(node: dict, is_root: bool = False) -> None:
    if node.pop("x-kubernetes-int-or-string", False):
        node.pop("anyOf", None)
        node["type"] = ["integer", "string"]
    if node.pop("nullable", False) and isinstance(node.get("type"), str):
        node["type"] = [node["type"], "null"]
    for name, child in node.get("properties", {}).items():
        if not (is_root and name == "metadata"):
            close(child)
    for name in ("items", "additionalProperties"):
        if isinstance(node.get(name), dict):
            close(node[name])
    if "properties" in node and not node.get(ANYTHING):
        node.setdefault("additionalProperties", False)


def fill_in(schema: dict, value: object) -> None:
    """The defaults of what is left out, as rules see them."""
    if isinstance(value, dict):
        for name, child in schema.get("properties", {}).items():
            if name not in value and "default" in child:
                value[name] = copy.deepcopy(child["default"])
            if name in value:
                fill_in(child, value[name])
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for element in value:
            fill_in(schema["items"], element)


def is_url(text: str) -> bool:
    """Kubernetes' CEL extension: an absolute URI, or an absolute path."""
    url = urlparse(text)
    return bool(url.scheme) and (bool(url.netloc) or text.startswith("/"))


def holds(rule: str, value: object) -> bool:
    # The one method of the type that Kubernetes adds for URLs, as a function.
    rule = re.sub(r"\burl\(((?:[^()]|\([^()]*\))*)\)\.getScheme\(\)", r"urlScheme(\1)", rule)
    context = cel.Context({"self": value})
    context.add_function("isURL", is_url)
    context.add_function("urlScheme", lambda text: urlparse(text).scheme)
    return cel.evaluate(rule, context) is True


def rules(schema: dict, value: object, place: str, errors: list, unchecked: list) -> None:
    for rule in schema.get("x-kubernetes-validations", []):
        try:
            if not holds(rule["rule"], value):
                errors.append(f"{place or '.'}: {rule.get('message') or rule['rule']}")
        except Exception as error:  # noqa: BLE001: whatever the rule asks for that is not here
            unchecked.append(f"{place or '.'}: {rule['rule']}: {error}")
    if isinstance(value, dict):
        for name, member in value.items():
            child = schema.get("properties", {}).get(name) or schema.get("additionalProperties")
            if isinstance(child, dict):
                rules(child, member, f"{place}.{name}", errors, unchecked)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        keys = schema.get("x-kubernetes-list-map-keys", [])
        if schema.get("x-kubernetes-list-type") == "map":
            ids = [tuple(element.get(key) for key in keys) for element in value]
            if len(set(ids)) < len(ids):
                errors.append(f"{place}: two entries with the same {', '.join(keys)}")
        for index, element in enumerate(value):
            rules(schema["items"], element, f"{place}[{index}]", errors, unchecked)


def by_crd(schema: dict, resource: dict) -> tuple[list, list]:
    resource, unchecked = copy.deepcopy(resource), []
    fill_in(schema, resource)
    validator = jsonschema.Draft202012Validator(closed(schema))
    errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(resource)]
    if not errors:
        rules(schema, resource, "", errors, unchecked)
    return errors, unchecked


def by_core(resource: dict) -> list:
    try:
        kubernetes_validate.validate(resource, CORE_VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{'.'.join(map(str, error.path))}: {error.message}"]
    return []


def main() -> None:
    asked = json.load(sys.stdin)
    known = crds(asked["crds"]) if asked["crds"] else {}
    answers = []
    for resource in asked["resources"]:
        answer = {"by": None, "errors": [], "unchecked": []}
        kind = resource["apiVersion"], resource["kind"]
        if kind in known:
            answer["by"] = "crd"
            answer["errors"], answer["unchecked"] = by_crd(known[kind], resource)
        elif resource["apiVersion"] in CORE:
            answer["by"] = "core"
            answer["errors"] = by_core(resource)
        answers.append(answer)
    json.dump(answers, sys.stdout)


main()
