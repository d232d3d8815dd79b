"""Domains as libvirt's XML: rendered by small pure configurators, compared by a semantic view."""
