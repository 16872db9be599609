"""Drafts that never lose their mark, and answers that are never made up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_medad.errors import MedadError
from napari_medad.reports.draft import MARK, MARK_END, UNTRAINED, body_of, draft_report
from napari_medad.reports.questions import answers_of, parse_answers, questions

RANKED = [("Ring-enhancing lesion in the left parietal lobe.", 0.61), ("No shift {x}.", 0.2)]


def test_a_draft_is_marked_in_text_and_file(scripted, tmp_path: Path) -> None:
    model = scripted("There is a ring-enhancing lesion.")
    draft = draft_report("case/1", RANKED, model)
    assert "- Ring-enhancing lesion in the left parietal lobe. (0.61)" in model.prompts[0]
    assert "No shift {x}. (0.20)" in model.prompts[0]
    lines = draft.text.splitlines()
    assert lines[0].startswith(MARK)
    assert "'scripted'" in lines[0]
    assert lines[-1] == MARK_END
    path = draft.save(tmp_path)
    assert path == tmp_path / "case_1_draft.txt"
    assert path.read_text(encoding="utf-8") == draft.text
    assert UNTRAINED not in draft.text
    assert body_of(draft.text) == draft.body
    assert body_of(draft.body) == draft.body


def test_a_draft_of_random_weights_says_so(scripted) -> None:
    assert UNTRAINED in draft_report("c", RANKED, scripted("x"), untrained=True).text


def test_a_draft_cannot_leave_its_folder(scripted, tmp_path: Path) -> None:
    path = draft_report("../../etc/x", RANKED, scripted("x")).save(tmp_path)
    assert path.parent == tmp_path


def test_nothing_to_draft_from_or_with_is_one_sentence(scripted) -> None:
    with pytest.raises(MedadError, match="no sentence to draft from"):
        draft_report("c", [], scripted("x"))
    with pytest.raises(MedadError, match="wrote nothing"):
        draft_report("c", RANKED, scripted(""))


def test_the_papers_questions_are_complete() -> None:
    asked = questions()
    assert len(asked) == 15
    by_name = {q.name: q for q in asked}
    assert by_name["biggest mass"].answers[1:] == ("Less than 1cm", "1 to 2cm", "More than 2cm")
    assert by_name["pituitary gland normal"].default == "Yes"
    assert sum(bool(q.positive) for q in asked) == 10


def test_answers_are_read_by_number_name_or_question(scripted) -> None:
    told = {
        "1": "Yes",
        "What kind of surgery was performed?": "left frontal craniotomy; RIGHT frontal craniotomy",
        "enhancing lesions": "yes",
        "5": "Less than 1 cm",
        "6": "Left; Right",
        "7": ["Cerebellum", "brainstem"],
        "8": "Between 2 and 6",
        "15": "Nowhere; ventricles",
    }
    model = scripted(f"Sure {{here}} it is:\n```json\n{json.dumps(told)}\n```")
    found = {a.question.name: a for a in answers_of("Some report.", model)}
    assert "Brain MRI report: Some report." in model.prompts[0]
    assert "5. What is the length of the biggest mass lesion? (NA / Less than" in model.prompts[0]
    assert found["prior surgery"].values == ("Yes",)
    assert found["prior surgery"].finding
    assert found["kind of surgery"].values == (
        "left frontal craniotomy",
        "right frontal craniotomy",
    )
    assert found["locations"].values == ("Cerebellum", "brainstem")
    assert found["lesion count"].values == ("Between 2 and 6",)
    # in other words, two where one is allowed, and a default beside another
    for name in ("biggest mass", "side", "invasion or compression"):
        assert found[name].standing == "not understood"
        assert found[name].values == ()
        assert found[name].said
    assert found["sella"].standing == "missing"


@pytest.mark.parametrize("told", ["", "I cannot help.", "{not json", "[1, 2]", '{"1": null}'])
def test_no_answer_is_made_up(told: str) -> None:
    assert {a.standing for a in parse_answers(told, questions())} == {"missing"}


def test_questions_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("[{name: a, question: 'b?', answers: [x, y], default: x}]")
    assert questions(file)[0].question == "b?"
    for wrong in ("[{name: a, question: 'b?', answers: [x], default: z}]", "7", "[{name: a}]", "{"):
        file.write_text(wrong)
        with pytest.raises(MedadError, match="is no list of questions"):
            questions(file)
    file.write_text("[]")
    with pytest.raises(MedadError, match="holds no question"):
        questions(file)


def test_an_empty_report_is_one_sentence(scripted) -> None:
    with pytest.raises(MedadError, match="The report is empty"):
        answers_of("  \n", scripted("{}"))
