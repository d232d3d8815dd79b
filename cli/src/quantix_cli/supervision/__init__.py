"""The processes of an installation: one table, kept running by systemd where it runs, else by supervisord.

Used by `qx up` and `qx down`. `service.py` and `table.py` say what runs; `systemd.py` and `supervisord.py`
render that and drive the supervisor. Nothing here supervises by itself.
"""
