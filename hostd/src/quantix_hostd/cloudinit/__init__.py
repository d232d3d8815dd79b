"""The NoCloud seed of a VM: what cloud-init in the guest reads at its first boot."""
