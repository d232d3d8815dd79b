"""Metrics of each VM, served by the hostd of the host that has it. Data only.

`device` is the name of the disk or NIC in the VM's spec, or what the hypervisor calls a device that spec does
not name (any more).
"""

from __future__ import annotations

from quantix_api.metric import counter, gauge

VM_LABELS = ("namespace", "name", "uid")
_VCPU = (*VM_LABELS, "vcpu")
_DEVICE = (*VM_LABELS, "device")

VM_PHASE = gauge(
    "quantix_vm_phase", "1 for the phase that the VM has in the API, in one word.", (*VM_LABELS, "phase")
)
VM_STATE = gauge(
    "quantix_vm_state",
    "1 for the state of the VM's domain; reason tells why it is paused, such as user or ioerror.",
    (*VM_LABELS, "state", "reason"),
)
VM_RESTARTS = counter(
    "quantix_vm_restarts_total", "How often QEMU was started again after a failure.", VM_LABELS
)
VM_VCPUS = gauge("quantix_vm_vcpus", "vCPUs that the guest has.", VM_LABELS)
VM_CPU_SECONDS = counter(
    "quantix_vm_cpu_seconds_total",
    "CPU time of the VM on its host, emulation included.",
    VM_LABELS,
    unit="seconds",
)
VM_VCPU_SECONDS = counter("quantix_vm_vcpu_seconds_total", "CPU time of one vCPU.", _VCPU, unit="seconds")
VM_VCPU_DELAY_SECONDS = counter(
    "quantix_vm_vcpu_delay_seconds_total",
    "Time that one vCPU could have run but waited for a CPU of the host (the guest sees it as steal).",
    _VCPU,
    unit="seconds",
)
VM_MEMORY_ACTUAL = gauge(
    "quantix_vm_memory_actual_bytes",
    "Memory that the guest has, its balloon taken off.",
    VM_LABELS,
    unit="bytes",
)
VM_MEMORY_RESIDENT = gauge(
    "quantix_vm_memory_resident_bytes", "Memory of the host that QEMU holds.", VM_LABELS, unit="bytes"
)
VM_MEMORY_TOTAL = gauge(
    "quantix_vm_memory_guest_total_bytes",
    "Memory that the guest's kernel manages, as its balloon driver says; none without the driver.",
    VM_LABELS,
    unit="bytes",
)
VM_MEMORY_USABLE = gauge(
    "quantix_vm_memory_guest_available_bytes",
    "Memory that programs in the guest can still get, as its balloon driver says.",
    VM_LABELS,
    unit="bytes",
)
VM_MEMORY_FREE = gauge(
    "quantix_vm_memory_guest_free_bytes",
    "Memory in the guest that nothing uses, not even its cache, as its balloon driver says.",
    VM_LABELS,
    unit="bytes",
)
VM_DISK_READ_BYTES = counter(
    "quantix_vm_disk_read_bytes_total", "Bytes that the guest read from a disk.", _DEVICE, unit="bytes"
)
VM_DISK_WRITTEN_BYTES = counter(
    "quantix_vm_disk_written_bytes_total", "Bytes that the guest wrote to a disk.", _DEVICE, unit="bytes"
)
VM_DISK_READS = counter("quantix_vm_disk_reads_total", "Read requests to a disk.", _DEVICE)
VM_DISK_WRITES = counter("quantix_vm_disk_writes_total", "Write requests to a disk.", _DEVICE)
VM_DISK_FLUSHES = counter("quantix_vm_disk_flushes_total", "Flush requests to a disk.", _DEVICE)
VM_DISK_READ_SECONDS = counter(
    "quantix_vm_disk_read_seconds_total", "Time that read requests took.", _DEVICE, unit="seconds"
)
VM_DISK_WRITE_SECONDS = counter(
    "quantix_vm_disk_write_seconds_total", "Time that write requests took.", _DEVICE, unit="seconds"
)
VM_DISK_FLUSH_SECONDS = counter(
    "quantix_vm_disk_flush_seconds_total", "Time that flush requests took.", _DEVICE, unit="seconds"
)
VM_DISK_CAPACITY = gauge(
    "quantix_vm_disk_capacity_bytes", "Size of a disk as the guest sees it.", _DEVICE, unit="bytes"
)
VM_DISK_ALLOCATION = gauge(
    "quantix_vm_disk_allocation_bytes", "Space that a disk takes in its pool.", _DEVICE, unit="bytes"
)
VM_NETWORK_RECEIVED_BYTES = counter(
    "quantix_vm_network_received_bytes_total", "Bytes that the guest got by a NIC.", _DEVICE, unit="bytes"
)
VM_NETWORK_SENT_BYTES = counter(
    "quantix_vm_network_sent_bytes_total", "Bytes that the guest sent by a NIC.", _DEVICE, unit="bytes"
)
VM_NETWORK_RECEIVED_PACKETS = counter(
    "quantix_vm_network_received_packets_total", "Packets that the guest got by a NIC.", _DEVICE
)
VM_NETWORK_SENT_PACKETS = counter(
    "quantix_vm_network_sent_packets_total", "Packets that the guest sent by a NIC.", _DEVICE
)
VM_NETWORK_RECEIVED_ERRORS = counter(
    "quantix_vm_network_received_errors_total", "Packets to the guest with errors.", _DEVICE
)
VM_NETWORK_SENT_ERRORS = counter(
    "quantix_vm_network_sent_errors_total", "Packets from the guest with errors.", _DEVICE
)
VM_NETWORK_RECEIVED_DROPS = counter(
    "quantix_vm_network_received_drops_total", "Packets to the guest that were dropped.", _DEVICE
)
VM_NETWORK_SENT_DROPS = counter(
    "quantix_vm_network_sent_drops_total", "Packets from the guest that were dropped.", _DEVICE
)

VM_METRICS = (
    VM_PHASE,
    VM_STATE,
    VM_RESTARTS,
    VM_VCPUS,
    VM_CPU_SECONDS,
    VM_VCPU_SECONDS,
    VM_VCPU_DELAY_SECONDS,
    VM_MEMORY_ACTUAL,
    VM_MEMORY_RESIDENT,
    VM_MEMORY_TOTAL,
    VM_MEMORY_USABLE,
    VM_MEMORY_FREE,
    VM_DISK_READ_BYTES,
    VM_DISK_WRITTEN_BYTES,
    VM_DISK_READS,
    VM_DISK_WRITES,
    VM_DISK_FLUSHES,
    VM_DISK_READ_SECONDS,
    VM_DISK_WRITE_SECONDS,
    VM_DISK_FLUSH_SECONDS,
    VM_DISK_CAPACITY,
    VM_DISK_ALLOCATION,
    VM_NETWORK_RECEIVED_BYTES,
    VM_NETWORK_SENT_BYTES,
    VM_NETWORK_RECEIVED_PACKETS,
    VM_NETWORK_SENT_PACKETS,
    VM_NETWORK_RECEIVED_ERRORS,
    VM_NETWORK_SENT_ERRORS,
    VM_NETWORK_RECEIVED_DROPS,
    VM_NETWORK_SENT_DROPS,
)
