"""How a run goes: its steps, what people see of them, the log, the programs that steps call.

Knows nothing of what the steps do. Standard library only.
"""
