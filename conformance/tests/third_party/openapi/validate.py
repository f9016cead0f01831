"""Validates the OpenAPI document at the URL that is the argument, by a validator that others wrote."""

import copy
import json
import sys
import urllib.request

from openapi_spec_validator import OpenAPIV31SpecValidator


def mistakes(document):
    return [f"{list(error.absolute_path)}: {error.message}" for error in OpenAPIV31SpecValidator(document).iter_errors()]


with urllib.request.urlopen(sys.argv[1], timeout=20) as answer:
    document = json.load(answer)
for mistake in mistakes(document):
    sys.exit(f"the document is not valid: {mistake}")

# The validator would find what is wrong.
path, item = next(iter(document["paths"].items()))
method, operation = next(iter(item.items()))
for name, value in [("responses", {"200": {}}), ("parameters", [{"name": "x", "in": "body"}]), ("security", {"a": []})]:
    broken = copy.deepcopy(document)
    broken["paths"][path][method][name] = value
    if not mistakes(broken):
        sys.exit(f"the validator took {name} = {value}")
operations = sum(len(item) for item in document["paths"].values())
print(f"OpenAPI {document['openapi']}, {operations} operations")
