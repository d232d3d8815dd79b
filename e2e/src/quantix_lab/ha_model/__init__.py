"""The rules of high availability as models that are searched through, state by state.

| module | models |
|---|---|
| `one_disk` | one disk that two hosts share: claims, fences, migrations, restored APIs, late leaders |
| `other_host` | a volume of a `dir` pool that moves to another host with its guest |
| `other_pool` | a volume that moves to another pool under its guest |
| `idle_volume` | work on a volume that no QEMU has, and a VM that uses it before and after |
| `made_volume` | a volume being made, by two makers |
| `whose_claim` | two VMs, and two clusters, that believe one volume theirs |
| `detector` | who is thought dead, and the brake; played through in time |

Each has its rules, with the failure that each prevents. `search` looks for the shortest way to a broken
invariant, and for states that lead nowhere. What the models add to the design is in docs/adr/0042.
"""
