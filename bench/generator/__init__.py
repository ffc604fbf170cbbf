"""Sends requests when the schedule says, reads the answers, records both. Each generator is a process of its own.

``plan`` is what a process is told, ``fleet`` the side that starts and hears them; the rest runs in the process.
"""
