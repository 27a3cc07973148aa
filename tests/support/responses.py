"""Options of questions, and what the strict rule reads in a response to them."""

from microbench_tasks.parsing.letters.strict_rule import strict_answer

CELLS = [
    "eosinophil",
    "basophil",
    "lymphocyte",
    "monocyte",
    "platelet",
    "erythroblast",
    "neutrophil",
    "none of the above",
]
FOUR = ["eosinophil", "basophil", "lymphocyte", "none of the above"]
STAINS = ["H&E", "Ziehl-Neelsen", "Basic fuchsin", "PAS", "IHC(HDab)", "none of the above"]
HEART = ["not chronic heart failure", "chronic heart failure", "none of the above"]
ORGANISMS = ["C. elegans", "B cell", "A549 cell", "E. coli", "none of the above"]
BASES = ["C", "G", "A", "T"]
MICE = ["wild type (+/+)", "knock-out (-/-)", "^A.*[B]$", "c++|\\d{2}"]
QUESTIONS = [CELLS, FOUR, STAINS, HEART, ORGANISMS, MICE, ["yes", "no"]]


def letter_or_kind(response, options=CELLS):
    """Return the letter that the strict rule reads, else the kind of response."""
    answer = strict_answer(response, options)
    return answer.letter or answer.kind
