"""One worker: a process with one event loop that serves a compiled plan. Composes the rooms below.

The processes above the fork line import the plain modules from here (``channel``, ``bell``, ``lifeline``, ``messages``,
``duty``, ``inbox``). ``worker`` and ``accept`` bring the event loop with them: a leader imports them, a master never.
"""
