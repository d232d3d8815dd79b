"""Metrics of a host and its pools, served by its hostd. Data only."""

from __future__ import annotations

from quantix_api.metric import counter, gauge

_POOL = ("pool",)

HOST_INFO = gauge(
    "quantix_host_info",
    "The host and how it runs guests; accelerator is kvm, or tcg where guests are emulated.",
    ("name", "accelerator", "kernel", "qemu"),
)
HOST_CPUS = gauge("quantix_host_cpus", "CPUs that the host has online.")
HOST_CPU_SECONDS = counter(
    "quantix_host_cpu_seconds_total",
    "Time that all CPUs together spent, by what they did; guests count as user.",
    ("mode",),
    unit="seconds",
)
HOST_LOAD1 = gauge("quantix_host_load1", "Tasks that ran or waited for CPU or disk, averaged over 1 minute.")
HOST_LOAD5 = gauge("quantix_host_load5", "The same, averaged over 5 minutes.")
HOST_LOAD15 = gauge("quantix_host_load15", "The same, averaged over 15 minutes.")
HOST_BOOT_TIME = gauge(
    "quantix_host_boot_time_seconds", "When the host was started (Unix time).", unit="seconds"
)
HOST_PRESSURE = counter(
    "quantix_host_pressure_seconds_total",
    "Time in which some or all (share=full) tasks waited for cpu, memory or io; none from a kernel without "
    "pressure stall information.",
    ("resource", "share"),
    unit="seconds",
)
HOST_MEMORY_CAPACITY = gauge("quantix_host_memory_capacity_bytes", "Memory of the host.", unit="bytes")
HOST_MEMORY_AVAILABLE = gauge(
    "quantix_host_memory_available_bytes",
    "Memory that can still be had without swapping, as the kernel estimates it.",
    unit="bytes",
)
HOST_SWAP_CAPACITY = gauge("quantix_host_swap_capacity_bytes", "Swap of the host.", unit="bytes")
HOST_SWAP_FREE = gauge("quantix_host_swap_free_bytes", "Swap that is free.", unit="bytes")
HOST_OOM_KILLS = counter(
    "quantix_host_oom_kills_total", "Processes that the kernel killed for want of memory."
)
HOST_VMS = gauge(
    "quantix_host_vms", "Guests that QEMU runs on the host, by the state of their domain.", ("state",)
)
HOST_ORPHANS = gauge("quantix_host_orphan_guests", "Guests whose VM the API does not have.")
POOL_USABLE = gauge(
    "quantix_pool_usable", "1 when the host can use the pool at its last look, at most 30 s ago.", _POOL
)
POOL_CAPACITY = gauge(
    "quantix_pool_capacity_bytes", "Size of the file system of the pool.", _POOL, unit="bytes"
)
POOL_AVAILABLE = gauge(
    "quantix_pool_available_bytes", "Space in the pool that can still be written.", _POOL, unit="bytes"
)
POOL_ORPHAN_VOLUMES = gauge("quantix_pool_orphan_volumes", "Volumes here of which the API has none.", _POOL)

HOST_METRICS = (
    HOST_INFO,
    HOST_CPUS,
    HOST_CPU_SECONDS,
    HOST_LOAD1,
    HOST_LOAD5,
    HOST_LOAD15,
    HOST_BOOT_TIME,
    HOST_PRESSURE,
    HOST_MEMORY_CAPACITY,
    HOST_MEMORY_AVAILABLE,
    HOST_SWAP_CAPACITY,
    HOST_SWAP_FREE,
    HOST_OOM_KILLS,
    HOST_VMS,
    HOST_ORPHANS,
    POOL_USABLE,
    POOL_CAPACITY,
    POOL_AVAILABLE,
    POOL_ORPHAN_VOLUMES,
)
