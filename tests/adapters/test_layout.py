"""Claims about the folders of the models' package: each imports only folders of lower floors."""

from tests.test_rooms import imports

PACKAGE = "microbench_adapters"
# From the ground floor up; a folder imports itself and lower floors.
FLOORS = ({"checkpoints", "models"}, {"libraries"}, {"manifests", "named_models"}, {"commands"})
FLOOR_OF = {folder: number for number, folders in enumerate(FLOORS) for folder in folders}


def folder_of(module):
    return module.split(".")[1]


def test_a_folder_imports_only_folders_below_it():
    own = {
        (folder_of(module), folder_of(other))
        for module, others in imports().items()
        for other in others
        if module.startswith(f"{PACKAGE}.") and other.startswith(f"{PACKAGE}.")
    }
    assert {pair for pair in own if pair[0] != pair[1] and FLOOR_OF[pair[0]] <= FLOOR_OF[pair[1]]} == set()


def test_every_module_is_in_a_folder():
    assert {folder_of(module) for module in imports() if module.startswith(f"{PACKAGE}.")} == FLOOR_OF.keys()
