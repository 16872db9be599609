"""AnoVL's domain-aware prompts: 22 sentences in three domains each."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files

import yaml

from napari_medad.backbones.clip.prompts import Ensemble

DOMAIN = "industrial"


def ensemble(domain: str = DOMAIN) -> Ensemble:
    """States, and 66 templates that speak of a domain."""
    package = __package__ or ""
    bare = Ensemble.read(package)
    held = yaml.safe_load((files(package) / "prompts.yaml").read_text(encoding="utf-8"))
    return replace(
        bare,
        templates=tuple(
            _filled(template, word, medium)
            for word, medium in held["domains"][domain]
            for template in bare.templates
        ),
    )


def _filled(template: str, domain: str, medium: str) -> str:
    article = "an" if domain[0] in "aeiou" else "a"
    for name, word in (("{a}", article), ("{domain}", domain), ("{medium}", medium)):
        template = template.replace(name, word)
    return template
