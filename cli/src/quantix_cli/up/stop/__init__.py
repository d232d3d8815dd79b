"""The way back: `stopping.py` keeps data and lets `make up` go on, `clean.py` leaves nothing."""
