"""The OpenAPI file parses, and each of its references resolves."""

from tree import Violation

FILE = "openapi/boxoffice.yaml"


def check(tree):
    try:
        import yaml
    except ImportError:
        return [Violation(FILE, 0, "python3-yaml is not installed", "./dev deps test")]
    if not tree.exists(FILE):
        return [Violation(FILE, 0, "does not exist", "write the public REST contract there")]
    try:
        document = yaml.safe_load(tree.text(FILE))
    except yaml.YAMLError as error:
        line = error.problem_mark.line + 1 if getattr(error, "problem_mark", None) else 0
        return [Violation(FILE, line, f"is not YAML: {getattr(error, 'problem', error)}", "correct it")]
    violations = []
    if not str((document or {}).get("openapi", "")).startswith("3.1"):
        violations.append(Violation(FILE, 1, "is not OpenAPI 3.1", "openapi: 3.1.0"))
    for reference in sorted(set(references(document))):
        if not resolves(document, reference):
            violations.append(Violation(FILE, line_of(tree, reference), f"$ref {reference} leads nowhere",
                                        "define it, or correct the reference"))
    return violations


def references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from references(child)


def resolves(document, reference):
    """Only references into the file itself: the server serves it as one."""
    if not reference.startswith("#/"):
        return False
    node = document
    for part in reference[2:].split("/"):
        part = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(node, dict) or part not in node:
            return False
        node = node[part]
    return True


def line_of(tree, reference):
    return next((number for number, line in enumerate(tree.lines(FILE), start=1) if reference in line), 0)
