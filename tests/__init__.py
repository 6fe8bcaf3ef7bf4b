"""How many cores the tests' processes think they have: several of them share those of the machine.

Threads of OpenMP that spin while they wait for one another take from other processes what they wait for: beside two
others, the tests of the reader's eviction took six times as long. Those of OpenBLAS cannot be told to sleep, so that
there is one. Both are read as the libraries are loaded, and the processes that the tests start inherit them.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
