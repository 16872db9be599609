"""Studies and their reports on disk, embedded for a library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_medad.errors import MedadError
from napari_medad.inference.progress import Callback, Reporter
from napari_medad.reports.library import EmbeddedCase, Entry, Origin, ReportLibrary
from napari_medad.reports.search import SentenceMatch, sentences_for
from napari_medad.training.manifest import manifest_rows
from napari_medad.volumes.reader import case_name, read_study

if TYPE_CHECKING:
    from napari_medad.detectors.brat.detector import BratDetector


@dataclass(frozen=True)
class StudyWithReport:
    """One case on disk.

    Attributes
    ----------
    study : Path
        Whatever `read_study` reads.
    report : Path or None
        A text file; None where there is no report, or the text is given.
    text : str
        The report itself, where it is in no file of its own.
    """

    study: Path
    report: Path | None = None
    text: str = ""


def origin_of(detector: BratDetector) -> Origin:
    """Which weights a detector embeds with."""
    weights = detector.weights
    return Origin(fingerprint=detector.fingerprint, name=weights.name, state=weights.state)


def sentences_in(report: str) -> list[str]:
    """The sentences of a report's text.

    Raises
    ------
    MedadError
        If it has none.
    """
    from napari_medad.detectors.brat.text import sentences_of

    return sentences_of(report)


def read_report(path: Path) -> str:
    """The text of a report.

    Raises
    ------
    MedadError
        If the file cannot be read as text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise MedadError(
            f"The report {path} cannot be read ({error}); give a text file in UTF-8."
        ) from None


def sentences_of_entry(entry: Entry) -> list[str]:
    """The sentences of a library's case: kept ones, or those of its report's file.

    Only the first `entry.count` were embedded.

    Raises
    ------
    MedadError
        If the file is no longer there, or holds other sentences than when it was added.
    """
    if entry.sentences:
        return list(entry.sentences)
    if entry.report is None:
        return []
    found = sentences_in(read_report(Path(entry.report)))
    if len(found) < entry.count:
        raise MedadError(
            f"The report {entry.report} has changed since it was added; rebuild the library."
        )
    return found[: entry.count]


def sentence_text(match: SentenceMatch) -> str:
    """The words of a found sentence; where they cannot be read, why."""
    try:
        held = sentences_of_entry(match.entry)
    except MedadError as error:
        return f"({error})"
    return held[match.number] if match.number < len(held) else "(its words were not kept)"


def ranked_sentences(
    library: ReportLibrary, views: np.ndarray, count: int
) -> list[tuple[str, float]]:
    """Different sentences of the library's reports that fit a scan best, with their scores.

    Parameters
    ----------
    library : ReportLibrary
    views : ndarray [q, d] float32
    count : int
        Sentences wanted. Those whose words can no longer be read are left out.
    """
    found: dict[str, float] = {}
    texts: dict[str, list[str]] = {}
    for match in sentences_for(library, views, 4 * count):
        if match.entry.name not in texts:
            try:
                texts[match.entry.name] = sentences_of_entry(match.entry)
            except MedadError:
                texts[match.entry.name] = []
        held = texts[match.entry.name]
        if match.number < len(held):
            found.setdefault(held[match.number], match.score)
    return list(found.items())[:count]


def cases_of(manifest: str | Path) -> list[StudyWithReport]:
    """The cases of a CSV or JSON manifest: `image`, and `report` as a file or as its text.

    Paths are relative to the manifest; other columns are ignored.

    Raises
    ------
    MedadError
        Names the row and what is wrong.
    """
    path = Path(manifest).expanduser()
    found = []
    for where, row in manifest_rows(path):
        image, report = (str(row.get(key) or "").strip() for key in ("image", "report"))
        if not image:
            raise MedadError(f"{where} names no image; fill in its 'image' or delete the row.")
        study, file = path.parent / image, _file(path.parent, report)
        if not study.exists():
            raise MedadError(f"{where} names the image {image}, which is not there; correct it.")
        if file is None and report.endswith(".txt") and len(report.split()) == 1:
            raise MedadError(f"{where} names the report {report}, which is not there; correct it.")
        found.append(StudyWithReport(study, file, "" if file else report))
    if not found:
        raise MedadError(f"{path} holds no case; write one row for each scan.")
    return found


def embed_cases(
    detector: BratDetector,
    cases: Sequence[StudyWithReport],
    *,
    keep_sentences: bool = False,
    progress: Callback | None = None,
) -> tuple[list[EmbeddedCase], list[str]]:
    """Embed cases; those that cannot be read or lack sentences are told and left out.

    Parameters
    ----------
    detector : BratDetector
    cases : sequence of StudyWithReport
    keep_sentences : bool
        Store the reports' words in the library: they may name patients. Without, only the
        paths are stored and words are read from the reports when they are shown.
    progress : callable, optional
        Takes a `Progress` after every study; answers "stop" to cancel.

    Returns
    -------
    cases : list of EmbeddedCase
    skipped : list of str
        One sentence each.

    Raises
    ------
    MedadError
        If a report is in no file of its own although words are not to be kept, or no case
        could be embedded.
    """
    if not keep_sentences and any(case.text for case in cases):
        raise MedadError(
            "A library keeps no words of reports unless asked to, but these reports are in no "
            "files of their own; name text files, or ask to keep the sentences (--keep-sentences)."
        )
    done, skipped = [], []
    reporter = Reporter(progress, len(cases), "studies")
    reporter(0)
    for number, case in enumerate(cases, 1):
        try:
            done.append(_embed(detector, case, keep_sentences))
        except MedadError as error:
            skipped.append(str(error))
        reporter(number)
    if not done:
        raise MedadError(skipped[0])
    return done, skipped


def rebuild(
    library: ReportLibrary,
    detector: BratDetector,
    *,
    drop_missing: bool = False,
    progress: Callback | None = None,
) -> tuple[ReportLibrary, list[str]]:
    """The same cases embedded anew with the loaded weights, from their files.

    Parameters
    ----------
    library : ReportLibrary
    detector : BratDetector
    drop_missing : bool
        Leave out cases that can no longer be read.
    progress : callable, optional
        Takes a `Progress` after every study; answers "stop" to cancel.

    Returns
    -------
    library : ReportLibrary
        A new one; the old one is as it was.
    lost : list of str
        Cases that could not be read any more, one sentence each.

    Raises
    ------
    MedadError
        If no case could be read, or one could not and is not to be left out.
    """
    fresh = ReportLibrary(origin_of(detector))
    lost: list[str] = []
    kept = any(entry.sentences for entry in library.entries)
    cases = [
        StudyWithReport(
            Path(e.study), Path(e.report) if e.report else None,
            "" if e.report else "\n".join(e.sentences),
        )
        for e in library.entries
    ]  # fmt: skip
    if cases:
        embedded, lost = embed_cases(detector, cases, keep_sentences=kept, progress=progress)
        if lost and not drop_missing:
            raise MedadError(
                f"{len(lost)} of {len(cases)} cases can no longer be read ({lost[0].rstrip('.')}); "
                "the library stays as it was. Bring their files back, or leave them out "
                "(--drop-missing)."
            )
        fresh.add(embedded)
    return fresh, lost


def _embed(detector: BratDetector, case: StudyWithReport, keep: bool) -> EmbeddedCase:
    text = read_report(case.report) if case.report is not None else case.text
    sentences = sentences_in(text) if text or case.report is not None else []
    views = detector.embed(read_study(case.study)).views
    features = np.zeros((0, views.shape[1]), np.float32)
    if sentences:
        features = detector.embed_sentences(sentences, together=True)
    sentences = sentences[: len(features)]
    entry = Entry(
        name=case_name(case.study),
        study=str(case.study.resolve()),
        report=None if case.report is None else str(case.report.resolve()),
        count=len(sentences),
        sentences=tuple(sentences) if keep else (),
    )
    return EmbeddedCase(entry, views, features)


def _file(home: Path, text: str) -> Path | None:
    """The file that a cell names, if it names one."""
    try:
        path = home / text
        return path if text and path.is_file() else None
    except OSError:  # a whole report is no file name
        return None
