"""The pages of docs/ that are generated from models and tables: the reference of the kinds, and what to do
about each reason.

Called by `quantix_api.generate`. Pure: the same models give the same text.
"""
