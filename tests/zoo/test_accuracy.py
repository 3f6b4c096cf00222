"""What of the accuracy benchmark can be wrong without a model."""

import pytest


@pytest.fixture
def accuracy():
    import accuracy

    return accuracy


def test_a_section_of_the_page_is_replaced_and_nothing_else(accuracy):
    page = "before\n<!-- timm -->\nold\n<!-- /timm -->\nbetween\n<!-- peers -->\n<!-- /peers -->\n"

    text = accuracy.put("timm", r"new \1", page)

    assert "old" not in text
    assert text.startswith("before\n<!-- timm -->\n\nnew \\1\n\n<!-- /timm -->\nbetween\n")
    assert text.endswith("<!-- peers -->\n<!-- /peers -->\n")


def test_a_page_without_the_section_is_an_error(accuracy):
    with pytest.raises(ValueError, match="no <!-- timm -->"):
        accuracy.put("timm", "new", "nothing here")


def test_published_operations_are_rounded_to_three_decimals(accuracy):
    # ResNet-50 is published as 4.089; what rounds to it lies in 4.0885 … 4.0895.
    assert accuracy.agrees_with_ops(4_089_184_256, 4.089)
    assert not accuracy.agrees_with_ops(4_089_600_000, 4.089)
    assert not accuracy.agrees_with_ops(4_088_400_000, 4.089)


def test_timm_rows_agree_within_two_percent_or_a_unit_of_the_last_digit(accuracy):
    import timm_models

    def agrees(macs, gmacs):
        row = timm_models.Row("any", 224, 1.0, gmacs)
        return accuracy.agrees(row, accuracy.Outcome(macs=macs))

    assert agrees(macs=9_801_000_000, gmacs=10.0)
    assert not agrees(macs=9_790_000_000, gmacs=10.0)
    assert agrees(macs=31_000_000, gmacs=0.04)
    assert not agrees(macs=29_000_000, gmacs=0.04)


def test_tables_of_timm_are_read_in_its_own_columns_and_in_ours(tmp_path):
    import timm_models

    theirs = tmp_path / "theirs.csv"
    theirs.write_text(
        "model,infer_img_size,infer_batch_size,param_count,infer_gmacs\nresnet18,160,1024,11.69,0.93\n"
    )

    assert timm_models.published(theirs) == [timm_models.Row("resnet18", 160, 11.69, 0.93)]
    assert timm_models.Row("resnet18", 160, 11.69, 0.93) in timm_models.published()
