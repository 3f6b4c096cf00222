"""The example models run everywhere, can learn, and heed all of their inputs."""

import pytest
import torch
from declared import MODELS, arguments, build
from zoo import captioner, llm

DTYPES = [torch.float32, torch.bfloat16]
OUTPUT_SHAPES = {
    "resnet50": (1000,),
    "vit_b_16": (1000,),
    "unet": (21, 256, 256),
    "tagger": (64, 17),
    "captioner": (19, 10_201),
    "llm": (128, 49_152),
}


@pytest.mark.parametrize(
    ("training", "dtype"), [(False, torch.bfloat16), (True, torch.float32)], ids=["eval", "train"]
)
@pytest.mark.parametrize("name", MODELS)
def test_runs_without_weights(name, training, dtype):
    with torch.device("meta"), torch.inference_mode():
        model = build(name).to(dtype).train(training)
        positional, keyword = arguments(name, 3, dtype)
        output = model(*positional, **keyword)

    assert output.is_meta
    assert output.dtype == dtype
    assert output.shape == (3, *OUTPUT_SHAPES[name])


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_computes_numbers_and_reaches_every_parameter_with_a_gradient(name, dtype):
    torch.manual_seed(0)
    model = build(name).to(dtype)
    positional, keyword = arguments(name, 2, dtype)

    with torch.inference_mode():
        inferred = model.eval()(*positional, **keyword)
    assert inferred.isfinite().all()
    assert inferred.std() > 0

    output = model.train()(*positional, **keyword)
    output.float().square().mean().backward()
    for path, parameter in model.named_parameters():
        assert parameter.grad is not None, path
        assert parameter.grad.isfinite().all(), path


def test_language_model_does_not_look_ahead():
    torch.manual_seed(0)
    model = llm.build(vocabulary=50, layers=2).eval()
    tokens = torch.randint(50, (1, 12))
    changed = tokens.clone()
    changed[0, 7] = (changed[0, 7] + 1) % 50

    with torch.inference_mode():
        difference = (model(tokens) - model(changed)).abs().amax(dim=-1)[0]

    assert (difference[:7] == 0).all()
    assert (difference[7:] > 0).all()


def test_language_model_ties_its_output_to_its_embedding():
    with torch.device("meta"):
        model = llm.build()

    assert model.lm_head.weight is model.embed_tokens.weight


def test_rotary_product_depends_only_on_the_distance():
    torch.manual_seed(0)
    query, key = torch.randn(2, 64, dtype=torch.float64).unsqueeze(1)
    angles = llm.rotary_angles(40, 64, torch.device("cpu")).double()
    cos, sin = angles.cos(), angles.sin()
    products = llm.rotate(query, cos, sin) @ llm.rotate(key, cos, sin).T

    near, far = products.diagonal(offset=5), products.diagonal(offset=30)
    # The angles themselves are float32.
    torch.testing.assert_close(near, near[:1].expand_as(near), rtol=0, atol=1e-4)
    torch.testing.assert_close(far, far[:1].expand_as(far), rtol=0, atol=1e-4)
    assert abs(near[0] - far[0]) > 0.1


@pytest.fixture(scope="module")
def a_captioner():
    torch.manual_seed(0)
    return captioner.build().eval()


@pytest.fixture
def picture():
    torch.manual_seed(1)
    _, keyword = arguments("captioner", 1)
    # Corners in order, so that the boxes are boxes, and no padding among the words.
    keyword["boxes"] = torch.cat(
        (keyword["boxes"][..., :2] / 2, 0.5 + keyword["boxes"][..., 2:] / 2), dim=-1
    )
    keyword["captions"] = keyword["captions"].clamp(min=captioner.PADDING + 1)
    return keyword


@pytest.mark.parametrize("name", ["detections", "boxes", "grids", "masks"])
def test_captioner_heeds_what_it_sees(a_captioner, picture, name):
    flipped = picture | {name: picture[name].flip(1)}

    with torch.inference_mode():
        difference = (a_captioner(**picture) - a_captioner(**flipped)).abs().max()

    assert difference > 1e-4


def test_captioner_does_not_look_ahead(a_captioner, picture):
    changed = picture["captions"].clone()
    changed[0, 11] = 2 if changed[0, 11] != 2 else 3

    with torch.inference_mode():
        before = a_captioner(**picture)
        after = a_captioner(**picture | {"captions": changed})
    difference = (before - after).abs().amax(dim=-1)[0]

    assert (difference[:11] == 0).all()
    assert (difference[11:] > 0).all()


def test_captioner_survives_regions_that_overlap_nothing_and_captions_of_padding(
    a_captioner, picture
):
    picture["masks"] = torch.zeros_like(picture["masks"])
    picture["captions"] = torch.full_like(picture["captions"], captioner.PADDING)

    with torch.inference_mode():
        assert a_captioner(**picture).isfinite().all()


def test_grid_cells_tile_the_unit_square():
    boxes = captioner.grid_boxes(7, torch.device("cpu"))
    sides = boxes[:, 2:] - boxes[:, :2]

    assert len(boxes.unique(dim=0)) == 49
    torch.testing.assert_close(sides.prod(dim=-1).sum(), torch.tensor(1.0))
    assert boxes.min() == 0
    torch.testing.assert_close(boxes.max(), torch.tensor(1.0))
