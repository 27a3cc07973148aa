"""Claims about checking data before a model is loaded."""

import pytest
import release

from microbench_tasks import preflight, schema
from microbench_tasks.schema import DataError


@pytest.fixture(autouse=True)
def forget():
    preflight._passed.clear()


def broken(kind):
    row = release.row(1)
    row["questions"][kind] |= {"answer": "not an option"}
    return row


def test_other_benchmarks_need_no_source(use_source):
    use_source("/no/such/folder")
    preflight.check(["mmmu_val", "gqa"])


def test_a_group_is_checked_in_all_its_tasks(tmp_path, use_source):
    use_source(release.write_parquet(tmp_path / "data", [release.row(0), broken("stain")]))
    with pytest.raises(DataError, match=rf"MICROBENCH_DATASET={tmp_path}/data: row 1 .*questions\.stain\.answer"):
        preflight.check(["microbench_coarse"])


def test_a_task_is_not_stopped_by_another_tasks_question(tmp_path, use_source):
    use_source(release.write_parquet(tmp_path / "data", [release.row(0), broken("stain")]))
    preflight.check(["microbench_coarse_domain"])


def test_an_unreadable_image_stops_the_run(tmp_path, use_source):
    use_source(release.write_parquet(tmp_path / "data", [release.row(0), release.row(1, image={"bytes": b"broken", "path": None})]))
    with pytest.raises(DataError, match="row 1 .*column image"):
        preflight.check(["microbench_coarse_domain"])


def test_images_that_passed_are_not_read_again_even_by_the_next_process(tmp_path, use_source, monkeypatch):
    use_source(release.write_parquet(tmp_path / "data", [release.row(5)]))
    preflight.check(["microbench_coarse_domain"])
    preflight._passed.clear()
    monkeypatch.setattr(schema, "check_images", lambda *arguments: pytest.fail("read again"))
    preflight.check(["microbench_coarse_domain"])


def test_changed_data_is_checked_again(tmp_path, use_source):
    use_source(release.write_parquet(tmp_path / "data", [release.row(0)]))
    preflight.check(["microbench_coarse_domain"])
    release.write_parquet(tmp_path / "data", [release.row(0), broken("domain")])
    with pytest.raises(DataError, match="row 1"):
        preflight.check(["microbench_coarse_domain"])


def test_a_task_that_passed_vouches_for_no_other(tmp_path, use_source):
    use_source(release.write_parquet(tmp_path / "data", [release.row(0), broken("stain")]))
    preflight.check(["microbench_coarse_domain"])
    with pytest.raises(DataError, match="row 1"):
        preflight.check(["microbench_coarse_stain"])


def test_a_task_that_passed_is_not_read_again(tmp_path, use_source, monkeypatch):
    use_source(release.write_parquet(tmp_path / "data", [release.row(0)]))
    preflight.check(["microbench_coarse_domain"])
    monkeypatch.setattr(preflight.source, "load", lambda resolved: pytest.fail("read again"))
    preflight.check(["microbench_coarse_domain"])
