"""The authors' own code on given pictures, one after the other, as their test scripts run it.

A process of its own, started by `zeroshot.py`, since two of the four bring an `open_clip` of
their own. It reads the weights and pictures that it is given, reads the prompts, and then, for
each line on its standard input, judges all pictures and answers with the seconds that took. None
of the authors' code is here: it is imported from the folder that the user names.
"""

from __future__ import annotations

import sys
import time
import types
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import packaging.version
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from torch import Tensor

Judge = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Map [s, s] and score [] of a picture [1, 3, s, s]."""
Given = dict[str, Any]
FOLDERS = {
    "anomalyclip": "AnomalyCLIP",
    "vand": "VAND-APRIL-GAN",
    "anovl": "AnoVL",
    "adaclip": "AdaCLIP",
}


def anomalyclip(given: Given) -> tuple[Tensor, Judge]:
    """`test.py` of AnomalyCLIP."""
    import AnomalyCLIP_lib
    from AnomalyCLIP_lib.AnomalyCLIP import AnomalyCLIP
    from prompt_ensemble import AnomalyCLIP_PromptLearner

    vision, words, own = given["vision"], given["text"], given["adapters"]
    depth, length = own["deep"].shape[:2]
    design = {
        "Prompt_length": len(own["normal"]),
        "learnabel_text_embedding_depth": depth + 1,
        "learnabel_text_embedding_length": length,
    }
    model = AnomalyCLIP(
        given["joint"],
        vision["image_size"],
        vision["layers"],
        vision["width"],
        vision["patch_size"],
        words["context_length"],
        words["vocab_size"],
        words["width"],
        words["heads"],
        words["layers"],
        design_details=design,
    )
    model.load_state_dict(given["clip"])
    model.eval()
    learner = AnomalyCLIP_PromptLearner(model, design)
    learner.ctx_pos.data.copy_(own["normal"][None, None])
    learner.ctx_neg.data.copy_(own["abnormal"][None, None])
    for theirs, ours in zip(learner.compound_prompts_text, own["deep"]):
        theirs.data.copy_(ours)
    model.visual.DAPM_replace(DPAM_layer=20)
    text = model.encode_text_learn(*learner(cls_id=None)).float()
    text = torch.stack(torch.chunk(text, dim=0, chunks=2), dim=1)
    text = text / text.norm(dim=-1, keepdim=True)

    def judge(picture: Tensor) -> tuple[Tensor, Tensor]:
        feature, (patches,) = model.encode_image(picture, [vision["layers"]], DPAM_layer=20)
        feature = feature / feature.norm(dim=-1, keepdim=True)
        score = (feature @ text.permute(0, 2, 1) / 0.07).softmax(-1)[0, 0, 1]
        patches = patches / patches.norm(dim=-1, keepdim=True)
        similarity, _ = AnomalyCLIP_lib.compute_similarity(patches, text[0])
        both = AnomalyCLIP_lib.get_similarity_map(similarity[:, 1:, :], picture.shape[-1])
        anomaly = (both[..., 1] + 1 - both[..., 0]) / 2
        return torch.from_numpy(gaussian_filter(anomaly[0], sigma=4)), score

    return text[0], judge


def vand(given: Given) -> tuple[Tensor, Judge]:
    """`test.py` of VAND (APRIL-GAN) in its mode `zero_shot`."""
    from model import LinearLayer
    from prompt_ensemble import encode_text_with_prompt_ensemble

    model, tokenize = _their_open_clip(given)
    width, joint, depth = given["vision"]["width"], given["joint"], given["vision"]["layers"]
    layers = [depth // 4, depth // 2, 3 * depth // 4, depth]
    linear = LinearLayer(width, joint, len(layers), "ViT")
    linear.load_state_dict(given["adapters"])
    text = encode_text_with_prompt_ensemble(model, [given["object"]], tokenize, "cpu")
    text = text[given["object"]]

    def judge(picture: Tensor) -> tuple[Tensor, Tensor]:
        feature, patches = model.encode_image(picture, layers)
        feature = feature / feature.norm(dim=-1, keepdim=True)
        score = (100.0 * feature @ text).softmax(-1)[0, 1]
        maps = []
        for tokens in linear(patches):
            similar = 100.0 * tokens / tokens.norm(dim=-1, keepdim=True) @ text
            side = int(similar.shape[1] ** 0.5)
            squares = similar.permute(0, 2, 1).view(1, 2, side, side)
            size = picture.shape[-1]
            squares = F.interpolate(squares, size=size, mode="bilinear", align_corners=True)
            maps.append(squares.softmax(1)[:, 1].numpy())
        return torch.from_numpy(np.sum(maps, axis=0))[0], score

    return text.T, judge


def anovl(given: Given) -> tuple[Tensor, Judge]:
    """`vl_test.py` of AnoVL, from the given start of the adapter and the given noise."""
    from model import LinearLayer, TextAdapter
    from prompt_ensemble import encode_text_with_prompt_ensemble
    from utils import aug
    from vl_test import loss_func

    model, tokenize = _their_open_clip(given)
    width, joint, depth = given["vision"]["width"], given["joint"], given["vision"]["layers"]
    layers, word = [depth // 4, depth // 2, 3 * depth // 4, depth], given["object"]
    linear = LinearLayer(width, joint, len(layers), "ViT", model)
    texts, sentences = encode_text_with_prompt_ensemble(model, [word], tokenize, "cpu")
    text, adapter = texts[word], TextAdapter(sentences[word])
    optimiser = torch.optim.AdamW(adapter.parameters(), 1e-3)
    drawn = torch.normal

    def judge(picture: Tensor) -> tuple[Tensor, Tensor]:
        views = aug(picture)
        optimiser.state.clear()  # theirs goes on from slice to slice; ours judges each by itself
        adapter.ad.weight.data.copy_(given["weight"])
        adapter.ad.bias.data.copy_(given["bias"])
        feature, _ = model.encode_image(views, layers)
        feature = feature / feature.norm(dim=-1, keepdim=True)
        score = (feature @ text).softmax(-1)[:, 0, 1].mean()
        _, patches = model.encode_image(picture, layers)
        tokens = linear(patches)[6]
        side = int(tokens.shape[1] ** 0.5)
        tokens, noise = tokens.view(1, side, side, -1), iter(given["noise"])
        torch.normal = lambda *_: next(noise).view(tokens.shape)  # type: ignore[assignment]
        for _ in given["noise"]:
            with torch.inference_mode(False), torch.enable_grad():
                moved = adapter(tokens.clone())
                moved = moved / moved.norm(dim=-1, keepdim=True)
                loss = loss_func((moved @ text.clone()[None]).softmax(-1))
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        torch.normal = drawn
        tokens = adapter(tokens, is_test=True)
        tokens = tokens / tokens.norm(dim=-1, keepdim=True)
        abnormal = (tokens @ text[None]).softmax(-1)[..., 1].unsqueeze(1)
        abnormal = F.pad(abnormal, (1, 1, 1, 1), "replicate")
        abnormal = F.avg_pool2d(abnormal, 3, stride=1, count_include_pad=False)
        size = picture.shape[-1]
        anomaly = F.interpolate(abnormal, size=size, mode="bilinear", align_corners=True)
        return anomaly[0, 0], score

    return text.T, judge


def adaclip(given: Given) -> tuple[Tensor, Judge]:
    """`test.py` of AdaCLIP, which makes prompts for every picture; clusters from a fixed seed."""
    import sklearn.cluster
    from method.adaclip import AdaCLIP
    from method.clip_model import CLIP, resize_pos_embed

    size, depth = given["pictures"].shape[-1], given["vision"]["layers"]
    layers = [depth // 4, depth // 2, 3 * depth // 4, depth]
    clip = _loaded(CLIP, resize_pos_embed, given)
    own, widths = given["adapters"], (given["text"]["width"], given["vision"]["width"])
    length, prompts = own["text_static"].shape[1], len(own["text_static"])
    model = AdaCLIP(
        clip, *widths, length, prompts, "VL", "SD", True, 20, layers, "cpu", size
    ).eval()
    theirs = {}
    for key in model.state_dict():
        name = key
        for old, new in (
            ("dynamic_visual_prompt_generator.", "visual_dynamic."),
            ("dynamic_text_prompt_generator.", "text_dynamic."),
            ("patch_token_layer.head.", "patch."),
            ("cls_token_layer.head.0.", "image."),
        ):
            name = name.replace(old, new)
        if "static_prompts" in key:
            side = "text_static" if "text" in key else "visual_static"
            theirs[key] = own[side][int(key.rpartition(".")[2])]
        elif name in own:
            theirs[key] = own[name]
    model.load_state_dict(theirs, strict=False)
    model.HSF.cluster_performer = sklearn.cluster.KMeans(20, n_init="auto", random_state=0)

    def judge(picture: Tensor) -> tuple[Tensor, Tensor]:
        anomaly, score = model(picture, [given["object"]], aggregation=True)
        return torch.from_numpy(gaussian_filter(anomaly[0].squeeze(), sigma=4)), score[0]

    model.generate_and_set_dynamic_promtps(given["pictures"][:1])
    return model.text_embedding_layer(model, [given["object"]], "cpu")[0].T, judge


def _their_open_clip(given: Given) -> tuple[Any, Callable[[str], Tensor]]:
    import open_clip

    return _loaded(open_clip.model.CLIP, open_clip.model.resize_pos_embed, given), (
        open_clip.tokenizer.tokenize
    )


def _loaded(kind: Any, resize: Callable[[dict[str, Tensor], Any], None], given: Given) -> Any:
    """Their CLIP at the pictures' size."""
    vision = {**given["vision"], "image_size": given["pictures"].shape[-1]}
    clip, held = kind(given["joint"], vision, given["text"]), dict(given["clip"])
    resize(held, clip)
    clip.load_state_dict(held, strict=False)
    return clip.eval()


def _stand_ins() -> None:
    """Modules that the authors import and do not use, which are not on every machine."""
    resources = types.ModuleType("pkg_resources")
    resources.packaging = packaging  # type: ignore[attr-defined]
    sys.modules["pkg_resources"] = resources
    sys.modules["thop"] = types.SimpleNamespace(profile=None)  # type: ignore[assignment]


def main(name: str, folder: str, given_path: str, answer: str, threads: str) -> None:
    """Judge the given pictures as often as asked."""
    torch.set_num_threads(int(threads))
    clock = time.process_time if threads == "1" else time.perf_counter
    _stand_ins()
    sys.path[0] = str(Path(folder) / FOLDERS[name])
    given = torch.load(given_path, weights_only=True)
    authors = {"anomalyclip": anomalyclip, "vand": vand, "anovl": anovl, "adaclip": adaclip}
    told = sys.stdout
    with redirect_stdout(sys.stderr), torch.no_grad():
        text, judge = authors[name](given)
        print("ready", file=told, flush=True)
        for _ in sys.stdin:
            began = clock()
            judged = [judge(picture[None]) for picture in given["pictures"]]
            took = clock() - began
            maps, scores = (torch.stack(list(parts)) for parts in zip(*judged))
            torch.save({"text": text, "maps": maps, "scores": scores}, answer)
            print(took, file=told, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
