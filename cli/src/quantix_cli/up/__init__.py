"""`make up`, `make down` and `make clean`: how a machine becomes a Quantix host, and stops being one.

    bootstrap.py    where `make up` begins, on a Python with nothing but its standard library
      prepare/      the first half: is the machine fit; packages, virtual environment, builds
    commands/up.py  (the verb `qx up`, which the bootstrap becomes)
      start/        the second half: control plane and defaults, this machine as a host, the example
    commands/down.py
      stop/         guests, then services (`qx down`); all that was ever made (`make clean`)

Beside them what the halves share: `settings.py` and `installation.py` (which installation), `links.py`
(qx and kubectl on the search path), `hostd_door.py` (the hostd of this machine), and `run/` (steps, what is
shown of them, their log). `prepare/`, `run/` and all that they import use the standard library alone; the
layers are contracts in .importlinter.
"""
