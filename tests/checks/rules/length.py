"""Files of at most 600 lines, functions of at most 70. What is longer stands in long.txt and may only shrink."""

import ast
import re
from typing import NamedTuple

from tree import Violation

FILE_LINES = 600
FUNCTION_LINES = 70
LONG = "tests/checks/long.txt"


class Function(NamedTuple):
    name: str
    line: int
    lines: int


def check(tree):
    known, violations = allow_list(tree)
    for path in tree.match("*.h", "*.cc", "*.py", "*.sh", "*.sql", "*.proto", "*.cmake", "*.js", "dev"):
        violations += judge(known, path, 0, path, len(tree.lines(path)), FILE_LINES)
        for function in functions_of(tree, path):
            violations += judge(known, path, function.line, f"{path}:{function.name}", function.lines, FUNCTION_LINES)
    for key, (number, _) in known.items():
        violations.append(Violation(LONG, number, f"{key} is no longer too long, or is gone", "remove this line"))
    return violations


def allow_list(tree):
    """{"path" or "path:function": (line in long.txt, length)}, and what is wrong with the file."""
    known, violations = {}, []
    if tree.exists(LONG):
        for number, line in enumerate(tree.lines(LONG), start=1):
            if line.strip() and not line.startswith("#"):
                match = re.fullmatch(r"(\S+) (\d+)", line)
                if match:
                    known[match[1]] = (number, int(match[2]))
                else:
                    violations.append(Violation(LONG, number, f"cannot read \"{line}\"", "PATH[:FUNCTION] LINES"))
    return known, violations


def judge(known, path, line, key, length, limit):
    """Takes from `known` what is still too long, so that what is left there is out of date."""
    if length <= limit:
        return
    number, listed = known.pop(key, (0, limit))
    name = key.removeprefix(path + ":") if line else "the file"
    if length > listed:
        yield Violation(path, line, f"{name} has {length} lines, the limit is {listed}", "split it by what it does")
    elif length < listed:
        yield Violation(LONG, number, f"{key} has shrunk to {length} lines", f"write {length} here: it may only shrink")


def functions_of(tree, path):
    if path.endswith((".h", ".cc")):
        return cpp_functions(tree.code(path))
    if path.endswith(".py"):
        nodes = ast.walk(ast.parse(tree.text(path)))
        return [Function(node.name, node.lineno, node.end_lineno - node.lineno + 1) for node in nodes
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]  # fmt: skip
    return []


_SCOPE = re.compile(r"^(inline\s+|typedef\s+)*(namespace|class|struct|union|enum|extern|export)\b")


def cpp_functions(code):
    """Functions at namespace and class level, by their braces.

    It relies on clang-format: a brace that opens a body has a space before it, one that initialises a name has none.
    """
    found, scopes = [], []  # scopes: what each open brace is, "scope", "init" or a Function being read
    head, line = "", 1
    code = re.sub(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", lambda m: re.sub(r"[^\n]", " ", m[0]), code, flags=re.MULTILINE)
    for character in code:
        if character == "\n":
            line += 1
        inside = bool(scopes) and scopes[-1] != "scope"
        if character == "{":
            scopes.append("inner" if inside else classify(head, line))
            if scopes[-1] == "scope":
                head = ""
        elif character == "}" and scopes:
            closed = scopes.pop()
            if isinstance(closed, Function):
                found.append(Function(closed.name, closed.line, line - closed.line + 1))
                head = ""
            elif closed == "scope":
                head = ""
        elif not inside:
            head = "" if character == ";" else head + character
    return found


def classify(head, line):
    start = head.lstrip()
    start = re.sub(r"^(template\s*<[^{}]*?>\s*|\[\[.*?\]\]\s*|(public|private|protected)\s*:\s*)*", "", start, flags=re.DOTALL)
    if _SCOPE.match(start) and not re.search(r"\)\s*(const|noexcept|override|final)?\s*$", start):
        return "scope"
    if "(" not in head or not head[-1:].isspace() or re.search(r"[=,({]\s*$|\breturn\s*$", head):
        return "init"
    names = re.search(r"(TEST\w*)\s*\(\s*(\w+)\s*,\s*(\w+)", start)
    name = f"{names[2]}.{names[3]}" if names else (re.search(r"([\w:~]+|operator\W+)\s*\(", start) or [start, start])[1]
    return Function(name.strip(), line - start.count("\n"), 0)
