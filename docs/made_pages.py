"""Pages that the documentation takes from where they live, so that nothing is written twice.

`CONTRIBUTING.md`, `CHANGELOG.md`, every detector's `METHOD.md` with a table of its settings,
the list of methods, the datasets that can be read, and the options of every command.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

import typer

from napari_medad.cli import app
from napari_medad.datasets.facts import facts
from napari_medad.detectors.registry import cards

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

    from napari_medad.detectors.card import Card
    from napari_medad.detectors.settings import Settings

ROOT = Path(__file__).parents[1]
OPTIONS = "<!-- options of every command -->"
DATASETS = "<!-- every dataset -->"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie elsewhere."""
    from mkdocs.structure.files import File

    pages = {
        "contributing.md": (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"),
        "changelog.md": (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
        "methods/index.md": _methods(),
        **{f"methods/{name}.md": _method(card) for name, card in cards().items()},
    }
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in the options of every command, and the datasets that can be read."""
    if DATASETS in markdown:
        markdown = markdown.replace(DATASETS, "\n".join(_datasets()))
    return markdown.replace(OPTIONS, "\n".join(_commands()))


def _datasets() -> Iterator[str]:
    yield "| Layout | Dataset | Truth | Terms |"
    yield "|---|---|---|---|"
    for name, about in sorted(facts().items()):
        what = f"[{about.title}]({about.link}): {about.about}"
        yield f"| `{name}` | {what} | {about.truth} | {about.licence} |"


def _methods() -> str:
    rows = [
        f"| [`{card.name}`]({card.name}.md) | {card.about} | {card.labels} | {card.paper or '-'} |"
        for card in cards().values()
    ]
    head = "# Methods\n\n| Detector | Finds | Training needs | Paper |\n|---|---|---|---|\n"
    return head + "\n".join(rows) + "\n"


def _method(card: Card) -> str:
    """A detector's METHOD.md, its settings, and its training's."""
    home = Path(inspect.getfile(card.settings_type())).parent
    text = (home / "METHOD.md").read_text(encoding="utf-8")
    lines = [text.replace("](../../../docs/", "](../"), "## Settings\n"]
    lines += _settings(card.settings_type())
    if card.recipe_class:
        lines += ["\n## Settings of its training\n", *_settings(card.recipe_type().Options)]
    return "\n".join(lines) + "\n"


def _settings(kind: type[Settings]) -> Iterator[str]:
    if not kind.model_fields:
        yield "It has none."
        return
    yield "| Setting | Default | Allowed | Meaning |\n|---|---|---|---|"
    for name, field in kind.model_fields.items():
        unit = (field.json_schema_extra or {}).get("unit", "")
        meaning = ". ".join(part for part in (field.title, field.description) if part)
        value = ",".join(map(str, field.default)) if _is_list(field) else field.default
        default = "empty" if value == "" else f"`{value}` {unit}".rstrip()
        yield f"| `{name}` | {default} | {_allowed(field)} | {meaning} |"


def _is_list(field: Any) -> bool:
    return get_origin(field.annotation) is tuple


def _allowed(field: Any) -> str:
    """The choices or the range of a setting."""
    if _is_list(field):
        return f"{get_args(field.annotation)[0].__name__}, with commas between"
    if get_origin(field.annotation) is not None and get_args(field.annotation):
        return ", ".join(str(getattr(a, "__name__", a)) for a in get_args(field.annotation))
    signs = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    bounds = [
        f"{word} {getattr(limit, sign)}"
        for limit in field.metadata
        for sign, word in signs.items()
        if hasattr(limit, sign)
    ]
    return ", ".join(bounds) or field.annotation.__name__


def _commands() -> Iterator[str]:
    group = typer.main.get_command(app)
    for name, command in group.commands.items():
        parts = getattr(command, "commands", {"": command})
        for part, leaf in parts.items():
            yield f"### medad {name} {part}".rstrip()
            yield f"\n{leaf.help}\n"
            yield "| Option | Meaning |\n|---|---|" if leaf.params else ""
            yield from (_option(param) for param in leaf.params)
            yield ""


def _option(param: Any) -> str:
    option = max(param.opts, key=len)
    shown = option if option.startswith("-") else param.metavar or option
    needed = " (needed)" if param.required else ""
    return f"| `{shown}`{needed} | {(getattr(param, 'help', '') or '').replace('|', ' or ')} |"
