"""AdaCLIP's hybrid semantic fusion: clusters of conspicuous patches help the image's score."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from torch import Tensor

from napari_medad.detectors.adaclip.network import Output

SHARE = 0.2
"""Weight of the clusters' feature beside the class token's."""
PATCHES = 5
"""Patches for each cluster."""


def fused(output: Output, clusters: int, variant: str) -> Tensor:
    """Unit image features [b, joint] with a part of the patches' clusters.

    Parameters
    ----------
    output : Output
    clusters : int
    variant : {"code", "paper", "none"}
    """
    if variant == "none":
        return output.feature
    logits = torch.stack([m.flatten(2) for m in output.maps]) if _same(output) else None
    if logits is None:
        return output.feature
    abnormal = logits.mean(0).softmax(1)[:, 1].float()
    stages = torch.stack(output.tokens, 1).float()
    join = _mean_of_clusters if variant == "code" else _worst_cluster
    clustered = torch.stack([join(s, a, clusters) for s, a in zip(stages, abnormal)])
    mixed = SHARE * F.normalize(clustered, dim=-1) + (1 - SHARE) * output.feature.float()
    return F.normalize(mixed, dim=-1)


def _same(output: Output) -> bool:
    """Whether the stages have one grid; a ResNet's have not, and are not clustered."""
    return len({m.shape for m in output.maps}) == 1


def _mean_of_clusters(stages: Tensor, abnormal: Tensor, clusters: int) -> Tensor:
    """Mean [joint] of the means of the clusters of the most anomalous patches.

    Parameters
    ----------
    stages : Tensor [stages, n, joint]
    abnormal : Tensor [n]
    clusters : int
    """
    chosen = abnormal.topk(min(len(abnormal), PATCHES * clusters)).indices
    tokens = stages[:, chosen]
    labels = _labels(torch.cat(list(tokens), -1), clusters)
    means = [tokens[:, labels == i].flatten(0, 1).mean(0) for i in labels.unique()]
    return torch.stack(means).mean(0)


def _worst_cluster(stages: Tensor, abnormal: Tensor, clusters: int) -> Tensor:
    """Mean [joint] of the cluster of all patches with the highest mean anomaly."""
    tokens = stages.mean(0)
    labels = _labels(tokens, clusters)
    worst = max(labels.unique().tolist(), key=lambda i: float(abnormal[labels == i].mean()))
    return tokens[labels == worst].mean(0)


def _labels(tokens: Tensor, clusters: int) -> Tensor:
    """Cluster of each token [n, c], the same whenever it is asked for."""
    points = tokens.detach().cpu().numpy()
    distinct = len(np.unique(points, axis=0))
    performer = KMeans(min(clusters, distinct), n_init="auto", random_state=0)
    return torch.from_numpy(performer.fit_predict(points)).to(tokens.device)
