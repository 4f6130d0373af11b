"""Checks the subject of a commit message: `check_commit_message.py FILE`, for `commit-msg`.

Exit status 1, with the reason on standard error, if the subject is missing, longer than 72
characters, ends with a period, or is not followed by an empty line.
"""

import sys
from pathlib import Path

MOST_CHARACTERS = 72


def problem(message: str) -> str | None:
    """Returns the violated rule, or None. Lines that begin with `#` are comments."""
    lines = [line.rstrip() for line in message.splitlines() if not line.startswith("#")]
    while lines and not lines[0]:
        lines.pop(0)
    if not lines:
        return "the commit message is empty"
    subject = lines[0]
    if len(subject) > MOST_CHARACTERS:
        return f"the subject has {len(subject)} characters; at most {MOST_CHARACTERS} are allowed"
    if subject.endswith("."):
        return "the subject ends with a period; leave it out"
    if len(lines) > 1 and lines[1]:
        return "the second line must be empty; write the body from the third line on"
    return None


def main() -> None:
    """Check the file that Git passes as the only argument."""
    found = problem(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if found is not None:
        sys.exit(f"commit message rejected: {found}")


if __name__ == "__main__":
    main()
