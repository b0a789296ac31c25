"""How many threads numerical libraries use in a worker, said in the way that they read when they are loaded."""

_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def thread_variables(cpu: float) -> dict[str, str]:
    """The environment variables of a worker with so many CPUs: a thread for each whole CPU, at least one."""
    return dict.fromkeys(_VARIABLES, str(max(1, int(cpu))))
