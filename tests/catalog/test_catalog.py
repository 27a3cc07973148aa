"""Claims about the 24 tasks; the lists are the protocol's, written out."""

import collections

import pytest

from microbench_tasks import catalog

# The datasets with classification questions, by the paper's evaluation code.
CLASSIFICATION = {
    "acevedo_et_al_2020",
    "burgess_et_al_2024_contour",
    "burgess_et_al_2024_eccentricity",
    "burgess_et_al_2024_texture",
    "colocalization_benchmark",
    "empiar_sbfsem",
    "eulenberg_et_al_2017_brightfield",
    "eulenberg_et_al_2017_darkfield",
    "eulenberg_et_al_2017_epifluorescence",
    "held_et_al_2010_galt",
    "held_et_al_2010_h2b",
    "hussain_et_al_2019",
    "icpr2020_pollen",
    "jung_et_al_2022",
    "kather_et_al_2016",
    "kather_et_al_2018",
    "kather_et_al_2018_val7k",
    "nirschl_et_al_2018",
    "nirschl_unpub_fluorescence",
    "tang_et_al_2019",
    "wong_et_al_2022",
    "wu_et_al_2023",
}
BOXES_ONLY = {"opencell", "sirinukunwattana_et_al_2016"}
EULENBERG_OUTSIDE = {"eulenberg_et_al_2017_darkfield", "eulenberg_et_al_2017_epifluorescence"}


def tasks(subject):
    return [task for task in catalog.TASKS.values() if task.subject == subject]


def members(group):
    """The tasks below a group, once for each way down."""
    return [
        task for member in catalog.GROUPS[group] for task in (members(member) if member in catalog.GROUPS else [member])
    ]


# --- tasks and datasets --------------------------------------------------------------


def test_there_are_24_tasks():
    assert [len(tasks(subject)) for subject in ("coarse", "fine", "boxes", "cognition")] == [5, 13, 5, 1]
    assert len(catalog.TASKS) == 5 + 13 + 5 + 1


def test_a_task_goes_by_its_own_name():
    assert all(task.name == name for name, task in catalog.TASKS.items())


def test_the_release_has_22_classification_datasets_and_two_with_boxes_only():
    assert len(CLASSIFICATION) == 22
    assert set(catalog.CLASSIFICATION_DATASETS) == CLASSIFICATION
    assert set(catalog.LOCALIZATION_ONLY_DATASETS) == BOXES_ONLY
    assert sorted(catalog.DATASETS) == sorted(CLASSIFICATION | BOXES_ONLY)


def test_each_classification_dataset_is_in_exactly_one_fine_task():
    found = [dataset for task in tasks("fine") for dataset in task.datasets]
    assert sorted(found) == sorted(CLASSIFICATION)
    assert {task.kinds for task in tasks("fine")} == {("classification",)}


def test_datasets_of_one_subject_share_a_fine_task():
    together = {frozenset(task.datasets) for task in tasks("fine") if len(task.datasets) > 1}
    assert together == {
        frozenset({"acevedo_et_al_2020", "jung_et_al_2022"}),
        frozenset({"burgess_et_al_2024_contour", "burgess_et_al_2024_eccentricity", "burgess_et_al_2024_texture"}),
        frozenset(
            {
                "eulenberg_et_al_2017_brightfield",
                "eulenberg_et_al_2017_darkfield",
                "eulenberg_et_al_2017_epifluorescence",
            }
        ),
        frozenset({"held_et_al_2010_galt", "held_et_al_2010_h2b"}),
        frozenset({"kather_et_al_2016", "kather_et_al_2018", "kather_et_al_2018_val7k"}),
        frozenset({"tang_et_al_2019", "wong_et_al_2022"}),
    }


def test_each_coarse_task_asks_all_classification_datasets_its_own_kind():
    assert [task.kinds for task in tasks("coarse")] == [
        ("domain",),
        ("subdomain",),
        ("modality",),
        ("submodality",),
        ("stain",),
    ]
    assert all(set(task.datasets) == CLASSIFICATION and len(task.datasets) == 22 for task in tasks("coarse"))


def test_boxes_are_asked_of_seven_datasets_in_five_tasks():
    assert sorted(sorted(task.datasets) for task in tasks("boxes")) == [
        ["burgess_et_al_2024_contour", "burgess_et_al_2024_eccentricity", "burgess_et_al_2024_texture"],
        ["held_et_al_2010_h2b"],
        ["opencell"],
        ["sirinukunwattana_et_al_2016"],
        ["wu_et_al_2023"],
    ]


# --- slices --------------------------------------------------------------------------


def test_seven_abilities_part_the_22_datasets():
    assert len(catalog.ABILITIES) == 7
    assert sorted(dataset for datasets in catalog.ABILITIES.values() for dataset in datasets) == sorted(CLASSIFICATION)


@pytest.mark.parametrize(
    ("ability", "datasets"),
    [
        ("cell, organism and structure type", {"acevedo_et_al_2020", "jung_et_al_2022", "nirschl_unpub_fluorescence"}),
        (
            "cell texture and morphology",
            {"burgess_et_al_2024_contour", "burgess_et_al_2024_eccentricity", "burgess_et_al_2024_texture"},
        ),
        ("normal against abnormal", {"empiar_sbfsem", "icpr2020_pollen", "wu_et_al_2023"}),
        ("single-molecule imaging", {"colocalization_benchmark"}),
        (
            "cell cycle and stage",
            {"eulenberg_et_al_2017_brightfield", *EULENBERG_OUTSIDE, "held_et_al_2010_galt", "held_et_al_2010_h2b"},
        ),
        (
            "neoplastic histopathology",
            {"hussain_et_al_2019", "kather_et_al_2016", "kather_et_al_2018", "kather_et_al_2018_val7k"},
        ),
        ("non-neoplastic histopathology", {"nirschl_et_al_2018", "tang_et_al_2019", "wong_et_al_2022"}),
    ],
)
def test_each_ability_is_tested_by_the_evaluation_codes_datasets(ability, datasets):
    assert set(catalog.ABILITIES[ability]) == datasets
    assert {name for name, found in catalog.ABILITY_OF_DATASET.items() if found == ability} == datasets


def test_the_pathology_slice_is_the_protocols():
    expected = [
        "acevedo_et_al_2020",
        "hussain_et_al_2019",
        "jung_et_al_2022",
        "kather_et_al_2016",
        "kather_et_al_2018",
        "kather_et_al_2018_val7k",
        "nirschl_et_al_2018",
    ]
    assert sorted(catalog.PATHOLOGY_DATASETS) == expected


def test_the_h_and_e_slice_is_the_protocols():
    assert sorted(catalog.H_AND_E_DATASETS) == [
        "kather_et_al_2016",
        "kather_et_al_2018",
        "kather_et_al_2018_val7k",
        "nirschl_et_al_2018",
    ]


def test_two_eulenberg_datasets_are_asked_but_lie_outside_the_fine_total():
    assert catalog.OUTSIDE_FINE_TOTAL == EULENBERG_OUTSIDE
    assert set(catalog.TASKS["microbench_fine_cell_cycle"].datasets) >= EULENBERG_OUTSIDE


# --- groups --------------------------------------------------------------------------


@pytest.mark.parametrize("group", catalog.GROUPS)
def test_no_group_reaches_a_task_twice(group):
    assert max(collections.Counter(members(group)).values()) == 1


@pytest.mark.parametrize(
    ("group", "number"),
    [
        ("microbench_coarse", 5),
        ("microbench_fine", 13),
        ("microbench_localization", 5),
        ("microbench_vqa", 5 + 13),
        ("microbench", 5 + 13 + 5),
        ("microbench_all", 5 + 13 + 5 + 1),
    ],
)
def test_a_group_holds_so_many_tasks(group, number):
    assert len(members(group)) == number
    assert set(members(group)) <= set(catalog.TASKS)


def test_every_group_is_listed_above_and_no_task_is_called_like_one():
    assert set(catalog.GROUPS) == {
        "microbench_coarse",
        "microbench_fine",
        "microbench_localization",
        "microbench_vqa",
        "microbench",
        "microbench_all",
    }
    assert not set(catalog.GROUPS) & set(catalog.TASKS)


def test_only_the_largest_group_holds_what_is_not_in_the_release():
    assert [group for group in catalog.GROUPS if "microbench_cognition" in members(group)] == ["microbench_all"]


# --- names ---------------------------------------------------------------------------


def test_groups_and_tasks_are_found_once_and_others_passed_over():
    assert catalog.tasks_named(["mmmu_val", "microbench_coarse_stain", "microbench_coarse"]) == (
        "microbench_coarse_stain",
        "microbench_coarse_domain",
        "microbench_coarse_subdomain",
        "microbench_coarse_modality",
        "microbench_coarse_submodality",
    )


def test_groups_of_groups_name_all_their_tasks():
    assert set(catalog.tasks_named(["microbench_all"])) == set(catalog.TASKS)
    assert len(catalog.tasks_named(["microbench", "microbench_vqa", "microbench_all"])) == 24
    assert [catalog.TASKS[name].subject for name in catalog.tasks_named(["microbench_vqa"])] == ["coarse"] * 5 + [
        "fine"
    ] * 13


def test_nothing_named_is_no_task():
    assert catalog.tasks_named([]) == ()
    assert catalog.tasks_named(["microbench_", "Microbench", ""]) == ()


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (["microbench_coarse", "microbench_coarse_stain"], ["microbench_coarse"]),
        (["microbench_coarse_stain", "microbench_coarse"], ["microbench_coarse"]),
        # Two levels down, and a group in a group.
        (["microbench_fine_pollen", "microbench"], ["microbench"]),
        (["microbench_vqa", "microbench_fine", "microbench_all", "microbench"], ["microbench_all"]),
        (["microbench", "microbench_cognition"], ["microbench", "microbench_cognition"]),
        (["microbench_all", "microbench_cognition"], ["microbench_all"]),
        (
            ["mmmu_val", "microbench_coarse", "microbench_fine_pollen"],
            ["mmmu_val", "microbench_coarse", "microbench_fine_pollen"],
        ),
        (["mmmu_val"], ["mmmu_val"]),
        ([], []),
    ],
)
def test_names_that_a_larger_group_holds_are_left_to_it(names, kept):
    assert catalog.without_covered(names) == kept
