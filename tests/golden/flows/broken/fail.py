from helper import LIMIT

print(LIMIT)
