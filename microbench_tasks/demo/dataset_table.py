"""State the 24 datasets of the demo set as one table: what is drawn, how it is described, how it is stored.

Dataset names, columns and irregularities are those of the release. Every image is a drawing, and the table names no
institution, licence or taxon of a real collection for it.
"""

from __future__ import annotations

from microbench_tasks.catalog.release_columns import DATASET_OF_STAIN
from microbench_tasks.demo.canvas import Shape
from microbench_tasks.demo.painters import (
    amyloid,
    colorectal,
    electron,
    fluorescence,
    heart,
    mitosis,
    smears,
    synthetic,
)
from microbench_tasks.demo.specs import DemoDataset, Painter, Setting

LIGHT, FLUORESCENCE, ELECTRON = "light microscopy", "fluorescence microscopy", "electron microscopy"
HUMAN, MOUSE = ("NCBITaxon_9606", "Homo sapiens"), ("NCBITaxon_10090", "Mus musculus")
STAIN_OF_DATASET = {name: stain for stain, name in DATASET_OF_STAIN.items()}
H2B_STAIN, GALT_STAIN = STAIN_OF_DATASET["held_et_al_2010_h2b"], STAIN_OF_DATASET["held_et_al_2010_galt"]


def _pathology(subdomain: str, stain: str) -> Setting:
    return Setting("pathology", subdomain, LIGHT, "brightfield microscopy", stain)


def _biology(subdomain: str, modality: str, submodality: str, stain: str) -> Setting:
    return Setting("biology", subdomain, modality, submodality, stain)


SIMULATED_CELL = _biology("cell biology", FLUORESCENCE, "confocal microscopy", "calcein AM and Hoechst")
COLORECTAL_H_E = _pathology("gastrointestinal pathology", "H&E")
AMYLOID_DAB = _pathology("neuropathology", "IHC(DAB)")
TIME_LAPSE_QUESTION = (
    "Time-lapse fluorescence micrograph of a living human cell. Based on the image, what is the most likely {subject}?"
)
FLOW_QUESTION = (
    "Imaging flow cytometry of a human T cell, {mode}. Based on the image, what is the most likely cell cycle phase?"
)
COLORECTAL_QUESTION = (
    "H&E stained light micrograph of human colorectal tissue. Based on the image, what is the most likely tissue?"
)
AMYLOID_QUESTION = (
    "Light micrograph of human brain tissue with amyloid beta stained by IHC(DAB). "
    "Based on the image, what is the most likely amyloid morphology?"
)
COLORECTAL_2018 = (
    "adipose tissue",
    "cancer-associated stroma",
    "colorectal adenocarcinoma epithelium",
    "debris",
    "lymphocytes",
    "mucus",
    "normal colon mucosa",
    "smooth muscle",
)
CELL_CYCLE = ("G1", "S", "G2", "prophase", "metaphase", "anaphase", "telophase")
AMYLOID_CLASSES = ("cerebral amyloid angiopathy", "cored plaque", "diffuse plaque", "no amyloid deposit")
GRADES = tuple(smears.PAP_CELLS)


def _simulated_cell(name: str, paint: Painter, classes: tuple[str, ...]) -> DemoDataset:
    return DemoDataset(
        name=f"burgess_et_al_2024_{name}",
        setting=SIMULATED_CELL,
        paint=paint,
        size=(128, 128),
        classes=classes,
        question=(
            "Simulated fluorescence micrograph of a single cell with its nucleus. "
            f"Based on the image, what is the most accurate description of the cell's {name}?"
        ),
        captions=("A simulated cell with {class}.", "Fluorescence micrograph of one synthetic cell, {class}."),
        synthetic=True,
        shares_ids_with="burgess_et_al_2024",
    )


def _flow(
    name: str,
    paint: Painter,
    setting: Setting,
    mode: str,
    classes: tuple[str, ...],
    image_mode: str = "L",
) -> DemoDataset:
    return DemoDataset(
        name=f"eulenberg_et_al_2017_{name}",
        setting=setting,
        paint=paint,
        size=(66, 66),
        classes=classes,
        question=FLOW_QUESTION.format(mode=mode),
        captions=(
            f"A {mode} image of a cell in {{class}}.",
            f"Imaging flow cytometry ({mode}) of a floating cell in {{class}}.",
        ),
        mode=image_mode,
        full_scale=4095,
        microns_per_pixel=0.33,
        taxon=HUMAN,
    )


def _colorectal(name: str, classes: tuple[str, ...], size: Shape, mode: str = "RGB") -> DemoDataset:
    return DemoDataset(
        name=name,
        setting=COLORECTAL_H_E,
        paint=colorectal.colorectal,
        size=size,
        classes=classes,
        question=COLORECTAL_QUESTION,
        captions=(
            "An H&E micrograph of {class}.",
            "A histology image of colorectal tissue, stained with H&E, that shows {class}.",
        ),
        mode=mode,
        microns_per_pixel=0.5,
        taxon=HUMAN,
    )


def _amyloid(name: str, paint: Painter, size: Shape) -> DemoDataset:
    return DemoDataset(
        name=name,
        setting=AMYLOID_DAB,
        paint=paint,
        size=size,
        classes=AMYLOID_CLASSES,
        question=AMYLOID_QUESTION,
        captions=(
            "An IHC(DAB) micrograph of brain tissue with {class}.",
            "Human brain stained for amyloid beta, showing {class}.",
        ),
        microns_per_pixel=1.0,
        taxon=HUMAN,
    )


DATASETS = (
    DemoDataset(
        name="acevedo_et_al_2020",
        setting=_pathology("hematopathology", "May-Grunwald-Giemsa"),
        paint=smears.blood,
        size=(160, 160),
        classes=(
            "basophil",
            "eosinophil",
            "erythroblast",
            "immature granulocyte",
            "lymphocyte",
            "monocyte",
            "neutrophil",
            "platelet",
        ),
        question=(
            "May-Grunwald-Giemsa stained light micrograph of a human blood smear. "
            "Based on the image, what is the most likely cell type?"
        ),
        captions=(
            "A blood smear micrograph of a {class}.",
            "A May-Grunwald-Giemsa stained smear with a {class} among red blood cells.",
        ),
        microns_per_pixel=0.22,
        taxon=HUMAN,
    ),
    DemoDataset(
        name="jung_et_al_2022",
        setting=_pathology("hematopathology", "Wright-Giemsa"),
        paint=smears.blood_close_up,
        size=(128, 128),
        classes=("basophil", "eosinophil", "lymphocyte", "monocyte", "neutrophil"),
        question=(
            "Synthetic light micrograph of a human white blood cell. "
            "Based on the image, what is the most likely cell type?"
        ),
        captions=("A synthetic micrograph of a {class}.", "A generated close-up of a Giemsa stained {class}."),
        microns_per_pixel=0.12,
        taxon=HUMAN,
        synthetic=True,
    ),
    _simulated_cell("contour", synthetic.contour, tuple(synthetic.CONTOUR)),
    _simulated_cell("eccentricity", synthetic.eccentricity, tuple(synthetic.ECCENTRICITY)),
    _simulated_cell("texture", synthetic.texture, tuple(synthetic.TEXTURE)),
    DemoDataset(
        name="empiar_sbfsem",
        setting=_biology(
            "neurobiology", ELECTRON, "serial block-face scanning electron microscopy", "osmium tetroxide"
        ),
        paint=electron.block_face,
        size=(160, 160),
        classes=tuple(electron.BLOCK_FACE),
        question=(
            "Serial block-face electron micrograph of mouse tissue. "
            "Based on the image, what is the most likely structure at the center?"
        ),
        captions=("An electron micrograph of a {class}.", "A serial block-face section with a {class} at the center."),
        mode="L",
        microns_per_pixel=0.01,
        taxon=MOUSE,
    ),
    DemoDataset(
        name="colocalization_benchmark",
        setting=_biology(
            "molecular biology",
            FLUORESCENCE,
            "total internal reflection fluorescence microscopy",
            "Alexa Fluor 488 and 594",
        ),
        paint=fluorescence.colocalization,
        size=(128, 128),
        classes=tuple(fluorescence.COLOCALIZATION),
        question=(
            "Simulated two-color fluorescence micrograph. "
            "Based on the image, what is the most accurate description of the colocalization?"
        ),
        captions=(
            "A two-color micrograph with {class} colocalization.",
            "Red and green spots whose colocalization is {class}.",
        ),
        mode="RGBA",
        synthetic=True,
    ),
    _flow(
        "brightfield",
        mitosis.flow_brightfield,
        _biology("immunology", LIGHT, "brightfield microscopy", "unstained"),
        "brightfield",
        CELL_CYCLE,
    ),
    _flow(
        "darkfield",
        mitosis.flow_darkfield,
        _biology("immunology", LIGHT, "darkfield microscopy", "unstained"),
        "darkfield",
        CELL_CYCLE,
    ),
    _flow(
        "epifluorescence",
        mitosis.flow_fluorescence,
        _biology("immunology", FLUORESCENCE, "epifluorescence microscopy", "propidium iodide"),
        "epifluorescence",
        ("interphase", *CELL_CYCLE[3:]),
        "I;16",
    ),
    DemoDataset(
        name="held_et_al_2010_h2b",
        setting=_biology("cell biology", FLUORESCENCE, "epifluorescence microscopy", H2B_STAIN),
        paint=mitosis.h2b,
        size=(128, 128),
        classes=(
            "apoptosis",
            "early anaphase",
            "interphase",
            "late anaphase",
            "metaphase",
            "multilobed",
            "prometaphase",
            "prophase",
            "telophase",
        ),
        question=TIME_LAPSE_QUESTION.format(subject="nuclear phenotype"),
        captions=(
            "A micrograph of chromatin, nuclear phenotype {class}.",
            "Fluorescent histone H2B in a living cell, {class}.",
        ),
        mode="I;16",
        microns_per_pixel=0.33,
        taxon=HUMAN,
        named_in_release=False,
    ),
    DemoDataset(
        name="held_et_al_2010_galt",
        setting=_biology("cell biology", FLUORESCENCE, "epifluorescence microscopy", GALT_STAIN),
        paint=mitosis.golgi,
        size=(128, 128),
        classes=tuple(sorted(mitosis.GOLGI)),
        question=TIME_LAPSE_QUESTION.format(subject="Golgi phenotype"),
        captions=(
            "A micrograph of the Golgi apparatus, phenotype {class}.",
            "Fluorescent galactosyltransferase in a living cell, {class}.",
        ),
        mode="I;16",
        full_scale=4095,
        microns_per_pixel=0.33,
        taxon=HUMAN,
        named_in_release=False,
    ),
    DemoDataset(
        name="hussain_et_al_2019",
        setting=Setting("cytology", "gynecologic cytology", LIGHT, "brightfield microscopy", "Papanicolaou"),
        paint=smears.pap_smear,
        size=(192, 192),
        classes=GRADES,
        question=(
            "Liquid-based cytology Pap smear of the human cervix. Based on the cytogram, what is the "
            "most likely finding?"
        ),
        captions=(
            "A Pap smear micrograph showing {class}.",
            "Liquid-based cervical cytology, Papanicolaou stain, with {class}.",
        ),
        microns_per_pixel=0.3,
        taxon=HUMAN,
    ),
    DemoDataset(
        name="icpr2020_pollen",
        setting=_biology("botany", LIGHT, "brightfield microscopy", "Basic fuchsin"),
        paint=smears.pollen,
        size=(84, 84),
        classes=tuple(smears.POLLEN),
        question=(
            "Basic fuchsin stained light micrograph of an airborne particle. "
            "Based on the image, what is the most likely pollen type?"
        ),
        captions=("A light micrograph of {class}.", "A single grain of {class}, stained with basic fuchsin."),
        microns_per_pixel=0.5,
    ),
    _colorectal("kather_et_al_2016", tuple(colorectal.COLORECTAL)[:8], (150, 150)),
    _colorectal("kather_et_al_2018", COLORECTAL_2018, (224, 224)),
    _colorectal("kather_et_al_2018_val7k", COLORECTAL_2018, (192, 192)),
    DemoDataset(
        name="nirschl_et_al_2018",
        setting=_pathology("cardiovascular pathology", "H&E"),
        paint=heart.heart_muscle,
        size=(192, 192),
        classes=("not chronic heart failure", "chronic heart failure"),
        question=(
            "H&E stained light micrograph of human cardiac tissue. "
            "Based on the image, what is the most likely clinical chronic heart diagnosis?"
        ),
        captions=("An H&E micrograph of {class}.", "Human heart muscle, stained with H&E, of a patient with {class}."),
        microns_per_pixel=2.0,
        taxon=HUMAN,
    ),
    DemoDataset(
        name="nirschl_unpub_fluorescence",
        setting=_biology("cell and molecular biology", FLUORESCENCE, "confocal microscopy", "mixed"),
        paint=fluorescence.structures,
        size=(160, 160),
        classes=tuple(fluorescence.STRUCTURES),
        question="Fluorescence micrograph. Based on the image, what is the most likely organism or structure?",
        captions=("A fluorescence micrograph of {class}.", "Fluorescently labeled {class} under the microscope."),
        asks_stain=False,
    ),
    _amyloid("tang_et_al_2019", amyloid.amyloid, (160, 160)),
    _amyloid("wong_et_al_2022", amyloid.amyloid_close_up, (192, 192)),
    DemoDataset(
        name="wu_et_al_2023",
        setting=_biology("structural biology", ELECTRON, "cryo-electron tomography", "unstained"),
        paint=electron.cryo_tomogram,
        size=(192, 192),
        classes=("normal mitochondrial morphology", "abnormal mitochondrial morphology"),
        question=(
            "Slice of a cryo-electron tomogram of mitochondria. "
            "Based on the image, what is the most likely mitochondrial morphology?"
        ),
        captions=(
            "A cryo-electron tomogram with {class}.",
            "A tomographic slice through frozen cells that shows {class}.",
        ),
        mode="I;16",
        microns_per_pixel=0.002,
        taxon=MOUSE,
    ),
    DemoDataset(
        name="opencell",
        setting=_biology("molecular biology", FLUORESCENCE, "confocal microscopy", "mNeonGreen and Hoechst"),
        paint=fluorescence.labelled_protein,
        size=(192, 192),
        microns_per_pixel=0.2,
        taxon=HUMAN,
    ),
    DemoDataset(
        name="sirinukunwattana_et_al_2016",
        setting=COLORECTAL_H_E,
        paint=colorectal.glands,
        size=(224, 320),
        microns_per_pixel=0.62,
        taxon=HUMAN,
    ),
)
