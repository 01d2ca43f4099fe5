"""The fixtures of the synth tests, for checkers that look at the same templates."""

from tests.synth.conftest import prod, synthesized

__all__ = ["prod", "synthesized"]
