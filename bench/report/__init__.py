"""What was found, for readers: one page of sentences, tables, plots and models, set as HTML, Markdown or JSON.

``trials``, ``plans`` and ``tuning`` say what belongs on the page; ``plots``, ``html`` and ``markdown`` set it.
"""
