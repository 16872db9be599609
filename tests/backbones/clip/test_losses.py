import math

import numpy as np
import torch
from torch.testing import assert_close

from napari_medad.backbones.clip.losses import SMOOTH, dice_loss, focal_loss
from napari_medad.backbones.clip.pictures import MEAN, STD, maps_on, pictures_of


def test_focal_loss_by_hand():
    """One pixel of each kind: -(1 - p)^2 log p, up to the smoothing."""
    probabilities = torch.tensor([[[0.9, 0.3], [0.1, 0.7]]])
    loss = focal_loss(probabilities, torch.tensor([[0, 1]]))
    expected = (-(0.1**2) * math.log(0.9) - 0.3**2 * math.log(0.7)) / 2
    assert_close(float(loss), expected, atol=10 * SMOOTH, rtol=0)


def test_focal_loss_of_a_sure_mistake_is_finite():
    loss = focal_loss(torch.tensor([[[1.0], [0.0]]]), torch.tensor([[1]]))
    assert_close(float(loss), -math.log(2e-5), atol=1e-3, rtol=0)


def test_dice_loss_by_hand():
    probability = torch.tensor([[[1.0, 0.5]], [[0.0, 0.0]]])
    target = torch.tensor([[[1, 0]], [[0, 0]]])
    # 1 - 3 / 3.5 for the first image, 1 - 1 / 1 for the second.
    assert_close(float(dice_loss(probability, target)), (1 - 3 / 3.5) / 2)


def test_pictures_of_grey_and_colour():
    grey = np.full((2, 8, 6), 0.25, np.float32)
    ours = pictures_of(grey, 16)
    assert ours.shape == (2, 3, 16, 16)
    expected = (0.25 - torch.tensor(MEAN)) / torch.tensor(STD)
    assert_close(ours[0, :, 3, 5], expected)
    colour = np.stack([grey * 0, grey, grey * 2], -1)
    expected = (torch.tensor([0, 0.25, 0.5]) - torch.tensor(MEAN)) / torch.tensor(STD)
    assert_close(pictures_of(colour, 16)[1, :, 0, 0], expected)


def test_pictures_do_not_leave_the_range():
    edge = np.zeros((1, 8, 8), np.float32)
    edge[:, :, 4:] = 1
    ours = pictures_of(edge, 32)[0, 0] * STD[0] + MEAN[0]
    assert float(ours.min()) > -1e-6
    assert float(ours.max()) < 1 + 1e-6


def test_maps_lie_where_the_picture_lay():
    """A bright quarter of a slice that is not square stays that quarter."""
    maps = torch.zeros(1, 28, 28)
    maps[:, :14, 14:] = 1
    ours = maps_on(maps, (10, 20))[0]
    assert ours.shape == (10, 20)
    assert ours[:5, 10:].min() > 0.5 > ours[5:, :].max()
    assert ours[:5, :10].max() < 0.5
