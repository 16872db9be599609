"""The Report search dock: sentences asked of the scan, past studies found, reports drafted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
from qtpy.QtWidgets import QFormLayout, QMessageBox, QTabWidget, QVBoxLayout, QWidget

from napari_medad.detectors.registry import card
from napari_medad.errors import MedadError
from napari_medad.viewer.layers import add_study, study_of
from napari_medad.viewer.parts.attention_layer import AttentionLayer
from napari_medad.viewer.parts.library_page import SCAN, SENTENCE, SENTENCES, LibraryPage
from napari_medad.viewer.parts.notice import DOCK_WIDTH
from napari_medad.viewer.parts.run_footer import RunFooter
from napari_medad.viewer.parts.sentence_page import SentencePage
from napari_medad.viewer.parts.volume_box import VolumeBox
from napari_medad.viewer.parts.weights_choice import WeightsChoice
from napari_medad.viewer.parts.writing_page import DRAFT, WritingPage
from napari_medad.viewer.scan_look import BRAT, ScanLook
from napari_medad.viewer.session import session_of, unwrapped
from napari_medad.viewer.worker import Work

if TYPE_CHECKING:
    from napari_medad.detectors.brat.detector import BratDetector
    from napari_medad.reports.library import Entry, ReportLibrary
    from napari_medad.reports.scan import EmbeddedScan, ScoredSentence
    from napari_medad.volumes.study import Study

ACTIONS = ("Score the sentences", "Search the library", "Write")
SHOWN = 20
DRAFTED_FROM = 12
"""Sentences that a draft is written from."""


class ReportSearchDock(QWidget):
    """Asks brat about the open scan, and looks for others like it.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    confirm : callable, optional
        Asks a yes-or-no question; default: a message box.
    """

    def __init__(
        self, napari_viewer: napari.Viewer, confirm: Callable[[str], bool] | None = None
    ) -> None:
        super().__init__()
        self.viewer = unwrapped(napari_viewer)
        self.session = session_of(napari_viewer)
        self.confirm = confirm or self._ask
        self.work = Work(self)
        self.map = AttentionLayer(self.viewer)
        self._after: Callable[[Any], None] = lambda answer: None
        self._build()
        self.look = ScanLook(self.viewer, self.session, self.volume_box, self.weights)
        self._connect()
        self.weights.offer(card(BRAT))
        self._offer()

    # Layout ---------------------------------------------------------------------------------

    def _build(self) -> None:
        self.setMinimumWidth(DOCK_WIDTH)
        self.volume_box = VolumeBox(self.viewer, self, colour=False)
        self.weights = WeightsChoice(dict, self)
        self.sentences, self.library = SentencePage(self), LibraryPage(self)
        self.writing, self.footer = WritingPage(self), RunFooter(self)
        self.pages = QTabWidget(self)
        for page, title in (
            (self.sentences, "Sentences"),
            (self.library, "Library"),
            (self.writing, "Write"),
        ):
            self.pages.addTab(page, title)
        form = QFormLayout()
        form.setContentsMargins(9, 9, 9, 0)
        form.addRow("Scan", self.volume_box)
        form.addRow("Weights", self.weights)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self.pages, 1)
        layout.addWidget(self.footer)

    def _connect(self) -> None:
        self.volume_box.currentIndexChanged.connect(self._on_scan)
        self.weights.changed.connect(self._on_scan)
        self.session.weights_changed.connect(self._on_weights)
        self.pages.currentChanged.connect(self._on_page)
        for page in (self.sentences, self.library, self.writing):
            page.changed.connect(self._offer)
        self.sentences.chosen.connect(self._show_map)
        self.library.add_wanted.connect(self.add)
        self.library.rebuild_wanted.connect(self.rebuild)
        self.library.open_wanted.connect(self.open_case)
        self.footer.run_button.clicked.connect(self.run)
        self.footer.follow(self.work)
        self.work.finished.connect(lambda answer: self._after(answer))
        self.work.ended.connect(self._on_ended)

    # Choices --------------------------------------------------------------------------------

    def _reason(self) -> str:
        """Why nothing can run now; empty where it can."""
        if self.volume_box.layer is None:
            return "Open a scan first: File > Open, or drop a file or folder here."
        if self.weights.lacks:
            return "brat has no weights here; add some, or choose untrained to try it."
        page: Any = self.pages.currentWidget()
        drafting = page is self.writing and self.writing.task == DRAFT
        reason = page.reason()
        if drafting and not reason and not len(self.library.library or ()):
            return "A draft is written from a library's sentences: open one under Library."
        return reason

    def _offer(self) -> None:
        self.footer.run_button.setText(ACTIONS[self.pages.currentIndex()])
        if not self.work.running:
            self.footer.offer(self._reason())

    def _on_page(self) -> None:
        self.footer.say("")
        self._offer()

    def _on_scan(self) -> None:
        """What was found is of another scan or of other weights now."""
        if self.look.outdated():
            self.sentences.clear()
            self.writing.show_draft(None)
            self.library.list_cases()
            self.footer.say("")
        self._offer()

    def _on_weights(self, name: str) -> None:
        if name == BRAT:
            self.weights.offer(card(BRAT))

    # Running --------------------------------------------------------------------------------

    def run(self) -> None:
        """Do what the page in front is for."""
        page, reason = self.pages.currentWidget(), self._reason()
        if reason:
            self.footer.say(reason, "error")
            return
        try:
            if page is self.sentences:
                self._score(self.sentences.sentences())
            elif page is self.library:
                self._search()
            else:
                self._write()
        except MedadError as error:
            self.footer.say(str(error), "error")

    def _score(self, asked: list[str]) -> None:
        def work(report: Callable[[Any], str | None]) -> tuple[EmbeddedScan, Any]:
            scan = look(report)
            return scan, scan.ask(asked)

        def done(answer: tuple[EmbeddedScan, list[ScoredSentence]]) -> None:
            scan, found = self.look.keep(key, answer[0]), answer[1]
            self.sentences.show_found(scan, found)
            best = max(s.score for s in found)
            self._say(f"{_counted(len(found), 'sentence')} scored, the best {best:.3f}.", scan)

        look, key = self.look.prepare(), self.look.key()
        self._start("Looking at the scan …", work, done)

    def _search(self) -> None:
        from napari_medad.reports import search
        from napari_medad.reports.cases import sentence_text

        held, kind = self.library.library, self.library.kind
        sentence = self.library.sentence_edit.text().strip()
        assert held is not None

        def work(report: Callable[[Any], str | None]) -> tuple[EmbeddedScan, Any]:
            scan = look(report)
            self.library.check(scan.origin)
            views = scan.embedding.views
            if kind == SENTENCES:
                lines = search.sentences_for(held, views, SHOWN)
                return scan, [(m.entry, f"{m.score:.3f}", sentence_text(m)) for m in lines]
            if kind == SENTENCE:
                feature = scan.detector.embed_sentences([sentence])[0]
                cases = search.by_sentence(held, feature, SHOWN)
            else:
                looking = search.by_scan if kind == SCAN else search.reports_for
                cases = looking(held, views, SHOWN)
            return scan, [(m.entry, f"{m.score:.3f}", m.entry.name) for m in cases]

        def done(answer: tuple[EmbeddedScan, Any]) -> None:
            scan = self.look.keep(key, answer[0])
            self.library.show_found(answer[1])
            self._say(f"{len(answer[1])} found among {_counted(len(held), 'case')}.", scan)

        look, key = self.look.prepare(), self.look.key()
        self._start("Searching …", work, done)

    def _write(self) -> None:
        from napari_medad.reports.cases import ranked_sentences
        from napari_medad.reports.draft import Draft, draft_report
        from napari_medad.reports.language_model import LocalLanguageModel
        from napari_medad.reports.questions import answers_of

        folder, report_text = self.writing.folder, self.writing.report_edit.toPlainText()
        held, look, key = self.library.library, self.look.prepare(), self.look.key()

        def draft(report: Callable[[Any], str | None]) -> tuple[EmbeddedScan, Draft]:
            scan = look(report)
            assert held is not None
            self.library.check(scan.origin)
            ranked = ranked_sentences(held, scan.embedding.views, DRAFTED_FROM)
            model, name = LocalLanguageModel(folder), scan.study.name
            untrained = scan.origin.untrained
            return scan, draft_report(name, ranked, model, untrained=untrained, progress=report)

        def answers(report: Callable[[Any], str | None]) -> tuple[Any, str]:
            model = LocalLanguageModel(folder)
            return answers_of(report_text, model, progress=report), model.name

        def drafted(answer: tuple[EmbeddedScan, Draft]) -> None:
            scan = self.look.keep(key, answer[0])
            self.writing.show_draft(answer[1])
            self._say("A draft is written; check every word before anyone uses it.", scan)

        def answered(answer: tuple[Any, str]) -> None:
            self.writing.show_answers(*answer)
            good = sum(a.standing == "answered" for a in answer[0])
            self.footer.say(f"{good} of {len(answer[0])} questions answered; check them.")

        if self.writing.task == DRAFT:
            self._start("Reading the language model …", draft, drafted)
        else:
            self._start("Reading the language model …", answers, answered)

    # The library ----------------------------------------------------------------------------

    def add(self, path: Path | None, many: bool) -> None:
        """Add the open scan with its report, or the cases of a table."""
        from napari_medad.reports.cases import StudyWithReport, cases_of, embed_cases

        if path is None and not self.confirm("Add this scan without a report?"):
            return
        keep, target = self.library.keep_box.isChecked(), self.library.path
        begun = self.library.library is None
        try:
            cases = cases_of(path) if many and path else [StudyWithReport(self._source(), path)]
        except MedadError as error:
            self.footer.say(str(error), "error")
            return

        def work(brat: BratDetector, report: Any) -> tuple[ReportLibrary, str]:
            from napari_medad.reports.cases import origin_of
            from napari_medad.reports.library import ReportLibrary

            assert target is not None
            held = ReportLibrary(origin_of(brat)) if begun else ReportLibrary.open(target)
            held.check(origin_of(brat), target.name)
            done, skipped = embed_cases(brat, cases, keep_sentences=keep, progress=report)
            held.add(done)
            held.save(target)
            left = f" Left out: {skipped[0]}" if skipped else ""
            return held, f"{_counted(len(done), 'case')} added.{left}"

        self._change_library("Embedding …", work)

    def rebuild(self) -> None:
        """Embed every case of the library anew, after asking."""
        from napari_medad.reports.cases import rebuild
        from napari_medad.reports.library import ReportLibrary

        target, held = self.library.path, self.library.library
        if target is None or held is None:
            return
        gone = sum(not Path(entry.study).exists() for entry in held.entries)
        question = "Embed every case of the library anew with the weights that are chosen?"
        if gone:
            question += f" {_counted(gone, 'scan')} can no longer be found and will be left out."
        if not self.confirm(question):
            return

        def work(brat: BratDetector, report: Any) -> tuple[ReportLibrary, str]:
            fresh, _ = rebuild(
                ReportLibrary.open(target), brat, drop_missing=bool(gone), progress=report
            )
            fresh.save(target)
            return fresh, f"{_counted(len(fresh), 'case')} embedded anew."

        self._change_library("Embedding …", work)

    def _change_library(self, text: str, work: Callable[[BratDetector, Any], Any]) -> None:
        loaded = self.look.loader()

        def done(answer: tuple[ReportLibrary, str]) -> None:
            self.library.keep(answer[0])
            self.footer.say(answer[1], "good")

        self._start(text, lambda report: work(loaded(), report), done)

    def _source(self) -> Path:
        """Where the open scan was read from.

        Raises
        ------
        MedadError
            If it is in no file.
        """
        assert self.volume_box.layer is not None
        study, name = study_of(self.viewer, self.volume_box.layer)
        source = study.volumes[name].source
        path = study.path or (source.path if source is not None else None)
        if path is None:
            raise MedadError(
                "This scan is in no file, so a library could not open it again; save it first."
            )
        return path

    def open_case(self, entry: Entry) -> None:
        """Show a found case's scan beside what is open."""
        from napari_medad.volumes.reader import read_study

        def done(study: Study) -> None:
            self.volume_box.pick(self.volume_box.layer)  # else it would follow the new scan
            add_study(self.viewer, study)
            self.footer.say(f"{study.name} is open; the searched scan stays chosen above.", "good")

        self._start(f"Opening {entry.name} …", lambda report: read_study(entry.study), done)

    # In common ------------------------------------------------------------------------------

    def _show_map(self, sentence: ScoredSentence, view: int) -> None:
        if self.look.scan is not None:
            self.map.show(self.look.scan, sentence, view)

    def _say(self, text: str, scan: EmbeddedScan) -> None:
        if scan.origin.untrained:
            self.footer.say(f"UNTRAINED: random weights; this means nothing. {text}", "error")
        else:
            self.footer.say(text, "good")

    def _start(self, text: str, work: Callable[..., Any], done: Callable[[Any], None]) -> None:
        if self.work.running:
            return
        self._after = done
        self.pages.setEnabled(False)
        self.footer.begin(text)
        self.work.start(work)

    def _on_ended(self) -> None:
        self.pages.setEnabled(True)
        self.footer.end(ready=not self._reason())

    def _ask(self, question: str) -> bool:
        answer = QMessageBox.question(self, "MedAD", question)
        return answer == QMessageBox.StandardButton.Yes

    def closeEvent(self, event: Any) -> None:
        """Stop what runs."""
        self.work.cancel()
        self.work.wait(2)
        super().closeEvent(event)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
