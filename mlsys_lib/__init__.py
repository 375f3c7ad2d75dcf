"""Machine learning at scale, in algorithms short enough to read.

Each topic is a subpackage: `mlsys_lib.collectives` is taught in the chapter *Collectives*.
Importing `mlsys_lib` itself imports nothing else.
"""

__version__ = "0.1.0"
