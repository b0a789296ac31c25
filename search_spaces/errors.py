"""The root of Caviar's error tree, and the errors of search spaces.

```
CaviarError
├── InvalidSpaceError     a domain, condition or constraint that cannot be
├── InvalidYamlError      a document that the strict YAML reader refuses
├── TrainerError          training code that cannot be loaded, restored or understood
└── SweepError            a sweep that cannot be specified, opened or continued
    ├── InvalidSpecError
    ├── SweepLockedError
    ├── JournalError
    │   └── ReplayError
    ├── SweepStoppedError
    ├── StorageError
    │   └── ObjectStoreError
    ├── ResultsError
    ├── WorkerError
    └── ClusterError
```
"""


class CaviarError(Exception):
    """Base class of every error that Caviar raises on purpose."""


class InvalidSpaceError(CaviarError, ValueError):
    """A domain, condition or constraint breaks a rule; the message names it, the value and what is allowed."""


class InvalidYamlError(CaviarError, ValueError):
    """A YAML document breaks a rule of the strict reader; the message names the source, the line and the rule."""
