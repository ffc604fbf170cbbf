"""The programs that pfserve is measured against. Each module here is a program of its own."""
