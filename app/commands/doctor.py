"""The `sima doctor` command: what is wrong with an installation, and the remedy."""

from dataclasses import asdict
from typing import Annotated

import typer

from app.commands.output import AsJson, exit_on_error, print_json
from app.doctor.checkup import Repairs, examine, repair
from app.doctor.findings import Finding
from app.settings import Settings


def doctor(
    mend: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Repair permissions, invalid metadata (the originals are kept in a file), "
            "unencrypted snapshots and stale indexes.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Examine the installation and name the remedy of every problem; exit status 1 if there is one.

    Without --repair, nothing is changed. The service may be running.
    """
    with exit_on_error():
        settings = Settings()
        repairs = repair(settings) if mend else Repairs([], None)
        findings = examine(settings)
    if as_json:
        print_json(
            {
                "findings": [asdict(finding) for finding in findings],
                "repairs": repairs.changes,
                "originals": repairs.originals and str(repairs.originals),
            }
        )
    else:
        _print(findings, repairs)
    raise typer.Exit(1 if any(one.level == "problem" for one in findings) else 0)


def _print(findings: list[Finding], repairs: Repairs) -> None:
    for change in repairs.changes:
        _print_line("repaired", change)
    if repairs.originals is not None:
        _print_line(
            "repaired",
            f"the original metadata is in {repairs.originals}; delete this file when you no "
            "longer need it, since the deletion of a person does not change it",
        )
    for one in findings:
        remedy = f"; {one.remedy}" if one.remedy else ""
        _print_line(one.level, f"{one.subject}: {one.text}{remedy}")


def _print_line(label: str, text: str) -> None:
    """Prints one line; names of metadata fields may contain escape sequences of terminals."""
    printable = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    typer.echo(f"{label:9}{printable}")
