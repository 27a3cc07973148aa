"""Claims about which texts state boxes, in which order, and which state none."""

import pytest

from tests.support.box_cases import CASES, NUMBER_CONVENTIONS, boxes_of, read_boxes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>[1,2,3,4]</think>[5,6,7,8]", [[5, 6, 7, 8]]),
        # The chat template may have opened the block.
        ("maybe [1,2,3,4]\n</think>\n[5,6,7,8]", [[5, 6, 7, 8]]),
        # What is said between two thoughts is said.
        ("<think>a</think>[1,2,3,4]<think>b</think>[5,6,7,8]", [[1, 2, 3, 4], [5, 6, 7, 8]]),
        ("<thought>maybe [1,2,3,4]</thought>[5,6,7,8]", [[5, 6, 7, 8]]),
        ("[THINK]maybe [1,2,3,4][/THINK][5,6,7,8]", [[5, 6, 7, 8]]),
        ("◁think▷maybe [1,2,3,4]◁/think▷[5,6,7,8]", [[5, 6, 7, 8]]),
        ("<seed:think>[1,2,3,4]</seed:think>[5,6,7,8]", [[5, 6, 7, 8]]),
        (
            "<|channel|>analysis<|message|>[1,2,3,4]<|end|><|start|>assistant<|channel|>final<|message|>[5,6,7,8]<|return|>",
            [[5, 6, 7, 8]],
        ),
        ("<thinking>[1,2,3,4]</thinking>[5,6,7,8]", [[5, 6, 7, 8]]),
        ("[1,2,3,4] so <answer>[5,6,7,8]</answer> and [9,9,9,9]", [[5, 6, 7, 8]]),
        ("<answer>[1,2,3,4]</answer><answer>[5,6,7,8]", [[5, 6, 7, 8]]),
    ],
)
def test_only_the_answer_counts(text, expected):
    assert boxes_of(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "<think>[1,2,3,4]",
        "<think>a</think>[1,2,3,4]<think>",
        "◁think▷ it may lie at [10,10,50,50] or",
        "<thought>[1,2,3,4]",
        "[THINK][1,2,3,4]",
        "<seed:think>[1,2,3,4] and",
        "<|channel|>analysis<|message|>[1,2,3,4]",
    ],
)
@pytest.mark.parametrize("convention", ["grid1000_xyxy", "norm1_xyxy", "loc1024_yxyx"])
def test_reasoning_that_never_ends_is_truncated_and_no_box(text, convention):
    found = read_boxes(text, convention)
    assert (found.status, len(found.boxes)) == ("truncated", 0)


@pytest.mark.parametrize("convention", ["grid1000_xyxy", "norm1_xyxy"])
def test_reasoning_without_an_answer_is_unparsed(convention):
    found = read_boxes("<think>[1,2,3,4]</think>", convention)
    assert (found.status, len(found.boxes)) == ("unparsed", 0)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "[ ]",
        "[[]]",
        "{}",
        '{"boxes": []}',
        '{"boxes": null}',
        "null",
        "None.",
        "none",
        "```json\n[]\n```",
        "```json\nnull\n```",
        '{"masks": [], "boxes": [], "scores": []}',
        "<box></box>",
        "No nucleus here: []",
        '{"x": 0, "y": 0, "width": 512, "height": 512, "boxes": []}',
        '{"image": {"x": 0, "y": 0, "width": 512, "height": 512}, "boxes": null}',
    ],
)
def test_an_explicit_none_is_parsed_as_zero_boxes(text):
    found = read_boxes(text)
    assert (found.status, found.boxes.shape) == ("parsed", (0, 4))


@pytest.mark.parametrize(
    ("convention", "status"),
    [
        ("loc1024_yxyx", "parsed"),
        ("grid1000_xyxy", "unparsed"),
        ("points_only", "unparsed"),
        ("bin1000_center_xyxy", "unparsed"),
    ],
)
@pytest.mark.parametrize("text", ["", "  \n"])
def test_only_paligemmas_silence_means_none(text, convention, status):
    assert read_boxes(text, convention).status == status


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, I cannot help with locating objects.",
        "None of the boxes fits.",
        "The nucleus lies at 10, 20, 30, 40.",
        "10 20 30 40",
        "x1=10, y1=20, x2=30, y2=40",
        "(Scale marks 10, 20, 40, 63; see there.)",
        "(10, 20, 40, 63; 512)",
        '{"counts": [10, 20, 30, 40]}',
        '{"polygons": [[10, 20, 30, 40]]}',
        "between (10, 20) and (30, 40)",
        "(10, 20), (30, 40)",
        "points: (10,20),(30,40),(50,60)",
        "polygon: (10,20),(30,40)",
        "[[10, 20], [30, 20], [30, 40], [10, 40]]",
        "[[10, 20], [30, 40], [50, 60]]",
        '{"points": [[10, 20], [30, 40]]}',
        '{"polygon": [[10, 20], [30, 40]]}',
        "[[10, 20], [30, 40], 0.9]",
        "[(1, 2), (3, 4), (5, 6)]",
        "(10,20),(30,20),(30,40),(10,40)",
        "<quad>(10,20),(30,20),(30,40),(10,40)</quad>",
        "[10, 20, 30, 40, 50]",
        "[10, 20, 30, 40, 0.9]",
        "[[10, 20, 30, 40, 1.0]]",
        "[10, 20, 30, 40, -0.5]",
        "[10, 20, 30, 40, 0.9, 0.8]",
        "[10, 20, 30, 20, 30, 40, 10, 40]",
        "[x1, y1, x2, y2]",
        "[10-20, 30, 40]",
        "[10, 20) 30, 40]",
        "Which one ()?",
        '{"scores": []}',
        "[10:20, 30:40, 50, 60]",
        "[10px, 20px, 30px, 40px]",
        "[a, 10, 20, 30, 40]",
        "{10, 20, 30, 40}",
        '{"scores": [0.9, 0.8, 0.7, 0.6]}',
        '"scores": [0.9, 0.8, 0.7, 0.6]',
        "Scores: [0.9, 0.8, 0.7, 0.6]",
        '{"box_scores": [0.9, 0.8, 0.7, 0.6]}',
        '{"segmentation": [[1, 2, 3, 4]]}',
        '{"image_size": {"x": 0, "y": 0, "width": 512, "height": 512}}',
        '{"label": "cell [1, 2, 3, 4]"}',
        '{"label": "(1,2),(3,4)", "point_2d": [5, 6]}',
        '{"image": {"x": 0, "y": 0, "width": 512, "height": 512}}',
        '{"image": {"origin": [0, 0, 512, 512]}}',
        '{"meta": {"bounds_of_view": {"range": [0, 0, 512, 512]}}}',
        '{"color": [10, 20, 30, 40]}',
        '{"class_ids": [1, 2, 3, 4]}',
        '{"widths": [1, 2, 3, 4]}',
        '{"rows": [1, 2, 3, 4], "radius": [5, 6, 7, 8]}',
        '{"x": [1, 2, 3, 4], "y": [5, 6, 7, 8]}',
        '{"previous": [1, 2, 3, 4], "thinking": [5, 6, 7, 8]}',
        '{"imageSize": [0, 0, 512, 512]}',
        '{"nucleus_count": [1, 2, 3, 4]}',
        '{"rgba": "10, 20, 30, 40"}',
        '{"description": "10, 20, 30, 40"}',
        '["10, 20, 30"]',
        '{"bbox": "10, 20, 30, 40, 50"}',
        '{"bbox": "about 10, 20, 30, 40"}',
        '{"nucleus": "at [10, 20]"}',
        '["nucleus", 10, 20, 30]',
        '{"top_left": [10, 20], "size": [30, 40]}',
        '{"x": 10, "y": 20}',
        '{"x1": 10, "y1": 20, "x2": 30}',
        '{"x1": 10, "y1": 20, "x2": "right", "y2": 40}',
        '<points x1="10.5" y1="20.0" x2="30" y2="40" alt="cell">cell</points>',
        "[ /* [1, 2, 3, 4] */ a]",
    ],
)
@pytest.mark.parametrize("convention", NUMBER_CONVENTIONS)
def test_what_is_no_box_gives_none(text, convention):
    found = read_boxes(text, convention)
    assert (found.boxes.tolist(), found.num_left_out) == ([], 0)
    assert found.status == "unparsed"


@pytest.mark.parametrize("text", [case["text"] for case in CASES])
def test_points_only_models_give_no_box(text):
    assert read_boxes(text, "points_only").status == "unparsed"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1. [1, 2, 3, 4]\n2. [5, 6, 7, 8]", [[1, 2, 3, 4], [5, 6, 7, 8]]),
        ("Nucleus 1: [1, 2, 3, 4]; nucleus 2: [5, 6, 7, 8].", [[1, 2, 3, 4], [5, 6, 7, 8]]),
        ("Medium-sized: [1, 2, 3, 4], stained area: [5, 6, 7, 8]", [[1, 2, 3, 4], [5, 6, 7, 8]]),
        ("see https://a.b/c [1, 2, 3, 4] # [5, 6, 7, 8]", [[1, 2, 3, 4], [5, 6, 7, 8]]),
        ("The nucleus (large) has **[1, 2, 3, 4]**", [[1, 2, 3, 4]]),
        ("The cell's is [1, 2, 3, 4], the nucleus's [5, 6, 7, 8]", [[1, 2, 3, 4], [5, 6, 7, 8]]),
        ('"[1, 2, 3, 4]"', [[1, 2, 3, 4]]),
        ("[1 2 3 4]", [[1, 2, 3, 4]]),
        ("(1, 2, 3, 4)", [[1, 2, 3, 4]]),
        ("<1, 2, 3, 4>", [[1, 2, 3, 4]]),
        ("[0, 512) then [1, 2, 3, 4]", [[1, 2, 3, 4]]),
        ("if n < 5: [1, 2, 3, 4]", [[1, 2, 3, 4]]),
        ("Scores: see below. [1, 2, 3, 4]", [[1, 2, 3, 4]]),
        ("(of the cells' [1, 2, 3, 4] and the nuclei' [5, 6, 7, 8])", [[1, 2, 3, 4], [5, 6, 7, 8]]),
        ("```\n[(\n```\n[) [1, 2, 3, 4]", [[1, 2, 3, 4]]),
        (r"\[1, 2, 3, 4\]", [[1, 2, 3, 4]]),
        ('{"bbox_2d": [1, 2, 3, 4]}\n{"bbox_2d": [5, 6, 7, 8]}', [[1, 2, 3, 4], [5, 6, 7, 8]]),
        ("```json\n[[1,2,3,4]]\n```\nand\n```\n[[5,6,7,8]]\n```", [[1, 2, 3, 4], [5, 6, 7, 8]]),
        (
            '[{"bbox_2d": [1, 2, 3, 4], "label": "a", "score": 0.5}, {"label": "b", "bbox_2d": [5, 6, 7, 8]}]',
            [[1, 2, 3, 4], [5, 6, 7, 8]],
        ),
        (
            '{"objects": [{"bbox": [1, 2, 3, 4], "polygon": [1, 2, 3, 4], "center": [2, 3]}], "scores": [1, 1, 1, 1]}',
            [[1, 2, 3, 4]],
        ),
        ('{"nuclei": [[1, 2, 3, 4], [5, 6, 7, 8]], "counts": [1, 2, 3, 4]}', [[1, 2, 3, 4], [5, 6, 7, 8]]),
        ('{"1": [1, 2, 3, 4], "2": [5, 6, 7, 8]}', [[1, 2, 3, 4], [5, 6, 7, 8]]),
        ("a(1,2),(3,4)(5,6),(7,8) b(9,9),(9,9)", [[1, 2, 3, 4], [5, 6, 7, 8], [9, 9, 9, 9]]),
        ("[9, 9, 9, 9] (1,2),(3,4) [5, 6, 7, 8]", [[9, 9, 9, 9], [1, 2, 3, 4], [5, 6, 7, 8]]),
        ('(1,2),(3,4) {"x1": 5, "y1": 6, "x2": 7, "y2": 8}', [[1, 2, 3, 4], [5, 6, 7, 8]]),
        ("<|box_start|>(1, 2), (3, 4)<|box_end|>, <|box_start|>(5,6),(7,8)<|box_end|>", [[1, 2, 3, 4], [5, 6, 7, 8]]),
        ("<|ref|>a<|/ref|><|det|>[[1, 2, 3, 4], [5, 6, 7, 8]]<|/det|>", [[1, 2, 3, 4], [5, 6, 7, 8]]),
        ("<|begin_of_box|>[1, 2, 3, 4]<|end_of_box|>", [[1, 2, 3, 4]]),
        ("[1,2,3,4;5,6,7;8,9,10,11]", [[1, 2, 3, 4], [8, 9, 10, 11]]),
    ],
)
def test_boxes_are_found_among_anything_in_order(text, expected):
    assert boxes_of(text, "pixels_xyxy") == expected


@pytest.mark.parametrize(
    "text",
    [
        "[[001, 020, 300, 0400]]",
        "[{'bbox_2d': [1, 20, 300, 400], 'label': 'nucleus'}]",
        "[{'label': 'cell's edge', 'bbox_2d': [1, 20, 300, 400]}]",
        '[{"bbox_2d": [1, 20, 300, 400,], "label": "nucleus",},]',
        '[{"bbox_2d": [1, 20, 300, 400]}, // the first, not (5, 6, 7, 8)\n]',
        '[{"bbox_2d": /* x y x y [5, 6, 7, 8] */ [1, 20, 300, 400]}]',
        "[  # one of two\n [1, 20, 300, 400], # [5, 6, 7, 8]\n]",
        '[{"bbox_2d": ["1", "20", \'300\', "400"]}]',
        '{"bbox_2d": [1, 20, 300, 400]}]',
        '"bbox_2d": [1, 20, 300, 400], "label": "nucleus"',
        '```json\n[{"bbox_2d": [1, 20, 300, 400]}\n```',
        "{bbox_2d: [1, 20, 300, 400], label: nucleus}",
        "［｛＂ｂｂｏｘ＿２ｄ＂：［１，２０，３００，４００］｝］",
        "【1、20、300、400】",
        "[{“bbox_2d”: [1, 20, 300, 400]}]",
        r'[{"bbox\_2d": [1, 20, 300, 400]}]',
        "[+1.0, 2e1, 3.0E2, 400.]",
        '{"x1": 1, "y1": 20, "x2": 300, "y2": 400,}',
        '{"y2": "400", "x2": "300", "y1": "20", "x1": "1", "label": "a"}',
        '{"X_Min": 1, "Y_Min": 20, "X_Max": 300, "Y_Max": 400}',
        '{"left": 1, "top": 20, "right": 300, "bottom": 400}',
        '{"x0": 1, "y0": 20, "x1": 300, "y1": 400}',
        '{"x": 1, "y": 20, "w": 299, "h": 380}',
        '{"left": 1, "top": 20, "width": 299, "height": 380, "unit": "px"}',
        '{"nuclei": [{"bbox": {"x1": 1, "y1": 20, "x2": 300, "y2": 400}}]}',
    ],
)
def test_what_resembles_json_is_read(text):
    found = read_boxes(text)
    assert (found.boxes.tolist(), found.status) == ([[1, 20, 300, 400]], "parsed")


# One box of each form, x1 = 10, y1 = 20, x2 = 30, y2 = 40; of the order that the key states where it states one.
FORMS = [
    '{"nucleus": [10, 20, 30, 40]}',
    '{"cell nucleus": [10, 20, 30, 40]}',
    '{"nucleus_1": [10, 20, 30, 40]}',
    '{"細胞核": [10, 20, 30, 40]}',
    "{nucleus: [10, 20, 30, 40]}",
    '{"nucleus": {"x1": 10, "y1": 20, "x2": 30, "y2": 40}}',
    '{"nucleus": [[10, 20], [30, 40]]}',
    '{"nucleus": "10, 20, 30, 40"}',
    '{"detections": {"nucleus": [10, 20, 30, 40]}}',
    '{"xyxy": [10, 20, 30, 40]}',
    '{"bbox_xyxy": [10, 20, 30, 40]}',
    '{"ltrb": [10, 20, 30, 40]}',
    '{"bbox_xywh": [10, 20, 20, 20]}',
    '{"xywh": [10, 20, 20, 20]}',
    '{"bboxXYWH": [10, 20, 20, 20]}',
    '{"box_xywh": "10, 20, 20, 20"}',
    '{"ltwh": [10, 20, 20, 20]}',
    '{"tlwh": [10, 20, 20, 20]}',
    "bbox_xywh: [10, 20, 20, 20]",
    '{"bboxes_xywh": [[10, 20, 20, 20]]}',
    '{"boxes_xywh": {"nucleus": [[10, 20, 20, 20]]}}',
    '{"bbox_cxcywh": [20, 30, 20, 20]}',
    '{"center_xywh": [20, 30, 20, 20]}',
    '{"bbox_yxyx": [20, 10, 40, 30]}',
    '{"bbox_xxyy": [10, 30, 20, 40]}',
    '{"cx": 20, "cy": 30, "w": 20, "h": 20}',
    '{"x_center": 20, "y_center": 30, "width": 20, "height": 20}',
    '{"min_x": 10, "min_y": 20, "max_x": 30, "max_y": 40}',
    '{"top_left": [10, 20], "bottom_right": [30, 40]}',
    '{"topLeft": {"x": 10, "y": 20}, "bottomRight": {"x": 30, "y": 40}}',
    '{"min": [10, 20], "max": [30, 40], "label": "nucleus"}',
    '[10, 20, 30, 40, "nucleus"]',
    '["nucleus", 10, 20, 30, 40]',
    '[[10, 20, 30, 40, "nucleus"]]',
    '["nucleus", [10, 20, 30, 40]]',
    "[10, 20, 30, 40, 'nucleus', 0.93]",
    '{"bbox": [10, 20, 30, 40, 0.93], "label": "nucleus"}',
    '{"bbox": "10, 20, 30, 40"}',
    '{"bbox": "[10, 20, 30, 40]"}',
    '{"bbox": "10 20 30 40"}',
    '{"bbox": "(10,20),(30,40)"}',
    '{"boxes": ["10, 20, 30, 40"]}',
    '["10,20,30,40"]',
    "[[10, 20], [30, 40]]",
    "[[[10, 20], [30, 40]]]",
    '{"bbox": [[10, 20], [30, 40]]}',
    "[(10, 20), (30, 40)]",
    '{"image": {"width": 512, "height": 512, "x": 0, "y": 0}, "boxes": [[10, 20, 30, 40]]}',
    '{"image_size": [512, 512], "nucleus": [10, 20, 30, 40]}',
    '{"width": 512, "height": 512, "x": 0, "y": 0, "boxes": [[10, 20, 30, 40]]}',
    '{"picture": {"x": 0, "y": 0, "w": 512, "h": 512, "objects": [{"bbox": [10, 20, 30, 40]}]}}',
    '{"bbox": [10, 20, 30, 40], "x1": 10, "y1": 20, "x2": 30, "y2": 40}',
    '{"label": "nucleus", "score": 0.9, "color": [255, 0, 0, 1], "bbox": [10, 20, 30, 40]}',
]


@pytest.mark.parametrize("text", FORMS)
def test_forms_that_models_use_are_one_box(text):
    found = read_boxes(text, "pixels_xyxy")
    assert (found.boxes.tolist(), found.status) == ([[10, 20, 30, 40]], "parsed")


@pytest.mark.parametrize("text", FORMS)
def test_a_form_that_is_cut_off_gives_no_other_box(text):
    for end in range(len(text)):
        found = read_boxes(text[:end], "pixels_xyxy").boxes.tolist()
        assert found in ([], [[10, 20, 30, 40]])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # The convention's order holds where no key states one: y first.
        ('{"nucleus": [20, 10, 40, 30]}', [[10, 20, 30, 40]]),
        ('{"box_2d": [20, 10, 40, 30]}', [[10, 20, 30, 40]]),
        ('{"bbox_xyxy": [10, 20, 30, 40]}', [[10, 20, 30, 40]]),
        ('{"bbox_xywh": [10, 20, 20, 20]}', [[10, 20, 30, 40]]),
        ("[[20, 10], [40, 30]]", [[10, 20, 30, 40]]),
        ('{"top_left": {"x": 10, "y": 20}, "bottom_right": {"x": 30, "y": 40}}', [[10, 20, 30, 40]]),
        ('{"box": "20, 10, 40, 30"}', [[10, 20, 30, 40]]),
    ],
)
def test_a_stated_order_beats_the_conventions(text, expected):
    assert boxes_of(text, "grid1000_yxyx") == expected


def test_keys_beat_the_conventions_order():
    assert boxes_of('{"x1": 1, "y1": 2, "x2": 3, "y2": 4}, {"box_2d": [1, 2, 3, 4]}', "grid1000_yxyx") == [
        [1, 2, 3, 4],
        [2, 1, 4, 3],
    ]


def test_width_and_height_only_count_where_a_key_says_so():
    assert boxes_of('{"x": 10, "y": 20, "width": 5, "height": 6}, {"bbox": [10, 20, 5, 6]}') == [
        [10, 20, 15, 26],
        [10, 20, 5, 6],
    ]


@pytest.mark.parametrize(
    ("text", "convention", "num_boxes"),
    [
        ('[{"bbox_2d": [1, 2, 3, 4], "label": "a"}, {"bbox_2d": [5, 6, 7', "pixels_xyxy", 1),
        ('[{"bbox_2d": [1, 2, 3, 4], "label": "a"}, {"bbox', "pixels_xyxy", 1),
        ('[{"bbox_2d": [1, 2, 3, 4], "label": "a', "pixels_xyxy", 1),
        ("[[1, 2, 3, 4], [5, 6, 7, 8", "pixels_xyxy", 1),
        ("[[1, 2, 3, 4], ", "pixels_xyxy", 1),
        ('[[1, 2, 3, 4], "not (5, 6, 7, 8)', "pixels_xyxy", 1),
        ("[[1,2,3,4;5,6,7,8;9,", "pixels_xyxy", 2),
        ("[", "pixels_xyxy", 0),
        ('{"x1": 1, "y1": 2, "x2": 3, "y2": 4}, {"x1": 5, "y1": 6, "x2": 7, "y2": 8', "pixels_xyxy", 1),
        ("cell(1,2),(3,4)(5,6),", "pixels_xyxy", 1),
        ("cell(1,2),(3,4)(5,6),(7", "pixels_xyxy", 1),
        ("<box>1 2 3 4</box><box>5 6 7", "pixels_xyxy", 1),
        ("<loc0001><loc0002><loc0003><loc0004> a ; <loc0001><loc0002>", "loc1024_yxyx", 1),
        ("<loc0001><loc0002><loc0003><loc0004> a ; <loc0001><loc0002><loc0003><loc00", "loc1024_yxyx", 1),
        ("<loc0001><loc0002><loc0003><loc0004> a ; <loc00", "loc1024_yxyx", 1),
        ("a<loc_1><loc_2><loc_3><loc_4><loc_5><loc_6>", "bin1000_center_xyxy", 1),
        ("a<loc_1><loc_2><loc_3><loc_4><lo", "bin1000_center_xyxy", 1),
        (
            "<object><patch_index_0001><patch_index_0044></delimiter_of_multi_objects/><patch_index_0001>",
            "patch32_kosmos2",
            1,
        ),
    ],
)
def test_a_truncated_answer_keeps_its_complete_boxes(text, convention, num_boxes):
    found = read_boxes(text, convention)
    assert (found.status, len(found.boxes)) == ("truncated", num_boxes)


@pytest.mark.parametrize(
    "text", ["Boxes: [1, 2, 3, 4] (see", "[1, 2, 3, 4] :(", "Of [0, 512) I take [1, 2, 3, 4] as the box"]
)
def test_a_bracket_left_open_in_prose_is_no_truncation(text):
    assert read_boxes(text).status == "parsed"
