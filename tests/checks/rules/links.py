"""Every relative link in a Markdown file leads to a file or folder of the tree, and to a heading where it names one."""

import posixpath
import re

from tree import Violation

LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
ELSEWHERE = re.compile(r"^[a-z][a-z0-9+.-]*:|^//")


def prose(text):
    """The text with code blanked: what stands there is no link."""
    text = re.sub(r"^( *)(```|~~~).*?^\1\2", lambda block: re.sub(r"[^\n]", " ", block[0]), text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", lambda code: " " * len(code[0]) if "](" in code[0] else code[0], text)


def anchors(text):
    """As GitHub makes them of headings."""
    found = set()
    for heading in re.findall(r"^#{1,6}\s+(.*?)\s*#*\s*$", prose(text), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found.add(next(name for number in range(1000) if (name := f"{slug}-{number}" if number else slug) not in found))
    return found | set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text))


def check(tree):
    violations, known = [], {}
    for path in tree.match("*.md"):
        for number, line in enumerate(prose(tree.text(path)).splitlines(), start=1):
            for target in LINK.findall(line):
                if ELSEWHERE.match(target):
                    continue
                file, _, anchor = target.partition("#")
                there = posixpath.normpath(posixpath.join(posixpath.dirname(path), file)) if file else path
                if there != "." and not tree.exists(there):
                    violations.append(Violation(path, number, f"links to {target}, which is not there", "correct or remove the link"))
                elif anchor and there.endswith(".md"):
                    if there not in known:
                        known[there] = anchors(tree.text(there))
                    if anchor not in known[there]:
                        violations.append(Violation(path, number, f"links to a heading that {there} does not have: #{anchor}",
                                                    "name one that it has"))  # fmt: skip
    return violations
