"""What all tests need: a quiet and repeatable backend."""

import fnmatch
import os
import pathlib
import random
import sys
import tempfile

import pytest

# Before any backend is imported, in every worker process. Tests are small and
# run side by side: a thread each saves PyTorch a tenth of its CPU time.
for _name, _value in {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    # Most of a JAX test is compiling, and most tests compile the same.
    "JAX_COMPILATION_CACHE_DIR": os.path.join(
        tempfile.gettempdir(), f"keras_rtd_tests_{os.getuid()}"
    ),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
}.items():
    os.environ.setdefault(_name, _value)
if os.environ["KERAS_BACKEND"] == "jax":
    # Half of the compile time: the programs are small and run a few times.
    os.environ.setdefault(
        "XLA_FLAGS",
        "--xla_backend_optimization_level=0 "
        "--xla_cpu_use_fusion_emitters=false",
    )

TESTS = pathlib.Path(__file__).parent
SHARED_DATA = TESTS.parent.parent / "shared" / "data"

# Tests of what never looks at the backend: `make test` runs them once.
RUN_ONCE = (
    "benchmarks_test.py",
    "cli_test.py",
    "imports_test.py",
    "interruption_test.py",
    "models/trained_preset_test.py",
    "package_test.py",
    "public_api_test.py",
    "tutorials_test.py",
    "data/*",
    "evaluation/glue_test.py",
    "evaluation/squad_test.py",
    "evaluation/tagging_test.py",
    "finetuning/suites_test.py",
    "pretraining/config_test.py",
    "pretraining/continuation_test.py",
    "pretraining/modern_run_test.py",
    "pretraining/remote_run_test.py",
    "pretraining/report_test.py",
    "pretraining/sources_run_test.py",
    "pretraining/workers_test.py",
    "serve/batching_test.py",
    "serve/guard_test.py",
    "serve/http_test.py",
    "serve/page_test.py",
    "tokenizers/electra_tokenizer_test.py",
    "tokenizers/graph_*",
    "tokenizers/normalizer_test.py",
    "tokenizers/vocabulary_file_test.py",
    "training/remote_checkpoint_test.py",
    "utils/bad_input_test.py",
    "utils/help_only_test.py",
    "utils/host_memory_test.py",
    "utils/writing_test.py",
    "overwriting_test.py",
)


def pytest_collection_modifyitems(items):
    for item in items:
        name = item.path.relative_to(TESTS).as_posix()
        if any(fnmatch.fnmatch(name, pattern) for pattern in RUN_ONCE):
            item.add_marker(pytest.mark.run_once)
        only = item.get_closest_marker("only_on")
        if only is None:
            continue
        if item.get_closest_marker("run_once"):
            # The first backend need not be that one: it would run nowhere.
            raise pytest.UsageError(f"{item.nodeid}: only_on and run_once")
        if os.environ["KERAS_BACKEND"] not in only.args:
            reason = f"only on {', '.join(only.args)}"
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def seeds():
    """Every test starts from the same random state."""
    random.seed(0)
    # Not imported for the tests that go without it.
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)


@pytest.fixture(scope="session")
def shared_data():
    """`pathlib.Path` of the real text beside the clone; skips without it."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no {SHARED_DATA}")
    return SHARED_DATA
