# Many small objects of a dynamic language: records, dictionaries, a tree, text, an index of words.
import collections
import glob
import json
import re
import time


class Account:
    def __init__(self, number):
        self.number = number
        self.owner = f"customer {number * 7919 % 10007}"
        self.balance = number * 0.25
        self.history = [(day, number % 13 - 6) for day in range(number % 9)]


def tree(depth, number):
    if depth == 0:
        return number
    return {"left": tree(depth - 1, 2 * number), "right": tree(depth - 1, 2 * number + 1)}


accounts = {number: Account(number) for number in range(20_000)}
by_owner = collections.defaultdict(list)
for account in accounts.values():
    by_owner[account.owner].append(account)
nodes = tree(14, 1)
words = collections.Counter()
pages = {}
for path in sorted(glob.glob("/usr/share/common-licenses/*") + glob.glob("/usr/lib/python3.11/*.py")):
    with open(path, encoding="utf-8", errors="replace") as file:
        pages[path] = file.read()
    words.update(re.findall(r"\w+", pages[path]))
decoded = json.loads(json.dumps([vars(account) for account in accounts.values()][:8000]))
print("corpus: ready", flush=True)
time.sleep(3600)
