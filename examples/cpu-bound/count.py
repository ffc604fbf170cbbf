from promptflow.core import tool

MOST = 5_000_000


@tool
def count(below: int) -> int:
    if below > MOST:
        raise ValueError(f"at most {MOST} are counted")
    is_prime = bytearray([1]) * max(below, 0)
    is_prime[:2] = bytes(len(is_prime[:2]))
    for number in range(2, below):
        if number * number >= below:
            break
        if is_prime[number]:
            for multiple in range(number * number, below, number):
                is_prime[multiple] = 0
    return sum(is_prime)
