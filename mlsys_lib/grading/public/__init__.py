"""The public tests: what `check` runs in a learner's notebook, and the grader once more.

They ship with the package, so whoever wants to can read them. Each topic has a module here with a
dict ``TESTS``: for each exercise, functions that take the answers and raise `Mismatch`. The first
line of a function's docstring is what the learner reads beside its mark.
"""

import difflib
import inspect
from collections.abc import Callable, Iterator
from importlib import import_module

PublicTest = Callable[..., None]

EXERCISES: dict[str, dict[str, str]] = {
    "collectives": {
        "read_a_timeline": "Read a timeline",
        "crossover_bytes": "Where they cross",
        "reduce_scatter": "Reduce-scatter by hand",
        "ring_all_reduce": "Ring all-reduce",
        "halving_doubling": "Halving and doubling, for any number of machines",
        "stale_server": "A server with patience",
        "all_gather_uneven": "Nobody knows the others' lengths",
    },
    "distributed_trees": {
        "merge_summaries": "What shards know together",
        "best_cut": "The cut that gains most",
        "bin_edges": "Cut a column that nobody has",
        "dearer_from_depth": "From which depth on?",
        "level_histograms": "One level, many machines",
        "route_rows": "One bit a row",
        "elect_features": "Vote before you send",
    },
    "distributed_optimization": {
        "gradient_step": "One step downhill",
        "iterations_needed": "What a bound promises",
        "weighted_average": "Whose answer counts how much?",
        "dual_step": "One dual number",
        "bias_corrected": "An average without its bias",
        "duality_gap": "How far, at most?",
        "cocoa_round": "A round of CoCoA",
    },
    "optimizers": {
        "early_stop": "Stop, but when?",
        "adagrad_rates": "What is left of the rate",
        "adam_step": "One step of Adam",
        "nesterov_path": "Look before you step",
        "clip_gradients": "One norm for all",
        "batch_norm_train": "A batch has two variances",
        "sync_batch_norm": "One batch on many machines",
    },
    "federated_learning": {
        "weighted_mean": "Whoever answered",
        "local_steps": "Steps on a leash",
        "fedavg_fixed_point": "Where FedAvg stands still",
        "dissimilarity": "How far apart do they pull?",
        "qfedavg_step": "A step that is fair",
        "masked_update": "A number that nobody can read",
        "unmasked_sum": "Only the sum comes out",
        "federated_rounds": "Rounds between a server and its clients",
    },
    "gradient_compression": {
        "stochastic_levels": "Up or down, by a coin",
        "pack_signs": "One bit a number",
        "top_k_step": "Keep what you did not send",
        "atomo_probabilities": "Fill up to one",
        "bits_needed": "What travels, in bits",
        "majority_vote": "One bit up, one bit down",
        "compressed_mean": "A mean of what was kept",
    },
}
"""Titles by topic and name, in the order of the book."""


def names() -> Iterator[tuple[str, str, str]]:
    """Yield (topic, name, title) of every exercise that has public tests."""
    for topic, titles in EXERCISES.items():
        for name, title in titles.items():
            yield topic, name, title


def title_of(name: str) -> str:
    """Return the title of the exercise `name`."""
    return EXERCISES[_topic_of(name)][name]


def public_tests(name: str) -> tuple[PublicTest, ...]:
    """Return the public tests of the exercise `name`; only its topic's module is imported.

    Raises
    ------
    ValueError
        If there is no such exercise; the message lists names that are near.
    """
    module = import_module(f"mlsys_lib.grading.public.{_topic_of(name)}")
    tests: tuple[PublicTest, ...] = module.TESTS[name]
    return tests


def answers_of(name: str) -> tuple[str, ...]:
    """Return what `check` must be handed for `name`: the parameters of its tests."""
    return tuple(inspect.signature(public_tests(name)[0]).parameters)


def _topic_of(name: str) -> str:
    if not isinstance(name, str):
        raise TypeError(f"name must be the str that names an exercise, got {type(name).__name__}")
    topics = {known: topic for topic, known, _ in names()}
    if name not in topics:
        near = difflib.get_close_matches(name, topics, n=3, cutoff=0.4) or sorted(topics)
        words = ", ".join(repr(known) for known in near)
        raise ValueError(f"name must name an exercise, got {name!r}; near it: {words}")
    return topics[name]
