"""Kinds that only say something: InstanceType, HAPolicy, SchedulingPolicy."""
