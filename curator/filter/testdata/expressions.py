"""Records what Python 3.11 makes of random regular expressions, for TestAsPython. To renew:

    python3.11 curator/filter/testdata/expressions.py curator/filter/testdata/expressions.json.gz

A line is [expression, groups, {name: null | [match, first group or null]}], or [expression, null] if it is refused.
"""
import gzip
import json
import random
import re
import sys
import warnings

warnings.simplefilter('ignore')
R = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 6)
ATOMS = ['a', 'b', 'l', 'log', '.', r'\.', '-', '_', '1', '2', ' ', '#', 'é', '日', r'\d', r'\w', r'\s', r'\S', r'\D', r'\W', r'\-', r'\x61', r'\u0062',
         r'\61', r'\061', r'\0', r'\141', r'\n', r'\t', r'\/', r'\_', r'\é', '[ab]', '[^ab]', r'[\d.]', r'[\w-]', '[a-c]', '[]a]', '[^]a]', '[[:alpha:]]', '[a&&b]', '[a-]',
         r'[\]]', r'[^\W]', r'[^\s]', r'[\b]', r'[a\-z]', '[-a]', '[--a]', '[.-9]', '{', '}', ']', '{,', '{a}', 'x{', 'K', 'A', '&', '~', '%', '@', '"', '<', '>', '/', ',', '!', '=', ':', ';']
ANCHORS = ['^', '$', r'\A', r'\Z', r'\b', r'\B']
REPEATS = ['*', '+', '?', '{2}', '{1,2}', '{,2}', '{1,}', '{,}', '{0}', '*?', '+?', '??', '{1,2}?', '*+', '++', '?+', '{1,2}+']
OPENS = 12 * ['('] + 6 * ['(?:'] + ['(?=', '(?!', '(?<=', '(?<!', '(?P<n>', '(?P<m>', '(?>', '(?i:', '(?-i:', '(?s-i:', '(?m:']
BAD = ['**', '+*', '(?', ')', '(', '[', r'\z', r'\Q', r'\p{L}', r'\k', r'\G', '(?<n>a)', '(?U)', '(?i)', r'\8', '[b-a]', r'[\d-z]', '{2,1}', '(?P=q)', '(?#c)', r'\1', r'\2', '(?P=n)', '(?P<c>x)?(?(c)a|b)', '(x)?(?(1)a|b)', r'\N', '\\', '(?x)', '(?L)', r'\Z*', '^*', '$+', '|', '||', '()', '(?:)', '(|a)']
NAMES = ['log', 'a', 'l-2026.11.21', 'aab1-2', 'logstash-a_b', 'a\n', '\na', 'é-1', '日本', '٣4', 'LOG', 'Kk', 'a b#', 'x{2}', 'a-b]', '.log.1', 'bb\n\n', '1\x1c2', 'a\x85b', 'ab,a{,2}', 'b-a-', 'aaaa', '_']


def piece(depth):
    k = R.random()
    if k < 0.05:
        return R.choice(BAD)
    if k < 0.13:
        return R.choice(ANCHORS)
    if k < 0.35 and depth < 3:
        return R.choice(OPENS) + expression(depth + 1) + ')' + (R.choice(REPEATS) if R.random() < 0.4 else '')
    return R.choice(ATOMS) + (R.choice(REPEATS) if R.random() < 0.35 else '')


def expression(depth=0):
    out = ''.join(piece(depth) for _ in range(R.randint(1, 4 - depth)))
    return out + '|' + expression(depth + 1) if R.random() < 0.1 and depth < 3 else out


def record(text):
    try:
        e = re.compile(text)
    except Exception:
        return [text, None]
    found = {}
    for name in R.sample(NAMES, 8):
        m = e.search(name)
        found[name] = m and [m.group(0), m.group(1) if e.groups else None]
    return [text, e.groups, found]


with gzip.GzipFile(sys.argv[1], 'wb', 9, mtime=0) as out:
    for _ in range(5000):
        flags = R.choice(20 * [''] + ['(?i)', '(?s)', '(?m)', '(?a)', '(?x)', '(?im)', '(?u)'])
        out.write((json.dumps(record(flags + expression()), ensure_ascii=False) + '\n').encode())
