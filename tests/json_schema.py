"""Holds documents against a JSON Schema. Standard input: {"schema": {...}, "documents": [...]}. Standard output: for each
document, what is wrong with it, each with its place."""

import json
import sys

import jsonschema

asked = json.load(sys.stdin)
jsonschema.Draft202012Validator.check_schema(asked["schema"])
validator = jsonschema.Draft202012Validator(asked["schema"])


def leaves(error):
    """The innermost errors: what a choice between several schemas failed of."""
    return [leaf for inner in error.context for leaf in leaves(inner)] or [error]


def told(document):
    found = [leaf for error in validator.iter_errors(document) for leaf in leaves(error)]
    return [f"{error.json_path}: {error.message}" for error in found]


json.dump([told(document) for document in asked["documents"]], sys.stdout)
