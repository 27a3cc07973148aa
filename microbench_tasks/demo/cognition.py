"""State the demo's reasoning questions: eight synthetic micrographs, fourteen questions with six options each."""

from __future__ import annotations

from dataclasses import dataclass

from microbench_tasks.demo.dataset_table import DATASETS
from microbench_tasks.demo.specs import DemoDataset

NONE_OPTION = "None of the above"
LETTERS = "ABCDEF"


@dataclass(frozen=True)
class Reasoning:
    """A question with its answer and five distractors."""

    question: str
    answer: str
    distractors: tuple[str, str, str, str, str]


@dataclass(frozen=True)
class CognitionImage:
    """A drawing of one class of a demo dataset, and the questions about it."""

    dataset: str
    label: str
    abnormal: bool
    questions: tuple[Reasoning, ...]

    @property
    def source(self) -> DemoDataset:
        """The demo dataset that it is drawn for."""
        return next(dataset for dataset in DATASETS if dataset.name == self.dataset)


def options_for(question: Reasoning, letter: str) -> tuple[list[str], str]:
    """Return the six options and the right one among them, which has ``letter`` (A to F).

    F is "None of the above". The answer itself is then not offered.
    """
    if letter == LETTERS[-1]:
        return [*question.distractors, NONE_OPTION], NONE_OPTION
    offered = list(question.distractors[:4])
    offered.insert(LETTERS.index(letter), question.answer)
    return [*offered, NONE_OPTION], question.answer


def metadata(number: int, image: CognitionImage, image_name: str) -> dict:
    """Return the JSON document for an image.

    The right letters go through A to F from one question to the next.

    Args:
        number: of the image's first question in the set.
        image: what is asked.
        image_name: the file of the image.
    """
    asked = {}
    for index, question in enumerate(image.questions):
        options, answer = options_for(question, LETTERS[(number + index) % len(LETTERS)])
        asked[f"cognition_{index}"] = {"question": question.question, "options": options, "answer": answer}
    setting = image.source.setting
    return {
        "metadata": {"name": image_name},
        "custom_metadata": {
            "domain": setting.domain,
            "subdomain": setting.subdomain,
            "modality": setting.modality,
            "submodality": setting.submodality,
            "microns_per_pixel": image.source.microns_per_pixel,
            "normal_or_abnormal": "abnormal" if image.abnormal else "normal",
            "questions": asked,
        },
    }


IMAGES = (
    CognitionImage(
        "acevedo_et_al_2020",
        "neutrophil",
        abnormal=False,
        questions=(
            Reasoning(
                "Judging by the nucleus and the granules of the cell at the center, what does this cell mainly do?",
                "It engulfs and kills bacteria early in an acute infection",
                (
                    "It secretes antibodies against a single antigen",
                    "It releases histamine in an immediate allergic reaction",
                    "It carries oxygen bound to hemoglobin",
                    "It plugs a torn vessel wall by sticking to others of its kind",
                    "It kills virus-infected cells that it recognizes by a T cell receptor",
                ),
            ),
            Reasoning(
                "A blood count shows three times the usual number of cells like the one at the center. "
                "Which cause is most likely?",
                "An acute bacterial infection",
                (
                    "An infection with parasitic worms",
                    "Iron deficiency",
                    "Chronic lymphocytic leukemia",
                    "Vitamin B12 deficiency",
                    "Hereditary spherocytosis",
                ),
            ),
        ),
    ),
    CognitionImage(
        "acevedo_et_al_2020",
        "eosinophil",
        abnormal=False,
        questions=(
            Reasoning(
                "Why do the granules of the cell at the center turn orange-red in this stain?",
                "They hold basic proteins that bind the acidic dye eosin",
                (
                    "They hold acidic heparin that binds the basic dye azure",
                    "They hold hemoglobin that absorbs blue light",
                    "They hold melanin that shows without any dye",
                    "They hold lipid that dissolves the dye",
                    "They hold DNA that binds the basic dye azure",
                ),
            ),
            Reasoning(
                "In which patient would you expect many more cells like the one at the center?",
                "A traveler with an intestinal worm infection",
                (
                    "A marathon runner with iron deficiency",
                    "A child with bacterial tonsillitis",
                    "A patient just after chemotherapy",
                    "An infant with hemolytic disease of the newborn",
                    "A patient with a low platelet count",
                ),
            ),
        ),
    ),
    CognitionImage(
        "tang_et_al_2019",
        "cored plaque",
        abnormal=True,
        questions=(
            Reasoning(
                "The brown deposit in this brain section has a dense core, a clear ring and a corona. "
                "Which protein makes up most of it?",
                "Amyloid beta",
                (
                    "Alpha-synuclein",
                    "TDP-43",
                    "Huntingtin",
                    "Neurofilament light chain",
                    "Glial fibrillary acidic protein",
                ),
            ),
            Reasoning(
                "Many deposits of this kind are found throughout the cortex of a person who had lost memory over "
                "years. Which diagnosis do they support most?",
                "Alzheimer's disease",
                (
                    "Amyotrophic lateral sclerosis",
                    "Huntington's disease",
                    "Multiple sclerosis",
                    "Parkinson's disease without dementia",
                    "Wernicke encephalopathy",
                ),
            ),
        ),
    ),
    CognitionImage(
        "wong_et_al_2022",
        "cerebral amyloid angiopathy",
        abnormal=True,
        questions=(
            Reasoning(
                "Which complication is a person most at risk of, whose brain shows many structures like the brown "
                "ring in this image?",
                "Bleeding into a lobe of the brain",
                (
                    "Demyelination of the optic nerve",
                    "A tumor of the meninges",
                    "Bacterial meningitis",
                    "Loss of dopaminergic neurons",
                    "Rupture of a berry aneurysm",
                ),
            ),
        ),
    ),
    CognitionImage(
        "held_et_al_2010_h2b",
        "metaphase",
        abnormal=False,
        questions=(
            Reasoning(
                "Chromatin is labeled in this living cell. "
                "Which control must be passed before the bar at the center splits in two?",
                "The spindle assembly checkpoint",
                (
                    "The G1 restriction point",
                    "The intra-S DNA damage checkpoint",
                    "Contact inhibition",
                    "The nutrient checkpoint",
                    "The abscission checkpoint",
                ),
            ),
            Reasoning(
                "The cells are treated with a drug that depolymerizes microtubules. "
                "What will most dividing cells look like after some hours?",
                "Arrested before anaphase, with condensed chromosomes that are not lined up",
                (
                    "Arrested in telophase, with two separate nuclei",
                    "Arrested in G1, with decondensed chromatin",
                    "Divided normally, but faster",
                    "Without any chromatin",
                    "Fused with their neighbors into a sheet of muscle",
                ),
            ),
        ),
    ),
    CognitionImage(
        "empiar_sbfsem",
        "myelinated axon",
        abnormal=False,
        questions=(
            Reasoning(
                "What does the thick dark ring around the large profile at the center do for the signals that "
                "travel along it?",
                "It lets them jump from gap to gap, which makes them faster",
                (
                    "It stores the neurotransmitter that they release",
                    "It produces the calcium that triggers them",
                    "It makes them travel in both directions at once",
                    "It slows them down so that they can be summed",
                    "It turns chemical signals into light",
                ),
            ),
            Reasoning(
                "The section comes from the brain. Which cell made the dark ring?",
                "An oligodendrocyte",
                ("A Schwann cell", "A microglial cell", "An ependymal cell", "A pericyte", "A fibroblast"),
            ),
        ),
    ),
    CognitionImage(
        "empiar_sbfsem",
        "synapse",
        abnormal=False,
        questions=(
            Reasoning(
                "What happens first when calcium flows into the profile that is packed with small round vesicles?",
                "Vesicles fuse with the membrane and empty into the cleft",
                (
                    "The dark band dissolves and both profiles merge",
                    "Chromosomes condense in the vesicles",
                    "The vesicles turn into lysosomes and digest the profile",
                    "Ribosomes assemble in the cleft",
                    "Myelin grows around the vesicles",
                ),
            ),
        ),
    ),
    CognitionImage(
        "wu_et_al_2023",
        "abnormal mitochondrial morphology",
        abnormal=True,
        questions=(
            Reasoning(
                "The round organelles have lost nearly all of their inner folds. Which process suffers most directly?",
                "Making ATP by oxidative phosphorylation",
                (
                    "Glycolysis in the cytosol",
                    "Glycosylation of secreted proteins",
                    "Splicing of messenger RNA",
                    "Digestion of worn-out proteins",
                    "Transport along microtubules",
                ),
            ),
            Reasoning(
                "Which release from swollen organelles like these would commit the cell to die by apoptosis?",
                "Cytochrome c",
                ("Histone H1", "Hemoglobin", "Insulin", "Clathrin", "Collagen"),
            ),
        ),
    ),
)
