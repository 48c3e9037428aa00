"""Records what Elastic Curator decides about random lists, for TestAsCurator. To renew:

    python3 -m venv V && V/bin/pip install elasticsearch-curator==8.0.21
    V/bin/python curator/filter/testdata/record.py curator/filter/testdata/curator.json.gz

Curator's own lists run on a client that answers from memory. A case is
{"k": 0 indices | 1 snapshots, "now": seconds, "f": filters, "i": items, "ilm": the implicit rule is added} and
the answer: "left": names, or "error": the class of the exception, or "refused": true by the schema; "empty": a
filter met an empty list.
"""
import copy
import datetime as dt
import gzip
import json
import logging
import random
import sys
import warnings
from types import SimpleNamespace

from elasticsearch8.exceptions import NotFoundError

import curator.helpers.date_ops as date_ops
from curator.exceptions import NoIndices, NoSnapshots
from curator.indexlist import IndexList
from curator.snapshotlist import SnapshotList
from curator.validators.filter_functions import validfilters

logging.disable(logging.CRITICAL)
warnings.simplefilter('ignore')
R = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 20261121)
UTC = dt.timezone.utc

TIMESTRINGS = 8 * ['%Y.%m.%d'] + 3 * ['%Y-%m-%d', '%Y%m%d', '%Y.%m', '%G.%V', '%Y.%W', '%Y.%j'] + [
    '%Y%m', '%y%m%d', '%Y.%U', '%U.%y', '%W-%Y', '%Y.%V', '%G.%W', '%G%V', '%G', '%j.%Y', '%d.%m.%Y', '%Y.%m.%d.%H',
    '%Y%m%d%H%M%S', '%Y', '%y', '%H%M', '%m.%d', '%Y.%d', '%Y_%m_%d', '%Y.%m.%d-%H.%M', '%G.%V.%H', '%Y.%m.%d.%j',
    'logs-%Y', '%%Y', '%Y(.%m)?', '%Y.%q', '%Y.%Y', '%Y.', '%', 'é%Y', '%Y.%m.%W', '%d%m%Y', '%Y%j', '%Y%W', '%S%M%H%d%m%Y']
PREFIXES = ['l-', 'logstash-', 'a', 'é-', 'x_', 'myindex-', 'k8s.', '10.0.0.1-', 'b-12-', '', '.kibana_', '日本-', '٢٠-', 'A']
PATTERNS = ['^l', 'log', r'\d{4}', r'^(?!\.).*|(.ds-).*$', r'^(?P<n>l)-(?P=n)?', r'a\Z', r'[^\d]$', '(?i)LOG', 'l.*+-', r'(?:x|k8s\.)[\w.]+$',
            r'\bl', r'(?<=l)-', r'(a|b)\1', '[[:alpha:]]', r'[a-z&&b]', '^.{3,9}$', 'l{,2}-', r'\S+\s', 'é', r'[\W_]', r'^\w-', '(?x) l - # c', r'\x6c-',
            '*', 'a**', '(', r'\z', 'l(?i)', r'\Ql', '(?U)l', '[z-a]', 'a{3,2}', r'(?s).\.', r'^^l', r'\p{L}', r'(?#c)l', r'[]l]', '(?>l)-', r'[^]l]+$', 'x{', '^(l|k)?', 'docker-*', 'log.']
GROUPS = [r'^(.*)-\d', r'^([a-z]+)', r'(l)', r'^(myindex)-', r'^(.+)[-.]', r'^(a)?', r'(\w)\W', r'^(?:l|x)(.)', r'no group', r'(a)(b)', r'((', r'^(?P<s>.*?)-']
COUNTS = [r'-(\d+)-', r'_([0-9]+)_', r'(\d)', r'(', r'\d', r'(-?\d+)', r'(\d+)d', r'^(.)', r'(\d)?x']
UNITS = ['seconds', 'minutes', 'hours', 'days', 'days', 'days', 'weeks', 'months', 'years']
LENGTH = {'seconds': 1, 'minutes': 60, 'hours': 3600, 'days': 86400, 'weeks': 604800, 'months': 2592000, 'years': 31536000}


def clock():
    day = R.choice([
        lambda: dt.datetime(R.randint(2018, 2032), 1, 1) + dt.timedelta(seconds=R.randint(0, 366 * 86400)),
        lambda: dt.datetime(R.choice([2020, 2024, 2028, 2032]), R.choice([2, 2, 12]), 29, R.randint(0, 23)),
        lambda: dt.datetime(R.randint(2018, 2032), 12, 28) + dt.timedelta(days=R.randint(0, 8), hours=R.randint(0, 23)),
        lambda: dt.datetime(2026, 11, 22) + dt.timedelta(days=7 * R.randint(-60, 60), seconds=R.choice([0, 1, 43200, 86399])),
    ])()
    return int(day.replace(tzinfo=UTC).timestamp())


def text_of(now, timestring, unit):
    """A date near now, or something that only looks like one."""
    if R.random() < 0.1:
        return ''.join(f'{R.randint(0, 10 ** n - 1):0{n}}' if c in 'YGymWVUdHMSj' else c
                       for c, n in ((c, {'Y': 4, 'G': 4, 'j': 3}.get(c, 2)) for c in timestring.replace('%', '')))
    span = LENGTH[unit] * R.choice([1, 3, 10, 40])
    when = now - R.randint(-span // 4, span) if R.random() < 0.9 else R.randint(-10**9, 4 * 10**9)
    when = max(-62135596800, min(when, 253402300799))
    date = dt.datetime.fromtimestamp(when, UTC)
    text = date.strftime(timestring)
    if R.random() < 0.06:  # a digit changed
        at = R.randrange(len(text)) if text else 0
        if text[at:at + 1].isdigit():
            text = text[:at] + str(R.randint(0, 9)) + text[at + 1:]
    if R.random() < 0.02:
        text = text.replace('1', '١')
    return text


def name(now, timestrings, unit):
    out = R.choice(PREFIXES)
    if R.random() < 0.2:
        out += f'_{R.choice([0, 1, 2, 5, 9, 30, 1000])}_'
    kind = R.random()
    if kind < 0.8:
        out += text_of(now, R.choice(timestrings), unit)
        if kind < 0.1:
            out += '-' + text_of(now, R.choice(timestrings), unit)
    elif kind < 0.9:
        out += R.choice(['nodate', '000001', '000002', '1', '10', '9', '', 'log', 'a\n', 'docker-', 'aa', '2020.02.31', '2020.13', '2021.366', '2021.53', '0000.01.01'])
    else:
        out += text_of(now, R.choice(TIMESTRINGS), 'months')
    if R.random() < 0.15:
        out += R.choice(['-x', '.1', '_7d', '-2', '5', 'log', '\n'])
    return out or 'i'


def maybe(d, p=0.3, **kw):
    for k, v in kw.items():
        if R.random() < p:
            d[k] = v
    return d


def dating(f, timestring, snapshots, needed=True):
    source = R.choice(['name'] * 5 + ['creation_date'] * 2 + ['field_stats'] * (0 if snapshots else 2))
    f['source'] = source
    if source == 'name':
        f['timestring'] = timestring
    if source == 'field_stats':
        f['field'] = '@timestamp'
        maybe(f, 0.6, stats_result=R.choice(['min_value', 'max_value']))
    return f


def epoch(now):
    return R.choice([0, now, now * 1000, now + 86400 * R.randint(-50, 50), now + 86400 * 400, now * 10**6, now * 10**9, 12345, -86400, -12345678901])


def age(now, ts, unit, snapshots):
    f = dating({'filtertype': 'age', 'direction': R.choice(['older', 'older', 'younger']), 'unit': unit,
                'unit_count': R.choice([0, 1, 1, 2, 3, 5, 10, 30, 30, -1, -5])}, ts, snapshots)
    if R.random() < (0.03 if snapshots else 0.2):
        f['unit_count_pattern'] = R.choice(COUNTS)
        if R.random() < 0.3:
            f['unit_count'] = -1
    return maybe(maybe(f, 0.25, exclude=R.choice([True, False])), 0.15, epoch=epoch(now))


def period(now, ts, unit, snapshots):
    f = dating({'filtertype': 'period', 'unit': unit}, ts, snapshots)
    if R.random() < 0.8:
        a = R.choice([-40, -12, -5, -4, -3, -2, -1, -1, -1, 0, 0, 1, 30])
        f.update(range_from=a, range_to=a + R.choice([0, 0, 1, 2, 5, 12, 25, -1]))
        if R.random() < 0.02:
            f['range_from'] = -R.choice([10**4, 10**5])
        maybe(f, 0.4, week_starts_on=R.choice(['sunday', 'monday', 'Monday', 'SUNDAY']))
        maybe(f, 0.25, epoch=epoch(now))
    else:
        fmt = R.choice(['%Y.%m.%d', '%Y.%m', '%Y-%m-%d %H:%M:%S', '%d %b %Y', '%B %d, %Y', '%G.%V', '%Y.%W', '%y%j', '%Y', '%I %p %d/%m/%Y', '%c', '%x %X', '%A %U %Y', '%G %V %u'])
        a = now - R.randint(-40, 400) * 86400
        b = a + R.choice([0, 0, 1, 7, 40, 400]) * 86400
        show = lambda s: dt.datetime.fromtimestamp(s, UTC).strftime(fmt)
        f.update(period_type='absolute', date_from=show(a), date_to=show(b), date_from_format=fmt, date_to_format=fmt)
        if R.random() < 0.05:
            del f[R.choice(['date_from', 'date_to', 'date_from_format', 'date_to_format'])]
    if not snapshots:
        maybe(f, 0.3, intersect=True)
    return maybe(f, 0.2, exclude=R.choice([True, False]))


def count(now, ts, unit, snapshots):
    f = {'filtertype': 'count', 'count': R.choice([1, 1, 2, 3, 5])}
    if R.random() < 0.5:
        f['use_age'] = True
        dating(f, ts, snapshots)
    if R.random() < (0.05 if snapshots else 0.4):
        f['pattern'] = R.choice(GROUPS)
    return maybe(f, 0.4, reverse=R.choice([True, False]), exclude=R.choice([True, False, False]))


def pattern(now, ts, unit, snapshots):
    kind = R.choice(['prefix', 'suffix', 'timestring', 'regex', 'regex', 'regex'])
    value = R.choice(TIMESTRINGS) if kind == 'timestring' else R.choice(PATTERNS + ['l-', 'a'])
    return maybe({'filtertype': 'pattern', 'kind': kind, 'value': value}, exclude=R.choice([True, False]))


def simple(now, ts, unit, snapshots):
    if snapshots:
        return maybe({'filtertype': 'state'}, 0.5, state=R.choice(['SUCCESS', 'FAILED', 'PARTIAL', 'IN_PROGRESS']), exclude=True)
    f = R.choice([
        lambda: {'filtertype': 'closed'}, lambda: {'filtertype': 'opened'}, lambda: {'filtertype': 'empty'}, lambda: {'filtertype': 'ilm'},
        lambda: {'filtertype': 'kibana'}, lambda: {'filtertype': 'none'},
        lambda: maybe({'filtertype': 'shards', 'number_of_shards': R.randint(1, 3)}, 0.7, shard_filter_behavior=R.choice(
            ['greater_than', 'greater_than_or_equal', 'less_than', 'less_than_or_equal', 'equal'])),
        lambda: maybe({'filtertype': 'size', 'size_threshold': R.choice([1, 2, 2.5, '3'])}, 0.5, threshold_behavior=R.choice(['greater_than', 'less_than']),
                      size_behavior=R.choice(['primary', 'total'])),
        lambda: {'filtertype': 'alias', 'aliases': R.choice(['one', ['one'], ['one', 'two'], ['two', 'none'], ['t*'], ['x*', 'one'], 'one,two'])},
        lambda: {'filtertype': 'allocated', 'key': 'box', 'value': R.choice(['hot', 'cold'])},
        lambda: {'filtertype': 'forcemerged', 'max_num_segments': R.choice([1, 2])}])()
    return f if f['filtertype'] == 'none' else maybe(f, 0.4, exclude=R.choice([True, False, 'yes', 'no']))


def space(now, ts, unit, snapshots):
    if snapshots:
        return simple(now, ts, unit, snapshots)
    f = {'filtertype': 'space', 'disk_space': R.choice([1, 2, 3, 3, 5, 8.5])}
    if R.random() < 0.5:
        f['use_age'] = True
        dating(f, ts, snapshots)
    return maybe(f, 0.3, reverse=R.choice([True, False]), exclude=True, threshold_behavior=R.choice(['greater_than', 'less_than']))


def item(n, now, unit, snapshots):
    created = (now - R.randint(-3, 60) * LENGTH[unit]) * 1000 + R.choice([0, 0, 999])
    created = max(10**12, created)
    it = {'n': n, 'c': created}
    if snapshots:
        return maybe(it, 0.3, state=R.choice(['FAILED', 'PARTIAL', 'IN_PROGRESS']))
    it['s'] = R.choice([0, 1 << 30, 1 << 30, 2 << 30, (2 << 30) + 1, 10 << 30, 123456789])
    it['d'] = R.choice([0, 1, 5, 100, 100])
    maybe(it, 0.12, closed=1, ilm=1, unknown=1)
    maybe(it, 0.25, sh=R.randint(1, 4), rep=R.randint(0, 2), seg=R.randint(0, 9), al=R.choice([['one'], ['two'], ['one', 'two'], ['three']]), box=R.choice(['hot', 'cold']))
    low = created - R.randint(-5, 5) * LENGTH[unit] * 1000
    it['r'] = R.choice([[low, low + R.randint(0, 9) * LENGTH[unit] * 1000]] * 12 + [[0, low], [low, 10413792000000], [1600000000, low], [-5 * 10**11, low], None])
    return it


def trim(items, filters):
    """Leaves out what the filters don't look at."""
    text = json.dumps(filters)
    uses = {'c': ['creation_date'], 's': ['"space"', '"size"'], 'd': ['field_stats', '"empty"'], 'r': ['field_stats'], 'sh': ['"shards"', 'forcemerged'],
            'rep': ['forcemerged'], 'seg': ['forcemerged'], 'al': ['"alias"'], 'box': ['allocated'], 'unknown': ['"space"', '"size"', 'field_stats', '"empty"']}
    for i in items:
        for key, words in uses.items():
            if key in i and not any(w in text for w in words):
                del i[key]
    return items


class Client:
    """What Curator asks of Elasticsearch, from memory."""

    def __init__(self, items):
        self.items = {i['n']: i for i in items}
        self.cat = SimpleNamespace(indices=self.cat_indices)
        self.indices = self

    def of(self, index):
        return {n: self.items[n] for n in self.items if n in index.split(',')}

    def cat_indices(self, index, **_):
        return [{'index': n, 'status': 'close' if 'closed' in i else 'open'} for n, i in self.of(index).items()]

    def exists_alias(self, name):
        return False

    def get_settings(self, index):
        out = {}
        for n, i in self.of(index).items():
            s = {'creation_date': str(i.get('c', 10**12)), 'number_of_replicas': str(i.get('rep', 0)), 'number_of_shards': str(i.get('sh', 1))}
            if 'box' in i:
                s['routing'] = {'allocation': {'require': {'box': i['box']}}}
            if 'ilm' in i:
                s['lifecycle'] = {'name': 'policy'}
            out[n] = {'settings': {'index': s}}
        return out

    def stats(self, index, metric):
        return {'indices': {n: {} if 'unknown' in i else {
            'total': {'store': {'size_in_bytes': i.get('s', 0)}, 'docs': {'count': i.get('d', 1)}}, 'primaries': {'store': {'size_in_bytes': i.get('s', 0) // 2}}}
            for n, i in self.of(index).items()}}

    def segments(self, index):
        return {'indices': {n: {'shards': {'0': [{'num_search_segments': i.get('seg', 1)}]}} for n, i in self.of(index).items()}}

    def search(self, index, size, aggs):
        low, high = self.items[index]['r'] or (None, None)
        return {'aggregations': {'min': {'value': low if low is None else float(low)}, 'max': {'value': high if high is None else float(high)}}}

    def get_alias(self, index, name):
        out, missing = {}, False
        for a in name.split(','):
            on = [n for n, i in self.of(index).items() if any(b == a or a.endswith('*') and b.startswith(a[:-1]) for b in i.get('al', []))]
            out.update({n: {} for n in on})
            missing = missing or not on and '*' not in a
        if missing:
            raise NotFoundError('missing', SimpleNamespace(status=404), {})
        return out


def answer(case):
    date_ops.time = SimpleNamespace(time=lambda: case['now'] + 0.7)
    action = 'delete_snapshots' if case['k'] else 'delete_indices'
    filters = copy.deepcopy(case['f'])
    try:
        filters = validfilters(action, 'record')(filters)
    except Exception:
        return {'refused': True}
    if case['k']:
        lst = SnapshotList.__new__(SnapshotList)
        lst.snapshots = [i['n'] for i in case['i']]
        lst.snapshot_info = {i['n']: {'snapshot': i['n'], 'state': i.get('state', 'SUCCESS'), 'start_time_in_millis': i.get('c', 10**12)} for i in case['i']}
    else:
        lst = IndexList.__new__(IndexList)
        lst.client, lst.index_info = Client(case['i']), {}
        lst.indices = [i['n'] for i in case['i']]
        if case.get('ilm'):
            filters.append({'filtertype': 'ilm'})
    lst.loggit, lst.age_keyfield = logging.getLogger('x'), None
    left = (lambda: lst.snapshots) if case['k'] else (lambda: lst.indices)
    try:
        lst.iterate_filters({'filters': filters})
    except (NoIndices, NoSnapshots):
        return {'left': [], 'empty': True}
    except Exception as err:
        return {'error': type(err).__name__}
    return {'left': left()}


def main(path, total):
    kinds = [age] * 6 + [period] * 4 + [count] * 4 + [pattern] * 3 + [simple] * 3 + [space] * 2
    cases, seen = [], {}
    while len(cases) < total:
        snapshots = R.random() < 0.15
        now, ts, unit = clock(), R.choice(TIMESTRINGS), R.choice(UNITS)
        filters = [R.choice(kinds)(now, ts, unit, snapshots) for _ in range(R.choice([1, 1, 1, 1, 2, 2, 3]))]
        used = [f['timestring'] for f in filters if f.get('timestring')] or [ts]
        names = sorted({name(now, used, unit).replace(',', '') or 'i' for _ in range(R.randint(1, 6))})
        R.shuffle(names)
        case = {'k': int(snapshots), 'now': now, 'f': filters, 'i': trim([item(n, now, unit, snapshots) for n in names], filters)}
        if not snapshots and R.random() < 0.3:
            case['ilm'] = 1
        case.update(answer(case))
        what = 'refused' if 'refused' in case else case.get('error', 'left')
        if what == 'refused' and R.random() < 0.8:
            continue
        cases.append(case)
        seen[what] = seen.get(what, 0) + 1
    with gzip.GzipFile(path, 'wb', 9, mtime=0) as out:
        for case in cases:
            out.write((json.dumps(case, separators=(',', ':'), ensure_ascii=False) + '\n').encode())
    print(seen)


main(sys.argv[1], 10000)
